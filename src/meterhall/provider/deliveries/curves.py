"""The curves of a delivery: read in bulk out of the lake, cut to the holder's days, in the granularity asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.domain.readings import MISSING, CivilCurve, Curve, Direction, LoadCurve
from meterhall.domain.readings import Series as CurveSeries
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.curves import DAY_S
from meterhall.domain.readings.granularity import Granularity, parse_granularity
from meterhall.domain.readings.overlay import overlaid
from meterhall.formats import FORMATS
from meterhall.lake.lake import SeriesBlock
from meterhall.provider.deliveries.entitled import ITEMS_AT_ONCE, Entitled
from meterhall.provider.metering.civil import curve_of, cut, span
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, spec
from meterhall.provider.metering.serving import serving_points
from meterhall.web.platform import platform

SLOTS_A_DAY: Final = 96
"""Counted at least: a day may be read in quarter hours that is told in one slot."""
SLOTS_AT_ONCE: Final = 4_000_000
"""About 40 MB of values and qualities."""
PODS_A_PART: Final = 50
PARTS: Final = 200
"""Of more PODs than fill so many parts, each part has more PODs and there are as many parts."""
SLOTS_A_PART: Final = 2_000_000
BYTES_A_PART: Final = 128 * 1024 * 1024
"""A part is held in memory while it is pushed and read; a requester's repository takes twice as much."""


def pods_a_part(request: DataRequest, pods: int = 0) -> int:
    """How many of so many PODs go into a part: fewer the longer the period is, more the more there are."""
    slots = min(SLOTS_A_PART, BYTES_A_PART // FORMATS[request.format].slot_bytes)
    return min(max(slots // _slots_a_pod(request), 1), max(PODS_A_PART, -(-pods // PARTS)))


def _slots_a_pod(request: DataRequest) -> int:
    days, step_s = (request.period.until - request.period.first).days, parse_granularity(request.granularity).period_s
    return max(days, 1) * max(SLOTS_A_DAY, DAY_S // (step_s or DAY_S)) * len(request.directions)


def pods_at_once(request: DataRequest, part: int, slots: int = SLOTS_AT_ONCE) -> int:
    """How many PODs may be read at once, as whole parts and of so many slots: few reads, bounded memory."""
    return max(min(slots // _slots_a_pod(request), ITEMS_AT_ONCE) // part, 1) * part


def whole_curves(
    request: DataRequest, some: Sequence[Entitled], direction: str, known_at: datetime
) -> Iterator[tuple[Entitled, Curve]]:
    """The curve of each item over the whole period, as it was known then; missing on days that are not the holder's."""
    return curves_over(some, direction, request.period, parse_granularity(request.granularity), known_at)


def curves_over(
    some: Sequence[Entitled], direction: str, period: Period, wanted: Granularity, known_at: datetime | None = None
) -> Iterator[tuple[Entitled, Curve]]:
    """The curve of each item over a period, as it was known then, else by now; missing on days that are not the
    holder's. Raises `GranularityUnavailable`."""
    for one, curves in _read(some, direction, period, wanted, known_at):
        yield one, overlaid(curves, wanted, ZoneInfo(one.point.zone))


def curves_by_item(request: DataRequest, some: Sequence[Entitled]) -> dict[int, list[Curve]]:
    """The curve of each item in each direction, under its pseudonym; from its holder's first day to the last."""
    found: dict[int, list[Curve]] = {}
    wanted = parse_granularity(request.granularity)
    for direction in request.directions:
        for one, curves in _read(some, direction, request.period, wanted):
            cut = [_trimmed(curve, one, request) for curve in curves]
            found.setdefault(one.item.pk, []).append(overlaid(cut, wanted, ZoneInfo(one.point.zone)))
    return found


def with_series(request: DataRequest, some: Iterable[Entitled]) -> list[Entitled]:
    """The items that have a series in every direction asked for: only they can count in a sum."""
    known, wanted = list(some), parse_granularity(request.granularity)
    points = [one.point for one in known]
    having = [set(serving_points(points, direction, wanted)) for direction in request.directions]
    return [one for one in known if all(one.point.pk in measured for measured in having)]


def _read(
    some: Sequence[Entitled], direction: str, period: Period, wanted: Granularity, known_at: datetime | None = None
) -> Iterator[tuple[Entitled, list[Curve]]]:
    """The curves of each item over the whole period from the series that serve it, the finest first; missing on days
    that are not the holder's: those are never read."""
    serving = serving_points([one.point for one in some], direction, wanted)
    pairs = [(one, mine) for one in some for mine in serving.get(one.point.pk, ())]
    waiting: dict[int, dict[int, Curve]] = {}
    for one, number, curve in _natives(pairs, period, known_at):
        mine = waiting.setdefault(one.item.pk, {})
        mine[number] = curve
        if len(mine) == len(serving[one.point.pk]):
            yield one, [mine[series.pk] for series in serving[one.point.pk]]
            del waiting[one.item.pk]


def _natives(
    pairs: list[tuple[Entitled, Series]], period: Period, known_at: datetime | None
) -> Iterator[tuple[Entitled, int, Curve]]:
    """The curve of each item in the slots of a series; those that are alike are read together."""
    pairs.sort(key=lambda pair: (_alike(*pair), pair[1].resolution_s, pair[1].pk))
    for _, group in groupby(pairs, key=lambda pair: _alike(*pair)):
        alike = list(group)
        specs, zone = [spec(series) for _, series in alike], ZoneInfo(alike[0][0].point.zone)
        civil = alike[0][1].civil
        spans = [span(days) if civil else _instants(days, zone) for days in alike[0][0].days]
        reads = [lake().read(specs, *between, as_known_at=known_at) for between in spans]
        stretches = [(list(run) for _, run in groupby(read, key=lambda block: block.spec.id)) for read in reads]
        for (one, series), *runs in zip(alike, *stretches, strict=True):
            blocks = [block for run in runs for block in run]
            if civil:
                yield one, series.pk, curve_of(series, one.item.pseudonym, zone, period, one.days, blocks)
            else:
                yield one, series.pk, _curve(blocks, series, one, period)


def _alike(one: Entitled, series: Series) -> tuple[object, ...]:
    """What is the same for what is read together."""
    return series.civil, one.point.zone, tuple((days.first, days.until) for days in one.days)


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
