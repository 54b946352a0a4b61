"""What was expected, what came, what is missing and why: for each POD of an activation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from meterhall.client.answers import PodAnswer
from meterhall.domain.pods import InvalidPod, read
from meterhall.domain.pods.zones import zones_of_country
from meterhall.domain.protocol.base import Period
from meterhall.domain.readings import Curve, Granularity, civil_periods, midnight, zone_of

if TYPE_CHECKING:
    import polars as pl

Gap = tuple[datetime, datetime]
"""The start of the first slot without a value and the end of the last, UTC."""


@dataclass(frozen=True, slots=True)
class PodCompleteness:
    """One POD and direction: slots expected, with a value, without one; and where they are missing.

    Nothing is expected of a POD that is not accepted: `state` and `code` say why. It prints without the POD.
    """

    pod: str = field(repr=False)
    direction: str
    state: str
    code: str | None
    expected: int
    present: int
    gaps: tuple[Gap, ...]

    @property
    def missing(self) -> int:
        return self.expected - self.present


@dataclass(frozen=True, slots=True)
class Completeness:
    """The report over all PODs asked for."""

    pods: tuple[PodCompleteness, ...]

    def __iter__(self) -> Iterator[PodCompleteness]:
        return iter(self.pods)

    @property
    def expected(self) -> int:
        return sum(one.expected for one in self.pods)

    @property
    def present(self) -> int:
        return sum(one.present for one in self.pods)

    @property
    def missing(self) -> int:
        return sum(one.missing for one in self.pods)

    @property
    def is_complete(self) -> bool:
        """Whether every POD was accepted and every slot has a value."""
        return not self.missing and all(one.state == "accepted" for one in self.pods)

    def __str__(self) -> str:
        without = sum(one.state != "accepted" for one in self.pods)
        tail = f"; {without} PODs not accepted" if without else ""
        return f"{self.present} of {self.expected} values, {self.missing} missing{tail}"

    @property
    def frame(self) -> pl.DataFrame:
        """One row a POD and direction: pod, direction, state, code, expected, present, missing, gaps (their number)."""
        import polars as pl

        names = ("pod", "direction", "state", "code", "expected", "present", "missing")
        columns: dict[str, list[object]] = {name: [getattr(one, name) for one in self.pods] for name in names}
        columns["gaps"] = [len(one.gaps) for one in self.pods]
        kinds = {name: pl.String() if at < 4 else pl.Int64() for at, name in enumerate(columns)}
        return pl.DataFrame(columns, schema=kinds)

    @property
    def gaps(self) -> pl.DataFrame:
        """One row a gap: pod, direction, from, until (UTC), slots are counted in `frame`."""
        import polars as pl

        rows = [(one.pod, one.direction, *gap) for one in self.pods for gap in one.gaps]
        instant = pl.Datetime("us", "UTC")
        kinds = {"pod": pl.String(), "direction": pl.String(), "from": instant, "until": instant}
        return pl.DataFrame(rows, schema=kinds, orient="row")


def completeness(
    answers: Iterable[PodAnswer],
    curves: Sequence[Curve],
    period: Period,
    granularity: Granularity,
    directions: Sequence[str],
) -> Completeness:
    """The report: each answer against the curves that came for its pseudonym."""
    came: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        came.setdefault((curve.series.usage_point, str(curve.series.direction)), []).append(curve)
    rows = [
        _row(answer, direction, came.get((answer.pseudonym or "", direction), []), period, granularity)
        for answer in answers
        for direction in directions
    ]
    return Completeness(tuple(rows))


def _row(
    answer: PodAnswer, direction: str, curves: list[Curve], period: Period, granularity: Granularity
) -> PodCompleteness:
    if answer.state != "accepted":
        return PodCompleteness(answer.pod, direction, answer.state, answer.code, 0, 0, ())
    starts, ends = _expected(answer, curves, period, granularity)
    there = [curve.starts[curve.present] for curve in curves]
    present = np.unique(np.concatenate(there)) if there else np.empty(0, np.int64)
    missing = ~np.isin(starts, present)
    gaps = _runs(starts[missing], ends[missing])
    expected = int(missing.sum()) + len(present)
    return PodCompleteness(answer.pod, direction, "accepted", None, expected, len(present), gaps)


def _expected(
    answer: PodAnswer, curves: list[Curve], period: Period, granularity: Granularity
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends of the slots there should be: of the holder's days in the period, in the POD's own zone."""
    stretches = [cut for one in answer.periods or (period,) if (cut := _cut(one, period)) is not None]
    zone = zone_of(_zone(answer.pod, stretches, curves))
    starts: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    ends: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    for first, until in stretches:
        if granularity.civil:
            slots = civil_periods(granularity, zone, first, until)
            starts.append(np.array([int(slot.start.timestamp()) for slot in slots], np.int64))
            ends.append(np.array([int(slot.end.timestamp()) for slot in slots], np.int64))
        else:
            begin, end = int(midnight(zone, first).timestamp()), int(midnight(zone, until).timestamp())
            starts.append(np.arange(begin, end, granularity.period_s, dtype=np.int64))
            ends.append(starts[-1] + granularity.period_s)
    return np.concatenate(starts), np.concatenate(ends)


def _cut(one: Period, period: Period) -> tuple[date, date] | None:
    first, until = max(one.first, period.first), min(one.until, period.until)
    return (first, until) if first < until else None


def _zone(pod: str, stretches: list[tuple[date, date]], curves: list[Curve]) -> str:
    """The zone in which what came begins or ends at midnight; where none does, or nothing came, the mainland's."""
    try:
        zones = zones_of_country(read(pod)[0].pod.country)
    except InvalidPod:
        zones = ()
    edges = {edge for curve in curves if len(curve) for edge in (curve.start, curve.end)}
    for name in zones:
        if edges & {midnight(zone_of(name), day) for stretch in stretches for day in stretch}:
            return name
    return next(iter(zones), "UTC")


def _runs(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[Gap, ...]:
    """Slots that follow each other as one gap."""
    if not len(starts):
        return ()
    cuts = np.flatnonzero(starts[1:] != ends[:-1]) + 1
    firsts, lasts = np.append(0, cuts), np.append(cuts, len(starts)) - 1
    return tuple((_instant(starts[a]), _instant(ends[b])) for a, b in zip(firsts, lasts, strict=True))


def _instant(second: np.int64) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(second))
