"""The parts of one delivery are fetched several at a time; storing them stays one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import pytest

from meterhall.domain.protocol.deliveries import Manifest, Part
from meterhall.domain.readings import Curve, LoadCurve
from meterhall.requester.activations.models import Activation
from meterhall.requester.collection import collect
from meterhall.requester.collection.models import Delivery, Series
from meterhall.requester.collection.store import store

from .conftest import PSEUDONYMS, Clock, GridDouble, curve, ready, work

pytestmark = pytest.mark.django_db
LONG_S = 10
"""Far more than any of this takes."""


class Slow(httpx.SyncByteStream):
    """A body that comes a byte at a time."""

    def __init__(self, content: bytes, begun: threading.Event) -> None:
        self.content, self.begun, self.sent = content, begun, 0

    def __iter__(self) -> Iterator[bytes]:
        for place in range(len(self.content)):
            self.sent += 1
            yield self.content[place : place + 1]
            self.begun.set()
            threading.Event().wait(0.01)


@dataclass
class Grid(GridDouble):
    """Answers a part only when it may, as `hold` says by its number."""

    hold: dict[int, Callable[[], object]] = field(default_factory=dict)
    slow: dict[int, threading.Event] = field(default_factory=dict)
    bodies: dict[int, Slow] = field(default_factory=dict)

    def _part(self, request: httpx.Request, delivery_id: str, number: int) -> httpx.Response:
        self.hold.get(number, bool)()
        if number in self.slow:
            body = self.bodies[number] = Slow(self.files[delivery_id, number], self.slow.pop(number))
            return httpx.Response(200, stream=body)
        return super()._part(request, delivery_id, number)


@pytest.fixture
def grid() -> Grid:
    return Grid()


def parts_of(count: int) -> dict[int, list[LoadCurve]]:
    """So many parts of one POD, a day each."""
    return {
        number: [LoadCurve(one.series, one.start + timedelta(hours=number), *cut(one), one.available_at)]
        for number, one in ((number, curve(first=100 * number)) for number in range(1, count + 1))
    }


def cut(one: LoadCurve) -> tuple[object, object]:
    return one.mantissas[:4], one.quality[:4]


def test_the_next_parts_are_asked_for_while_one_is_under_way_and_stored_in_order(
    activation: Activation, grid: Grid, delivery_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, others, stored = threading.Event(), [], []
    grid.hold = {1: lambda: others.append(last.wait(LONG_S)), 4: last.set}

    def noted(curves: list[Curve], part: Part, manifest: Manifest) -> None:
        stored.append((part.number, threading.current_thread() is threading.main_thread()))
        store(curves, part, manifest)

    monkeypatch.setattr(collect, "store", noted)
    grid.publish(parts_of(7), delivery_id)
    assert ready(delivery_id).state == "received"
    assert others == [True]
    assert stored == [(number, True) for number in range(1, 8)]
    assert set(Delivery.objects.get().parts.values_list("state", flat=True)) == {"stored"}
    assert [len(grid.paths(f"/parts/{number}")) for number in range(1, 8)] == [1] * 7


def test_when_one_part_is_gone_the_others_of_that_version_stop(
    activation: Activation, grid: Grid, delivery_id: str, clock: Clock
) -> None:
    begun = threading.Event()
    grid.slow, grid.hold = {1: begun}, {2: lambda: begun.wait(LONG_S)}
    grid.gone = {2: "part_replaced"}
    grid.on_gone = lambda: grid.publish({1: [curve()]}, delivery_id, version=2)
    grid.publish({1: [curve()], 2: [curve(PSEUDONYMS[1])]}, delivery_id)
    assert ready(delivery_id).state == "announced"
    body = grid.bodies[1]
    assert 0 < body.sent < len(body.content) // 2
    clock.ahead += timedelta(seconds=5)
    work()
    assert Delivery.objects.get().state == "received"
    assert grid.paths("/parts/1")[-1].headers["Range"] == f"bytes={body.sent - 1}-", "what came is not fetched again"
    assert [one.pseudonym for one in Series.objects.all()] == [PSEUDONYMS[0]]
