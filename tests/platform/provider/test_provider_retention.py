"""What is over leaves no file on disk, whenever a process dies on the way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import new_id
from meterhall.provider.consents.service import revoke
from meterhall.provider.contracts.service import end_contract
from meterhall.provider.deliveries import tasks
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.deliveries.service import live_parts
from meterhall.provider.metering import tasks as metering
from meterhall.provider.metering.models import IngestRun
from meterhall.provider.metering.service import ingest_folder, take_readings
from tests.platform.provider.conftest import HOLDER, World

FEW = Period(first=date(2026, 3, 1), until=date(2026, 3, 3))


class Killed(BaseException):
    """In place of a signal that can't be caught: nothing of the product handles it."""


@pytest.fixture
def delivery(world: World) -> Delivery:
    """Of two PODs, each under a consent of its own."""
    points, subscription = world.points(2), world.contract()
    world.readings(points, date(2026, 2, 28), date(2026, 3, 3))
    items = [(point.pod, f"consent:{world.consent([point], subscription).pk}") for point in points]
    made = world.deliver(world.activate(subscription, items), period=FEW)
    assert len(files(made)) == 1
    return made


def files(delivery: Delivery) -> list[Path]:
    return sorted((folder() / delivery.pk).glob("*"))


def dies(monkeypatch: pytest.MonkeyPatch, run: Callable[[], object]) -> None:
    """Run until the first file would be removed, and die there."""
    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", _die)
        with pytest.raises(Killed):
            run()


def _die(path: Path, missing_ok: bool = False) -> None:
    raise Killed(path)


def test_readings_that_nobody_took_whole_go_and_those_of_a_run_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(**values: object) -> None:
        raise Killed

    waiting = ingest_folder() / take_readings(b"pod,start,energy_wh\n", "PT15M").file
    with monkeypatch.context() as broken:
        broken.setattr(IngestRun.objects, "create", die)
        with pytest.raises(Killed):
            take_readings(b"pod,start,energy_wh\n\n", "PT15M")
    (ingest_folder() / f".{new_id('in')}").write_text("pod,start,ener")
    assert len(list(ingest_folder().iterdir())) == 3
    metering.clear()
    assert len(list(ingest_folder().iterdir())) == 3, "they may be on their way"
    then = time.time() - 25 * 3600
    for file in ingest_folder().iterdir():
        os.utime(file, (then, then))
    metering.clear()
    assert list(ingest_folder().iterdir()) == [waiting]


def state(delivery: Delivery) -> str:
    return Delivery.objects.get(pk=delivery.pk).state


def test_files_of_an_expired_delivery_go_after_a_death_between_its_end_and_theirs(
    world: World, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = world.deliver(delivery.activation, period=FEW)
    world.clock.now += timedelta(days=31)
    Delivery.objects.get(pk=kept.pk).versions.update(published_at=world.clock())
    dies(monkeypatch, tasks.retention)
    assert (state(delivery), len(files(delivery))) == ("expired", 1)
    tasks.retention()
    assert not (folder() / delivery.pk).exists()
    assert (state(kept), len(files(kept))) == ("published", 1), "what goes on keeps its files"


def test_files_of_an_ended_activation_go_after_a_death_between_its_end_and_theirs(
    world: World, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_contract(delivery.activation.subscription_id, "quit")
    dies(monkeypatch, world.follow)
    assert (state(delivery), len(files(delivery))) == ("ended", 1)
    world.follow()
    tasks.retention()
    assert not (folder() / delivery.pk).exists()


def test_files_of_a_superseded_version_go_after_a_death_right_after_the_next(
    world: World, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = delivery.activation.items.get(position=0).consent_item
    assert item is not None
    revoke(item.consent_id, HOLDER)
    dies(monkeypatch, world.follow)
    assert len(files(delivery)) == 2, "the revoked values are still there"
    world.clock.now += timedelta(hours=7)
    world.work()
    [part] = live_parts(delivery)
    assert [file.name for file in files(delivery)] == [Path(part.path).name]


def test_a_refused_delivery_and_one_nobody_knows_leave_no_file(world: World, delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(state="refused")
    delivery.parts.all().delete()
    unknown = folder() / "dlv_000000000000000000000000"
    unknown.mkdir()
    (unknown / "1-0badcafe.csv").write_text("values")
    tasks.retention()
    assert not any(folder().iterdir())


def test_a_delivery_that_expired_while_its_next_version_waited_stays_expired(world: World, delivery: Delivery) -> None:
    world.readings([delivery.activation.items.get(position=0).point], FEW.first, FEW.until, wh=500)
    tasks.follow_readings()
    assert Delivery.objects.get(pk=delivery.pk).work_state == "pending"
    world.clock.now += timedelta(days=31)
    tasks.retention()
    world.work()
    assert (state(delivery), Delivery.objects.get(pk=delivery.pk).version) == ("expired", 1)
    assert not (folder() / delivery.pk).exists()
