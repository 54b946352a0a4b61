"""The curves of a delivery: read in bulk out of the lake, cut to the holder's days, in the granularity asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.privacy import dominated
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest, GroupMonth, Measure
from meterhall.domain.readings import MISSING, CivilCurve, CivilSeries, Curve, Direction, LoadCurve, Quality
from meterhall.domain.readings import Series as CurveSeries
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.granularity import parse_granularity
from meterhall.domain.readings.groups import rescaled, sum_curves
from meterhall.domain.readings.measures import measured
from meterhall.domain.readings.resampling import resample, resample_civil
from meterhall.lake.lake import SeriesBlock
from meterhall.provider.deliveries.entitled import ITEMS_AT_ONCE, Entitled
from meterhall.provider.metering.civil import curve_of, cut, span
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, series_of_points, spec
from meterhall.web.platform import platform

SLOTS_A_DAY: Final = 96
SLOTS_AT_ONCE: Final = 4_000_000
"""About 40 MB of values and qualities."""
PODS_A_PART: Final = 50
PARTS: Final = 200
"""Of more PODs than fill so many parts, each part has more PODs and there are as many parts."""
SLOTS_A_PART: Final = 2_000_000
"""As text about 150 MB, which a part is held in while it is written, pushed and read."""


def pods_a_part(request: DataRequest, pods: int = 0) -> int:
    """How many of so many PODs go into a part: fewer the longer the period is, more the more there are."""
    return min(max(SLOTS_A_PART // _slots_a_pod(request), 1), max(PODS_A_PART, -(-pods // PARTS)))


def _slots_a_pod(request: DataRequest) -> int:
    return max((request.period.until - request.period.first).days, 1) * SLOTS_A_DAY * len(request.directions)


def pods_at_once(request: DataRequest, part: int) -> int:
    """How many PODs may be read at once, as whole parts: few reads, bounded memory."""
    return max(min(SLOTS_AT_ONCE // _slots_a_pod(request), ITEMS_AT_ONCE) // part, 1) * part


def whole_curves(
    request: DataRequest, some: Sequence[Entitled], direction: str, known_at: datetime
) -> Iterator[tuple[Entitled, Curve]]:
    """The curve of each item over the whole period, as it was known then; missing on days that are not the holder's."""
    for one, curve in _read(request, some, direction, known_at):
        yield one, _in_granularity(curve, request, ZoneInfo(one.point.zone))


def curves_by_item(request: DataRequest, some: Sequence[Entitled]) -> dict[int, list[Curve]]:
    """The curve of each item in each direction, under its pseudonym; from its holder's first day to the last."""
    found: dict[int, list[Curve]] = {}
    for direction in request.directions:
        for one, curve in _read(request, some, direction):
            cut = _in_granularity(_trimmed(curve, one, request), request, ZoneInfo(one.point.zone))
            found.setdefault(one.item.pk, []).append(cut)
    return found


def told_over(
    request: DataRequest, some: Sequence[Entitled], names: dict[Measure, str], known_at: datetime | None = None
) -> tuple[list[Curve], tuple[GroupMonth, ...]]:
    """The measures in each direction under these names, and how complete they are; as known then, else by now.

    A slot in which one member has no value has none, nor one of which a member is too much.
    """
    found: list[Curve] = []
    told: list[GroupMonth] = []
    for direction in request.directions:
        reads = _read(request, some, direction, known_at)
        curves = [_in_granularity(curve, request, ZoneInfo(one.point.zone)) for one, curve in reads]
        total = sum_curves(curves)
        known = max(curve.available_at for curve in curves)
        values, hidden = _measured(curves, total.scale, tuple(names))
        told.append(
            GroupMonth(
                month=request.period.first,
                direction=direction,
                pods=total.members,
                values=int(total.counts.sum()),
                expected=total.members * len(total.counts),
                withheld=int((hidden & (total.mantissas != MISSING)).sum()),
            )
        )
        quality = np.full(len(hidden), Quality.DERIVED, np.uint8)
        wanted = parse_granularity(request.granularity)
        for measure, name in names.items():
            mantissas = np.where(hidden, MISSING, values[measure])
            if wanted.civil:
                civil = CivilSeries(name, wanted, Direction(direction), total.scale)
                found.append(CivilCurve(civil, total.edges, mantissas, quality, known))
            else:
                series = CurveSeries(name, wanted.period_s, Direction(direction), total.scale)
                found.append(LoadCurve(series, total.start, mantissas, quality, known))
    return found, tuple(told)


