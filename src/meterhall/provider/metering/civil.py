"""Series of civil days and months: placed in the zone of their point, kept as days of one slot, read back as curves.

The lake knows no zone. A civil day rests there under its own date, a civil month under that of its first day, as a UTC
day of one slot; what is before and after in real time is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.protocol.base import Period
from meterhall.domain.readings import MISSING, CivilCurve, CivilSeries, Direction
from meterhall.domain.readings.civil import civil_day_of
from meterhall.domain.readings.civil_numbers import edges_of, first_days, numbers_of, numbers_on, starts_of
from meterhall.domain.readings.curves import DAY_S
from meterhall.domain.readings.days import EPOCH_DAY
from meterhall.domain.readings.granularity import Granularity
from meterhall.domain.readings.rules import Rule
from meterhall.lake.lake import SeriesBlock
from meterhall.provider.metering.intake import Block
from meterhall.provider.metering.models import Series
from meterhall.provider.points.models import Point
from meterhall.web.platform import platform
from meterhall.web.sets import pieces

Zones = Mapping[int, str]
"""The zone of each series' point, by the series' primary key."""


def zones_of(series: Iterable[Series]) -> dict[int, str]:
    """The zone of each series' point; a query for some hundred of them."""
    found: dict[int, str] = {}
    for some in pieces(series):
        zones = dict(Point.objects.filter(pk__in={one.point_id for one in some}).values_list("pk", "zone"))
        found |= {one.pk: zones[one.point_id] for one in some}
    return found


def place(block: Block, series_ids: NDArray[np.int64], zones: Zones, grain: Granularity) -> None:
    """Make the starts of a block the first instants of civil days or months; mark rows that begin or end elsewhere.

    A row without a series (-1) is looked at in the provider's own zone.
    """
    starts = block.starts.copy()
    for zone, rows in _by_zone(series_ids, zones):
        stated = block.starts[rows]
        numbers, begins = _numbers(stated, zone, grain, dated=block.dated)
        numbers -= block.are_ends
        _mark(block, rows[~begins], Rule.MISALIGNED)
        if block.ends is not None:
            after = numbers + 1
            ends = first_days(grain, after) * DAY_S if block.dated else starts_of(grain, zone, after)
            _mark(block, rows[ends != block.ends[rows]], Rule.RESOLUTION)
        starts[rows] = np.where(begins, starts_of(grain, zone, numbers), stated)
    block.starts = starts


def _numbers(
    stated: NDArray[np.int64], zone: ZoneInfo, grain: Granularity, *, dated: bool
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if not dated:
        return numbers_of(grain, zone, stated)
    numbers = numbers_on(grain, stated // DAY_S)
    return numbers, first_days(grain, numbers) * DAY_S == stated


def _mark(block: Block, rows: NDArray[np.int64], rule: Rule) -> None:
    block.rules[rows[block.rules[rows] == 0]] = rule


def numbered(
    series_ids: NDArray[np.int64], starts: NDArray[np.int64], zones: Zones, grain: Granularity
) -> NDArray[np.int64]:
    """The number of the civil day or month that begins at each start, in the zone of its series."""
    found = np.zeros(len(starts), np.int64)
    for zone, rows in _by_zone(series_ids, zones):
        found[rows] = numbers_of(grain, zone, starts[rows])[0]
    return found


def begun(
    series_ids: NDArray[np.int64], numbers: NDArray[np.int64], zones: Zones, grain: Granularity
) -> NDArray[np.int64]:
    """The first instant of the civil day or month of each number, seconds since 1970 UTC."""
    found = np.zeros(len(numbers), np.int64)
    for zone, rows in _by_zone(series_ids, zones):
        found[rows] = starts_of(grain, zone, numbers[rows])
    return found


def resting(grain: Granularity, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where civil days and months rest in the lake: midnight UTC of their first date, seconds since 1970."""
    return first_days(grain, numbers) * DAY_S


def _by_zone(series_ids: NDArray[np.int64], zones: Zones) -> Iterator[tuple[ZoneInfo, NDArray[np.int64]]]:
    """The rows of each zone."""
    own = platform().config.zone
    distinct, at = np.unique(series_ids, return_inverse=True)
    names = [zones.get(one, own) for one in distinct.tolist()]
    for name in sorted(set(names)):
        chosen = np.array([one == name for one in names], np.bool_)
        yield ZoneInfo(name), np.flatnonzero(chosen[at])


def span(days: Period) -> tuple[datetime, datetime]:
    """What to read of the lake for these civil days."""
    return _midnight(days.first), _midnight(days.until)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def curve_of(
    series: Series, name: str, zone: ZoneInfo, period: Period, held: Sequence[Period], blocks: Sequence[SeriesBlock]
) -> CivilCurve:
    """The civil days or months that touch `period`, under `name`; missing where one is not wholly within days held.

    `blocks` are what the lake has of each stretch of `held`.
    """
    grain = series.grain
    numbers = np.arange(*_reach(grain, period), dtype=np.int64)
    mantissas, quality = np.full(len(numbers), MISSING, np.int64), np.zeros(len(numbers), np.uint8)
    first = first_days(grain, numbers)
    after = first_days(grain, numbers + 1)
    whole = np.zeros(len(numbers), np.bool_)
    for days in held:
        whole |= (first >= _day(days.first)) & (after <= _day(days.until))
    for block in blocks:
        place = first - _day(block.start.date())
        inside = np.flatnonzero(whole & (place >= 0) & (place < len(block.mantissas)))
        mantissas[inside], quality[inside] = block.mantissas[place[inside]], block.quality[place[inside]]
    known = max((block.available_at for block in blocks if block.available_at), default=platform().now())
    edges = edges_of(grain, zone, int(numbers[0]), int(numbers[-1]) + 1)
    return CivilCurve(
        CivilSeries(name, grain, Direction(series.direction), series.scale), edges, mantissas, quality, known
    )


def cut(curve: CivilCurve, zone: ZoneInfo, days: Period) -> CivilCurve:
    """The days or months of a curve that touch these civil days."""
    first, until = _reach(curve.series.granularity, days)
    begins = int(numbers_of(curve.series.granularity, zone, curve.edges[:1])[0][0])
    low, high = max(first - begins, 0), min(until - begins, len(curve))
    return CivilCurve(
        curve.series,
        curve.edges[low : high + 1],
        curve.mantissas[low:high],
        curve.quality[low:high],
        curve.available_at,
    )


def _reach(grain: Granularity, days: Period) -> tuple[int, int]:
    """The numbers of the periods that touch civil days, from the first to the last, exclusive."""
    first, last = numbers_on(grain, np.array([_day(days.first), _day(days.until) - 1], np.int64)).tolist()
    return first, last + 1


def civil_days_of(series: Series, day: date, zone: ZoneInfo) -> Period:
    """The civil days of which hours are in a UTC day of a series; those of the civil day or month that rests there."""
    if series.civil:
        return Period(first=day, until=day_after(series.grain, day))
    start = _midnight(day)
    last = civil_day_of(zone, start + timedelta(days=1, seconds=-1))
    return Period(first=civil_day_of(zone, start), until=last + timedelta(days=1))


def day_after(grain: Granularity, day: date) -> date:
    """The day after the civil day or month that rests under this date."""
    number = numbers_on(grain, np.array([_day(day)], np.int64)) + 1
    return EPOCH_DAY + timedelta(days=int(first_days(grain, number)[0]))


def _day(day: date) -> int:
    return (day - EPOCH_DAY).days
