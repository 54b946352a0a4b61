"""The measures of a group of consented points: added up by the engine or read as one table where its members are alike,
else curve by curve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.privacy import too_much, withheld_slots
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest, GroupMonth, Measure
from meterhall.domain.readings import MISSING, CivilCurve, CivilSeries, Curve, Direction, LoadCurve, Quality
from meterhall.domain.readings import Series as CurveSeries
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.curves import DAY_S
from meterhall.domain.readings.granularity import Granularity, parse_granularity
from meterhall.domain.readings.groups import rescaled, sum_curves
from meterhall.domain.readings.measures import PERCENTILES, measured, of_totals
from meterhall.domain.readings.rows import SeriesSpec, instant_of
from meterhall.lake.lake import NEVER_US, GroupTotals
from meterhall.provider.deliveries.curves import SLOTS_AT_ONCE, curves_over
from meterhall.provider.deliveries.entitled import Entitled
from meterhall.provider.metering.service import kinds_of, lake
from meterhall.provider.metering.serving import serving_points
from meterhall.web.ahead import ahead
from meterhall.web.platform import platform

VALUES_AT_ONCE: Final = 16_000_000
"""Of members times slots, 128 MB: a month of 5,000 members by the quarter hour. Two of these are in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Measures of each slot, the sum among them; `hidden` is where one member is too much of it, `there` how many
    values were there, `known` when the youngest became known."""

    members: int
    scale: int
    edges: NDArray[np.int64]
    values: dict[Measure, NDArray[np.int64]]
    hidden: NDArray[np.bool_]
    there: int
    known: datetime


def told_over(
    request: DataRequest, some: Sequence[Entitled], names: dict[Measure, str], known_at: datetime | None = None
) -> tuple[list[Curve], tuple[GroupMonth, ...]]:
    """The measures in each direction under these names, and how complete they are; as known then, else by now.

    A slot in which one member has no value has none, nor one of which a member is too much.
    """
    found: list[Curve] = []
    told: list[GroupMonth] = []
    wanted = parse_granularity(request.granularity)
    measures: tuple[Measure, ...] = ("sum", *(one for one in names if one != "sum"))
    for direction in request.directions:
        group = _by_table(request.period, some, direction, wanted, measures, known_at)
        if group is None:
            curves = [curve for _, curve in curves_over(some, direction, request.period, wanted, known_at)]
            group = _by_curves(curves, measures)
        slots = len(group.hidden)
        withheld = group.hidden & (group.values["sum"] != MISSING)
        told.append(
            GroupMonth(
                month=request.period.first,
                direction=direction,
                pods=group.members,
                values=group.there,
                expected=group.members * slots,
                withheld=int(withheld.sum()),
            )
        )
        found += [_curve(group, measure, name, Direction(direction), wanted) for measure, name in names.items()]
    return found, tuple(told)


def _curve(group: _Group, measure: Measure, name: str, direction: Direction, wanted: Granularity) -> Curve:
    mantissas = np.where(group.hidden, MISSING, group.values[measure])
    quality = np.full(len(mantissas), Quality.DERIVED, np.uint8)
    if wanted.civil:
        return CivilCurve(
            CivilSeries(name, wanted, direction, group.scale), group.edges, mantissas, quality, group.known
        )
    series = CurveSeries(name, wanted.period_s, direction, group.scale)
    start = datetime.fromtimestamp(int(group.edges[0]), UTC)
    return LoadCurve(series, start, mantissas, quality, group.known)


def _by_curves(curves: Sequence[Curve], measures: Sequence[Measure]) -> _Group:
    """Of members that are not alike; some slots at once."""
    total = sum_curves(curves)
    slots, step = len(total.counts), max(SLOTS_AT_ONCE // len(curves), 1)
    values: dict[Measure, NDArray[np.int64]] = {one: np.full(slots, MISSING) for one in measures}
    hidden = np.zeros(slots, np.bool_)
    for at in range(0, slots, step):
        cut = slice(at, at + step)
        rows = []
        for one in curves:
            present = one.present[cut]
            mine = rescaled(np.where(present, one.mantissas[cut], 0), one.series.scale, total.scale)
            rows.append(np.where(present, mine, MISSING))
        _measure(np.stack(rows), cut, values, hidden)
    known = max(curve.available_at for curve in curves)
    return _Group(total.members, total.scale, total.edges, values, hidden, int(total.counts.sum()), known)


def _measure(
    table: NDArray[np.int64],
    cut: slice,
    values: dict[Measure, NDArray[np.int64]],
    hidden: NDArray[np.bool_],
) -> None:
    config = platform().config
    hidden[cut] = withheld_slots([table], config.largest_share_percent, config.minimum_group)
    for measure, found in measured(table, tuple(values)).items():
        values[measure][cut] = found


def _by_table(
    period: Period,
    some: Sequence[Entitled],
    direction: str,
    wanted: Granularity,
    measures: Sequence[Measure],
    known_at: datetime | None,
) -> _Group | None:
    """Of members that are alike, some days at once; None where they are not."""
    alike = _alike(some, direction, period, wanted)
    if alike is None:
        return None
    zone, specs = alike
    start, end = (midnight(ZoneInfo(zone), day).astimezone(UTC) for day in (period.first, period.until))
    step_s = wanted.period_s
    edges = np.arange(int(start.timestamp()), int(end.timestamp()) + 1, step_s, dtype=np.int64)
    if edges[0] % step_s or edges[-1] != int(end.timestamp()):
        return None
    if not PERCENTILES.keys() & set(measures) and not any(one.signed for one in specs):
        return _by_totals(specs, edges, measures, lake().totals(specs, start, end, step_s, as_known_at=known_at))
    values: dict[Measure, NDArray[np.int64]] = {one: np.full(len(edges) - 1, MISSING) for one in measures}
    hidden, there = np.zeros(len(edges) - 1, np.bool_), 0
    youngest = np.full(len(specs), NEVER_US)
    spans, at = _pieces(start, end, VALUES_AT_ONCE // (len(specs) * specs[0].slots_per_day)), 0
    for table, known_us in ahead(lake().table(specs, *span, step_s, as_known_at=known_at) for span in spans):
        np.maximum(youngest, known_us, out=youngest)
        there += table.size - int(np.count_nonzero(table == MISSING))
        _measure(table, slice(at, at + table.shape[1]), values, hidden)
        at += table.shape[1]
    known = _known(bool((youngest == NEVER_US).any()), int(youngest.max()))
    return _Group(len(specs), specs[0].scale, edges, values, hidden, there, known)


def _by_totals(
    specs: Sequence[SeriesSpec], edges: NDArray[np.int64], measures: Sequence[Measure], found: GroupTotals
) -> _Group:
    """Of members none of which has a negative value: the engine adds up, and says what the largest of a slot is."""
    members = len(specs)
    values = of_totals(found.sums, found.counts, found.largest, members, measures)
    hidden = too_much(found.largest, found.sums, platform().config.largest_share_percent)
    known = _known(found.members < members, found.known_us)
    return _Group(members, specs[0].scale, edges, values, hidden, int(found.counts.sum()), known)


def _known(silent: bool, youngest_us: int) -> datetime:
    """When the youngest value became known: now, where of a member there is none."""
    return platform().now() if silent else instant_of(youngest_us)


def _alike(
    some: Sequence[Entitled], direction: str, period: Period, wanted: Granularity
) -> tuple[str, list[SeriesSpec]] | None:
    """The zone, and the one series of each measured member, where all are of the same equal slots and scale, of one
    zone, and every member is entitled to the whole period."""
    by_point = {one.point.pk: one for one in some}
    rows = kinds_of(by_point, direction)
    if len({point for point, *_ in rows}) < len(rows):
        found = serving_points([one.point for one in some], direction, wanted)
        rows = [(one.point_id, one.pk, one.resolution_s, one.civil, one.scale) for of in found.values() for one in of]
    members = {point: by_point[point] for point, *_ in rows}
    kinds, zones = {row[2:] for row in rows}, {one.point.zone for one in members.values()}
    if len(by_point) < len(some) or len(members) < len(rows) or len(kinds) != 1 or len(zones) != 1:
        return None
    [(resolution_s, civil, scale)], [zone] = kinds, zones
    if (
        wanted.civil
        or civil
        or wanted.period_s % resolution_s
        or any(one.days != (period,) for one in members.values())
    ):
        return None
    signed = direction == Direction.NET
    return zone, [SeriesSpec(number, resolution_s, scale, signed) for _, number, *_ in rows]


def _pieces(start: datetime, end: datetime, days: int) -> Iterator[tuple[datetime, datetime]]:
    """From and until in pieces of at most so many days (one at least), cut where a month begins in UTC if one does: the
    lake has a file for each."""
    length = timedelta(seconds=DAY_S * max(days, 1))
    while start < end:
        until = min(start + length, end)
        month = datetime(until.year, until.month, 1, tzinfo=UTC)
        if until < end and start < month < until:
            until = month
        yield start, until
        start = until
