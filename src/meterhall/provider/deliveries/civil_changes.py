"""The civil days, weeks and months of the change feed: those in which something changed, whole, in their zone."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np

from meterhall.domain.protocol.base import Period
from meterhall.domain.readings import CivilCurve
from meterhall.domain.readings.civil_numbers import first_days, numbers_of, numbers_on
from meterhall.domain.readings.days import EPOCH_DAY
from meterhall.domain.readings.granularity import Granularity
from meterhall.provider.deliveries.curves import curves_over
from meterhall.provider.deliveries.entitled import Entitled
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.serving import Line
from meterhall.provider.points.holders import overlap

Touched = dict[int, set[int]]
"""The numbers of the civil days, weeks or months in which something changed, by the point's primary key."""


def civil_changes(
    changed: Iterable[tuple[Series, set[date]]],
    told: Mapping[int, Granularity],
    may: Mapping[int, Entitled],
    beside: Container[Line],
) -> Iterator[tuple[Entitled, CivilCurve]]:
    """The values of the civil days, weeks or months in which these civil days of a series lie; those that follow each
    other as one curve.

    `told` says in which granularity each series is told. Such a slot is left out where part of it is not the holder's,
    or where it has no value yet; not so of a point and direction with several series, `beside`: there one
    that was told may have none any more.
    """
    touched: dict[tuple[Granularity, str], Touched] = {}
    for one, days in changed:
        grain, mine = told[one.pk], may[one.point_id]
        whole = _whole(_numbers(days, grain), grain, mine)
        touched.setdefault((grain, one.direction), {}).setdefault(one.point_id, set()).update(whole)
    for (grain, direction), points in touched.items():
        spans = {point: _span(grain, numbers) for point, numbers in points.items() if numbers}
        if not spans:
            continue
        members = [_cut(may[point], days) for point, days in spans.items()]
        over = Period(first=min(one.first for one in spans.values()), until=max(one.until for one in spans.values()))
        for mine, curve in curves_over(members, direction, over, grain):
            if isinstance(curve, CivilCurve):
                numbers, all_ = points[mine.point.pk], (mine.point.pk, direction) in beside
                yield from ((mine, run) for run in _runs(curve, numbers, ZoneInfo(mine.point.zone), all_))


def _numbers(days: set[date], grain: Granularity) -> list[int]:
    """The civil days, weeks or months these days lie in."""
    return sorted(set(numbers_on(grain, np.array([_day(one) for one in days], np.int64)).tolist()))


def _whole(numbers: Iterable[int], grain: Granularity, mine: Entitled) -> Iterator[int]:
    """Those that lie in the holder's days from the first to the last hour."""
    for number in numbers:
        days = _span(grain, {number})
        if any(days.within(stretch) for stretch in mine.days):
            yield number


def _span(grain: Granularity, numbers: set[int]) -> Period:
    """From the first day of the first to the last day of the last."""
    first, until = first_days(grain, np.array([min(numbers), max(numbers) + 1], np.int64)).tolist()
    return Period(first=EPOCH_DAY + timedelta(days=first), until=EPOCH_DAY + timedelta(days=until))


def _cut(mine: Entitled, days: Period) -> Entitled:
    return replace(mine, days=tuple(cut for one in mine.days if (cut := overlap(one, days)) is not None))


def _runs(curve: CivilCurve, numbers: set[int], zone: ZoneInfo, all_: bool) -> Iterator[CivilCurve]:
    """The slots of these numbers, or those of them that have a value, cut out of a curve where one does not follow the
    other."""
    begins = int(numbers_of(curve.series.granularity, zone, curve.edges[:1])[0][0])
    places = [place for place in sorted(number - begins for number in numbers) if all_ or curve.present[place]]
    for _, run in groupby(enumerate(places), key=lambda pair: pair[1] - pair[0]):
        cut = [place for _, place in run]
        low, high = cut[0], cut[-1] + 1
        edges, values = curve.edges[low : high + 1], curve.mantissas[low:high]
        yield CivilCurve(curve.series, edges, values, curve.quality[low:high], curve.available_at)


def _day(day: date) -> int:
    return (day - EPOCH_DAY).days
