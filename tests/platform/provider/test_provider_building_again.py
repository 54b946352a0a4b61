"""What is laid down and in no version yet: nobody had it, no other attempt loses it, and it does not stay for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import pytest
from django.db.models.deletion import Collector

from meterhall.domain.privacy import GroupTooSmall
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.provider.activations.models import Activation
from meterhall.provider.consents.service import revoke
from meterhall.provider.deliveries import build as building
from meterhall.provider.deliveries.build import build
from meterhall.provider.deliveries.drawing import Drawn, draw_curves, folder
from meterhall.provider.deliveries.gate import open_part
from meterhall.provider.deliveries.models import Delivery, PartContent
from meterhall.provider.deliveries.retention import expire_files
from meterhall.provider.deliveries.service import ConsentRevoked, live_parts, newest, request_data
from meterhall.provider.deliveries.tasks import follow_readings
from meterhall.provider.points.models import Point
from meterhall.web.platform import platform
from meterhall.web.work.engine import QUEUES, NotYet, claim, discover
from tests.platform.provider.building import asked, withdraw
from tests.platform.provider.conftest import HOLDER, SUMS, World

FEW = Period(first=date(2026, 3, 1), until=date(2026, 3, 3))


def refused_after_all_ended(world: World, points: list[Point], monkeypatch: pytest.MonkeyPatch) -> Delivery:
    """A delivery of single curves: drawn and laid down, then everybody withdrew, and it was refused."""
    activation = world.activated(points)
    taken = request_data(
        DataRequest(activation_id=activation.pk, period=FEW, granularity="PT1H", format="csv"), activation.requester
    )

    def draw(*args: Any) -> Iterator[Drawn]:
        yield from draw_curves(*args)
        item = activation.items.first()
        assert item is not None
        assert item.consent_item is not None
        revoke(item.consent_item.consent_id, HOLDER)

    with monkeypatch.context() as patch:
        patch.setattr(building, "draw_curves", draw)
        world.work()
    delivery = Delivery.objects.get(pk=taken.delivery_id)
    assert (delivery.state, delivery.version) == ("refused", 0)
    return delivery


def test_a_curve_nobody_was_given_does_not_let_a_sum_pass(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sixth is known only in sums; the sum of six less the five known curves would be the sixth's own."""
    points = world.points(6)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 3))
    refused_after_all_ended(world, points[5:], monkeypatch)
    world.deliver(world.activated(points[:5]), period=FEW, granularity="PT1H")
    with pytest.raises(GroupTooSmall):
        world.deliver(world.activated(points, SUMS), period=FEW, granularity="PT1H", group=True)


def test_what_was_laid_down_for_a_delivery_that_is_refused_does_not_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 3))
    delivery = refused_after_all_ended(world, points, monkeypatch)
    assert not list((folder() / delivery.pk).glob("*"))
    assert not PartContent.objects.filter(part__delivery=delivery).exists()


def test_who_asks_for_a_part_that_ended_does_not_keep_the_next_version_from_coming(
    activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each such call supersedes; three attempts were under way in turn, and the two that came to their end publish
    nothing, because each has lost its files to the next."""
    discover()
    delivery = asked(activation)
    build(delivery)
    withdraw(activation, 0)
    attempts: list[Delivery] = []

    class StillAtIt(Exception):
        pass

    def requester_asks_and_another_worker_begins() -> None:
        with pytest.raises(ConsentRevoked):
            open_part(Delivery.objects.get(pk=delivery.pk), 1)
        row = claim(QUEUES[Delivery], platform().now())
        if row is None:
            return  # who is at it goes on, and is asked once more after that
        assert isinstance(row, Delivery)
        attempts.append(row)
        with suppress(StillAtIt, NotYet):
            build(row)

    def draw(*args: Any) -> Iterator[Drawn]:
        mine, last = len(attempts), len(attempts) == 3
        for number, one in enumerate(draw_curves(*args)):
            yield one
            if last:
                raise StillAtIt
            if not number and mine == len(attempts):
                requester_asks_and_another_worker_begins()

    monkeypatch.setattr(building, "draw_curves", draw)
    requester_asks_and_another_worker_begins()
    assert newest(delivery).version == 2, f"{len(attempts)} workers were at it, and no version came"


def test_parts_that_are_published_meanwhile_are_not_forgotten(
    activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django's `delete` first reads which rows, outside of any transaction, and then deletes them by their keys: what
    was published in between goes, and the manifest names parts that nobody can fetch, for ever."""
    delivery = asked(activation)
    publish, delete = building._publish, Collector.delete

    def another_worker_begins_at_that_moment(*args: Any) -> None:
        def between(collector: Collector) -> Any:
            monkeypatch.setattr(Collector, "delete", delete)
            with suppress(NotYet):
                publish(*args)
            return delete(collector)

        monkeypatch.setattr(Collector, "delete", between)
        building.forget_unfinished(Delivery.objects.get(pk=delivery.pk))

    monkeypatch.setattr(building, "_publish", another_worker_begins_at_that_moment)
    build(delivery)
    for version in delivery.versions.all():
        listed = [part["number"] for part in version.manifest["parts"]]
        assert [part.number for part in live_parts(delivery)] == listed


def test_another_customers_end_just_before_publishing_does_not_cost_all_that_was_drawn(
    world: World, activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the manifest is put together, which of a million PODs takes seconds, somebody else's consent ends."""
    others = world.points(1, holder="H-9", first=70)
    elsewhere = world.consent(others, world.contract(), holder="H-9")
    delivery, drawn, put_together = asked(activation), list[int](), building._manifest

    def meanwhile(*args: Any) -> Any:
        revoke(elsewhere.pk, "H-9")
        return put_together(*args)

    def draw(*args: Any) -> Iterator[Drawn]:
        for one in draw_curves(*args):
            drawn.append(one.part.number)
            yield one

    monkeypatch.setattr(building, "draw_curves", draw)
    monkeypatch.setattr(building, "_manifest", meanwhile)
    for _ in range(2):
        with suppress(NotYet):
            build(Delivery.objects.get(pk=delivery.pk))
    assert newest(delivery).version == 1
    assert drawn == [1, 2, 3]


def test_a_delivery_whose_files_are_kept_no_longer_is_not_made_again(world: World, activation: Activation) -> None:
    delivery = asked(activation)
    world.work()
    world.clock.now += timedelta(days=platform().config.delivery_days + 1)
    point = activation.items.get(position=0).point
    assert point is not None
    world.readings([point], date(2026, 3, 1), date(2026, 3, 2), wh=900)
    follow_readings()
    assert expire_files() == 1
    world.work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.version) == ("expired", 1)
