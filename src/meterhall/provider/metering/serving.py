"""Which series of a metering point serves which days: several of one direction are told as one curve.

By what rule stands in `domain.readings.overlay`.
"""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.protocol.base import Period
from meterhall.domain.readings import CIVIL_MONTH, Curve, Direction, LoadCurve
from meterhall.domain.readings import Series as CurveSeries
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.granularity import Granularity
from meterhall.domain.readings.overlay import day_edges, is_monthly, overlaid, sources
from meterhall.lake.lake import SeriesBlock
from meterhall.provider.metering.civil import civil_days_of, curve_of, span
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import HOUR_S, can_be_had, lake, series_of, spec
from meterhall.provider.points.models import Point
from meterhall.web.platform import platform
from meterhall.web.sets import pieces

Line = tuple[int, str]
"""A point, by its primary key, and a direction: what one curve is of."""
VALUES_AT_ONCE: Final = 4_000_000
DAY: Final = timedelta(days=1)


def finest_first(several: Iterable[Series]) -> list[Series]:
    """Series of equal slots before those of civil days, and these before those of months; each by its resolution."""
    return sorted(several, key=lambda one: (one.civil, one.resolution_s, one.pk))


def serving(several: Iterable[Series], wanted: Granularity) -> list[Series]:
    """Those of the series of a point and direction that a granularity is taken from, the finest first.

    Where it can be had from none the finest alone, which says so when it is read.
    """
    ordered = finest_first(several)
    fitting = [one for one in ordered if can_be_had(one, wanted)]
    return [one for one in fitting if not cuts_hours(one)] or fitting[:1] or ordered[:1]


def cuts_hours(series: Series) -> bool:
    """Whether a civil day may begin within a slot: it begins on a full hour, or a part of one."""
    return not series.civil and HOUR_S % series.resolution_s != 0


def serving_points(points: Iterable[Point], direction: str, wanted: Granularity) -> dict[int, list[Series]]:
    """Of each point that is measured in a direction the series that serve a granularity, by the point's primary key."""
    known = series_of(point.pk for point in points)
    found = {point: [one for one in several if one.direction == direction] for point, several in known.items()}
    return {point: serving(several, wanted) for point, several in found.items() if several}


def lines_of(series: Iterable[Series]) -> dict[Line, list[Series]]:
    """The series of each point and direction, the finest first."""
    found: dict[Line, list[Series]] = {}
    for one in finest_first(series):
        found.setdefault((one.point_id, one.direction), []).append(one)
    return found


def load_curve_of(series: Series, name: str, blocks: Sequence[SeriesBlock]) -> LoadCurve:
    """What the lake has of a series of equal slots, in blocks that follow each other."""
    return LoadCurve(
        CurveSeries(name, series.resolution_s, Direction(series.direction), series.scale),
        blocks[0].start,
        np.concatenate([block.mantissas for block in blocks]),
        np.concatenate([block.quality for block in blocks]),
        max((block.available_at for block in blocks if block.available_at), default=platform().now()),
    )


def shown_days(
    changed: Iterable[tuple[Series, date]],
    lines: Mapping[Line, Sequence[Series]],
    zones: Mapping[int, str],
    wanted: Granularity | None = None,
) -> dict[int, set[date]]:
    """The civil days that (series, UTC day) pairs touch and that are told from that very series, by its primary key.

    `lines` has the series that are told, `zones` the zone of each point. Without a granularity each series is told at
    its own.
    """
    touched: dict[Line, dict[int, set[date]]] = {}
    for one, day in changed:
        key = one.point_id, one.direction
        if one in lines.get(key, ()):
            civil = civil_days_of(one, day, ZoneInfo(zones[one.point_id]))
            touched.setdefault(key, {}).setdefault(one.pk, set()).update(each_day(civil))
    found: dict[int, set[date]] = {}
    for zone, mine in groupby(sorted(touched, key=lambda line: zones[line[0]]), key=lambda line: zones[line[0]]):
        some = list(mine)
        days = _around(day for line in some for of in touched[line].values() for day in of)
        for line, served in _served([(line, lines[line]) for line in some], days, ZoneInfo(zone), wanted):
            for number, of in touched[line].items():
                found[number] = {day for day in of if served[(day - days.first).days] == number}
    return found


def served(several: Sequence[Series], days: Period, zone: ZoneInfo) -> NDArray[np.int64]:
    """The primary key of the series that each civil day is told from, each at its own resolution; 0 where none has a
    value. Shape (days,)."""
    wide = _around((days.first, days.until - DAY))
    [(_, found)] = _served([((0, ""), several)], wide, zone, None)
    return found[(days.first - wide.first).days :][: (days.until - days.first).days]


def each_day(days: Period) -> list[date]:
    """The days of a period."""
    return [days.first + number * DAY for number in range((days.until - days.first).days)]


def whole_months(days: set[date]) -> set[date]:
    """Those of the days whose month is among them from its first day to its last."""
    counts = Counter(day.replace(day=1) for day in days)
    return {day for day in days if counts[day.replace(day=1)] == monthrange(day.year, day.month)[1]}


def _around(days: Iterable[date]) -> Period:
    """The whole months around civil days."""
    known = list(days)
    last = max(known).replace(day=28) + 4 * DAY
    return Period(first=min(known).replace(day=1), until=last.replace(day=1))


def _served(
    lines: Sequence[tuple[Line, Sequence[Series]]], days: Period, zone: ZoneInfo, wanted: Granularity | None
) -> Iterator[tuple[Line, NDArray[np.int64]]]:
    """Of each line the primary key of the series that serves each of the days, whole months."""
    edges = day_edges(midnight(zone, days.first), midnight(zone, days.until), zone)
    most = max(VALUES_AT_ONCE // (len(edges) * 96), 1)
    for some in pieces(lines, most):
        curves = dict(_natives([one for _, several in some for one in several], days, zone))
        for line, several in some:
            mine = [curves[one.pk] for one in several]
            which = sources(mine, edges)
            if wanted is not None and wanted.monthly:
                which = _by_month(mine, which, edges, zone)
            numbers = np.array([*(one.pk for one in several), 0], np.int64)
            yield line, numbers[which]


def _by_month(
    curves: Sequence[Curve], which: NDArray[np.int64], edges: NDArray[np.int64], zone: ZoneInfo
) -> NDArray[np.int64]:
    """The same for months: where the days do not make one whole, the series of months serves it."""
    daily = [one for one in curves if not is_monthly(one)]
    if not daily or len(daily) == len(curves):
        return which
    month, whole = curves[len(daily)], overlaid(daily, CIVIL_MONTH, zone).present
    place = np.searchsorted(month.edges, edges[:-1], side="right") - 1
    found: NDArray[np.int64] = np.where((~whole & month.present)[place], len(daily), which)
    return found


def _natives(series: Sequence[Series], days: Period, zone: ZoneInfo) -> Iterator[tuple[int, Curve]]:
    """The curve of each series over civil days, in its own slots, by its primary key."""
    ordered = finest_first(series)
    for civil, alike in groupby(ordered, key=lambda one: one.civil):
        some = {one.pk: one for one in alike}
        between = span(days) if civil else (midnight(zone, days.first), midnight(zone, days.until))
        blocks = lake().read([spec(one) for one in some.values()], *between)
        for number, run in groupby(blocks, key=lambda block: block.spec.id):
            one, mine = some[number], list(run)
            yield number, curve_of(one, "", zone, days, [days], mine) if civil else load_curve_of(one, "", mine)
