"""A push that finds, when it goes on, that the parts of its version are others than when it began."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest

from meterhall.domain.protocol.base import Period
from meterhall.provider.activations.models import Activation
from meterhall.provider.contracts.service import check_not_suspended
from meterhall.provider.deliveries import curves, push
from meterhall.provider.deliveries.follow import close_ended
from meterhall.provider.deliveries.models import AccessLog, PushJob
from meterhall.provider.deliveries.retention import close
from meterhall.provider.deliveries.tasks import admitted
from meterhall.web.messaging.models import Outbox, Peer
from meterhall.web.work.models import WorkState
from tests.platform.provider.conftest import REQUESTER, World

FEW = Period(first=date(2026, 3, 1), until=date(2026, 3, 3))


class Line:
    """A repository that takes everything, but breaks off once, at the so manieth file."""

    def __init__(self, breaks_at: int = 0) -> None:
        self.put: list[str] = []
        self._breaks_at = breaks_at

    def __call__(self, url: str, *how: object) -> None:
        self.put.append(url.rpartition("/")[2])
        if len(self.put) == self._breaks_at:
            raise OSError


@pytest.fixture
def job(world: World, monkeypatch: pytest.MonkeyPatch) -> PushJob:
    """Three parts to be pushed."""
    monkeypatch.setattr(curves, "PODS_A_PART", 1)
    points = world.points(3)
    world.readings(points, date(2026, 2, 28), date(2026, 3, 3))
    delivery = world.deliver(world.activated(points), period=FEW)
    contract = SimpleNamespace(repository=SimpleNamespace(url="https://peer.example/repository"))
    monkeypatch.setattr(push, "contract_in_force", lambda subscription, requester: contract)
    return PushJob.objects.create(version=delivery.versions.get(), work_state=WorkState.HELD)


@pytest.mark.parametrize("why", ["ended", "expired"])
def test_of_a_delivery_that_is_over_no_manifest_is_pushed(
    job: PushJob, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(breaks_at=2)
    monkeypatch.setattr(push, "_put", line)
    with pytest.raises(OSError):  # noqa: PT011 - the line broke
        push.push_version(job)
    if why == "ended":
        Activation.objects.update(state="ended")
        close_ended()
    else:
        close(job.version.delivery, "expired", "retention")
    push.push_version(PushJob.objects.get(pk=job.pk))
    assert line.put == ["1", "2"], "a manifest would announce parts that are not there"
    assert not Outbox.objects.filter(type="delivery.pushed").exists()


def test_what_a_suspension_kept_back_is_pushed_once_the_requester_is_admitted_again(
    world: World, job: PushJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, contract = Line(), push.contract_in_force
    monkeypatch.setattr(push, "_put", line)

    def unless_suspended(subscription: str, requester: str) -> object:
        check_not_suspended(requester)
        return contract(subscription, requester)

    monkeypatch.setattr(push, "contract_in_force", unless_suspended)
    PushJob.objects.update(work_state=WorkState.PENDING)
    Peer.objects.filter(pk=REQUESTER).update(status="suspended")
    world.work()
    assert line.put == []
    Peer.objects.filter(pk=REQUESTER).update(status="admitted")
    data = SimpleNamespace(player=SimpleNamespace(access_number=REQUESTER))
    admitted(None, data)  # type: ignore[arg-type]
    world.work()
    assert line.put == ["1", "2", "3", "manifest"]
    admitted(None, data)  # type: ignore[arg-type]
    world.work()
    assert len(line.put) == 4, "once is enough"


def test_a_version_replaced_while_the_repository_is_opened_is_not_pushed_as_another(
    world: World, job: PushJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line()
    monkeypatch.setattr(push, "_put", line)
    contract = push.contract_in_force

    def corrected_meanwhile(subscription: str, requester: str) -> object:
        point = job.version.delivery.parts.get(number=2).contents.get().item.point
        assert point is not None
        world.readings([point], date(2026, 3, 2), date(2026, 3, 3), wh=500)
        world.follow()
        return contract(subscription, requester)

    monkeypatch.setattr(push, "contract_in_force", corrected_meanwhile)
    push.push_version(job)
    assert "manifest" not in line.put, "part 2 of its manifest is not to be had, and part 4 is not in it"
    assert not Outbox.objects.filter(type="delivery.pushed").exists()
    assert not AccessLog.objects.filter(part=4).exists()