def _measured(
    curves: Sequence[Curve], scale: int, measures: Sequence[Measure]
) -> tuple[dict[Measure, NDArray[np.int64]], NDArray[np.bool_]]:
    """The measures of each slot, and where one of the curves is too much of it; some slots at once."""
    slots, step = len(curves[0]), max(SLOTS_AT_ONCE // len(curves), 1)
    values: dict[Measure, NDArray[np.int64]] = {one: np.full(slots, MISSING) for one in measures}
    hidden = np.zeros(slots, np.bool_)
    for at in range(0, slots, step):
        cut = slice(at, at + step)
        there = np.stack([one.present[cut] for one in curves])
        rows = [rescaled(np.where(one.present[cut], one.mantissas[cut], 0), one.series.scale, scale) for one in curves]
        matrix = np.stack(rows)
        hidden[cut] = dominated(matrix, platform().config.largest_share_percent)
        for one, measure in measured(np.where(there, matrix, MISSING), measures).items():
            values[one][cut] = measure
    return values, hidden


def with_series(request: DataRequest, some: Iterable[Entitled]) -> list[Entitled]:
    """The items that have a series in every direction asked for: only they can count in a sum."""
    known = list(some)
    having = [set(series_of_points([one.point for one in known], direction)) for direction in request.directions]
    return [one for one in known if all(one.point.pk in points for points in having)]


def _read(
    request: DataRequest, some: Sequence[Entitled], direction: str, known_at: datetime | None = None
) -> Iterator[tuple[Entitled, Curve]]:
    """The curve of each item over the whole period, missing on days that are not the holder's: those are never read."""
    series = series_of_points([one.point for one in some], direction)
    having = [one for one in some if one.point.pk in series]
    having.sort(key=lambda one: (_alike(one, series), series[one.point.pk].resolution_s, series[one.point.pk].pk))
    for _, group in groupby(having, key=lambda one: _alike(one, series)):
        members = list(group)
        specs, zone = [spec(series[one.point.pk]) for one in members], ZoneInfo(members[0].point.zone)
        civil = series[members[0].point.pk].civil
        spans = [span(days) if civil else _instants(days, zone) for days in members[0].days]
        reads = [lake().read(specs, *between, as_known_at=known_at) for between in spans]
        stretches = [(list(run) for _, run in groupby(read, key=lambda block: block.spec.id)) for read in reads]
        for one, *runs in zip(members, *stretches, strict=True):
            blocks, mine = [block for run in runs for block in run], series[one.point.pk]
            if civil:
                yield one, curve_of(mine, one.item.pseudonym, zone, request.period, one.days, blocks)
            else:
                yield one, _curve(blocks, mine, one, request.period)


def _alike(one: Entitled, series: dict[int, Series]) -> tuple[object, ...]:
    """What is the same for the items that are read together."""
    return series[one.point.pk].civil, one.point.zone, tuple((days.first, days.until) for days in one.days)


def _instants(days: Period, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return midnight(zone, days.first), midnight(zone, days.until)


def _curve(blocks: list[SeriesBlock], series: Series, one: Entitled, period: Period) -> LoadCurve:
    zone = ZoneInfo(one.point.zone)
    start = midnight(zone, period.first)
    slots = _slots(start, midnight(zone, period.until), series)
    mantissas, quality = np.full(slots, MISSING, np.int64), np.zeros(slots, np.uint8)
    for block in blocks:
        first = _slots(start, block.start, series)
        mantissas[first : first + len(block.mantissas)] = block.mantissas
        quality[first : first + len(block.quality)] = block.quality
    return LoadCurve(
        CurveSeries(one.item.pseudonym, series.resolution_s, Direction(series.direction), series.scale),
        start,
        mantissas,
        quality,
        max((block.available_at for block in blocks if block.available_at), default=platform().now()),
    )


def _slots(start: datetime, instant: datetime, series: Series) -> int:
    return int((instant - start).total_seconds()) // series.resolution_s


def _trimmed(curve: Curve, one: Entitled, request: DataRequest) -> Curve:
    """Without the days before the holder's first and after the last."""
    zone, begin = ZoneInfo(one.point.zone), max(one.days[0].first, request.period.first)
    if isinstance(curve, CivilCurve):
        return cut(curve, zone, Period(first=begin, until=one.days[-1].until))
    start, step_s = midnight(zone, begin), curve.series.resolution_s
    first = int((start - curve.start).total_seconds()) // step_s
    last = int((midnight(zone, one.days[-1].until) - curve.start).total_seconds()) // step_s
    return LoadCurve(curve.series, start, curve.mantissas[first:last], curve.quality[first:last], curve.available_at)


def _in_granularity(curve: Curve, request: DataRequest, zone: ZoneInfo) -> Curve:
    wanted = parse_granularity(request.granularity)
    if isinstance(curve, CivilCurve):
        return resample_civil(curve, wanted, zone)
    if wanted.period_s == curve.series.resolution_s:
        return curve
    return resample(curve, wanted, zone).curve()
