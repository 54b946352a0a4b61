"""The parts of a delivery come to a client several at a time; what is told of it only grows."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from meterhall.client.b2b import PublicClient
from meterhall.client.checks import Rejected
from meterhall.client.deliveries import KIND, Collector, DeliveryKept
from meterhall.client.line import Line
from meterhall.client.memory import Memory
from meterhall.client.patience import STOP, Pace, Stopped
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import digest, new_salt
from meterhall.domain.protocol.deliveries import DataRequest, Manifest, Part
from meterhall.domain.readings import LoadCurve, Series
from meterhall.formats import FORMATS, PartHeader

NAMES = tuple(f"{number:036d}" for number in range(8))
LONG_S = 10
"""Far more than any of this takes."""


def file_of(name: str) -> bytes:
    """A day of one POD."""
    curve = LoadCurve(
        Series(name, 3600), datetime(2026, 3, 1, 23, tzinfo=UTC), np.arange(24), np.zeros(24, np.uint8),
        datetime(2026, 3, 5, tzinfo=UTC),
    )  # fmt: skip
    return b"".join(FORMATS["csv"].encode([curve], PartHeader("dlv_1")))


FILES = {number: file_of(name) for number, name in enumerate(NAMES, 1)}
PARTS = tuple(
    Part(
        number=number, media_type="text/csv", extension="csv", size_bytes=len(FILES[number]),
        digest=digest(FILES[number]), readings=24, missing=0, pseudonyms=(NAMES[number - 1],),
    )
    for number in FILES
)  # fmt: skip
MANIFEST = Manifest(
    delivery_id=f"dlv_{'d' * 24}", version=1, activation_id=f"act_{'a' * 24}", subscription_id=f"sub_{'5' * 24}",
    provider="MH0000000109", requester="MH0000000205", created_at=datetime(2026, 3, 5, tzinfo=UTC),
    period=Period(first=date(2026, 3, 2), until=date(2026, 3, 3)), granularity="PT1H", format="csv",
    commitment_salt=new_salt(), parts=PARTS,
)  # fmt: skip


@dataclass
class Desk:
    """A client's desk with one provider that answers a part when `hold` lets it."""

    files: Path
    hold: dict[int, Callable[[], object]] = field(default_factory=dict)
    told: list[tuple[int, int | None]] = field(default_factory=list)
    pace: Pace = field(default_factory=lambda: Pace(0))

    @cached_property
    def memory(self) -> Memory:
        return Memory(self.files.parent / "memory.sqlite3")

    @property
    def home(self) -> SimpleNamespace:
        return SimpleNamespace(files=self.files)

    def tell(self, step: str, done: int, total: int | None, unit: str) -> None:
        self.told.append((done, total))

    def provider(self, _: str) -> Line:
        return Line(
            PublicClient("https://grid.example", http=httpx.Client(transport=httpx.MockTransport(self))), self.pace
        )

    def __call__(self, request: httpx.Request) -> httpx.Response:
        number = int(request.url.path.rpartition("/")[2])
        self.hold.get(number, bool)()
        return httpx.Response(200, stream=httpx.ByteStream(FILES[number]))


def collector(desk: Desk) -> Collector:
    return Collector(desk, MANIFEST.provider, MANIFEST.subscription_id, frozenset(NAMES))  # type: ignore[arg-type]


def test_the_next_parts_are_asked_for_while_one_is_under_way(tmp_path: Path):
    last, waited = threading.Event(), []
    desk = Desk(tmp_path, {1: lambda: waited.append(last.wait(LONG_S)), 4: last.set})
    curves = collector(desk)._bring_all(MANIFEST)
    assert waited == [True]
    assert [one.series.usage_point for one in curves] == list(NAMES)
    assert desk.told == sorted(desk.told)
    assert desk.told[-1] == (sum(map(len, FILES.values())),) * 2


def test_a_part_that_is_another_file_ends_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(FILES, 3, bytes(len(FILES[3])))
    with pytest.raises(Rejected) as reason:
        collector(Desk(tmp_path))._bring_all(MANIFEST)
    assert reason.value.code == "digest_mismatch"


def test_one_that_is_killed_while_it_clears_away_leaves_nothing_nobody_knows_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whichever of the two was done when it was killed: what is left is known of, and goes when it is over again."""
    desk = Desk(tmp_path / "files")
    request = DataRequest(
        activation_id=MANIFEST.activation_id, period=MANIFEST.period, granularity="PT1H", format="csv"
    )
    name, kept = request.fingerprint(), DeliveryKept(key="k", request=request, delivery_id=MANIFEST.delivery_id)
    folder = desk.files / MANIFEST.delivery_id
    for killed in ((shutil, "rmtree"), (desk.memory, "forget")):
        folder.mkdir(parents=True)
        (folder / "a.part").write_bytes(b"readings")
        desk.memory.put(KIND, name, kept)
        with monkeypatch.context() as dying:
            dying.setattr(*killed, lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                collector(desk)._over(name, kept)
        left = desk.memory.get(KIND, name, DeliveryKept)
        assert left == kept, "it is known of as long as anything may be left"
        collector(desk)._over(name, left)
        assert not folder.exists()
        assert desk.memory.get(KIND, name, DeliveryKept) is None


def test_it_is_ended_from_outside_while_parts_are_under_way(tmp_path: Path):
    outside = threading.Event()
    desk = Desk(tmp_path, dict.fromkeys(FILES, outside.set))
    token = STOP.set(outside)
    try:
        with pytest.raises(Stopped):
            collector(desk)._bring_all(MANIFEST)
    finally:
        STOP.reset(token)
