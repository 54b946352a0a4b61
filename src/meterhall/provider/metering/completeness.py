"""How complete the readings of the last days are: of how many series every value of a civil day is there, and of which
not. A day is that of the point's own zone, of 23 to 25 hours.

Of several series of a point and direction one counts: the finest that is measured by then, or where it has no value at
all the next one that has some.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from meterhall.domain.protocol.base import Message, Period
from meterhall.domain.readings import CIVIL_MONTH
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.granularity import Granularity
from meterhall.provider.metering.civil import span
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, spec
from meterhall.provider.metering.serving import lines_of
from meterhall.provider.points.models import Point
from meterhall.web.platform import platform
from meterhall.web.sets import pieces

DAY = timedelta(days=1)
AT_ONCE, PARTS = 2000, 16
"""So many series are asked about together, or that part of a zone's."""


class DayCount(Message):
    """A civil day: series that are measured by then, of several of a point and direction one, and those with all values
    of it."""

    day: date
    series: int
    complete: int

    @property
    def missing(self) -> int:
        return self.series - self.complete


@dataclass(frozen=True, slots=True)
class Late:
    """A series that has not all its values of a day."""

    point: Point
    direction: str
    grain: Granularity
    present: int
    expected: int


def completeness(days: int) -> list[DayCount]:
    """The last whole civil days, newest first. Counted anew only when readings came in."""
    _, cursor = lake().changes(None, series_ids=[])
    known = _real().count()
    return list(_counted(platform().home.path, cursor, known, _today(), days))


def late(day: date, most: int) -> list[Late]:
    """The first series that have not all values of a civil day, in the order of their points."""
    beside = _are_beside()
    lacking = (one for begun, zone in _by_zone(day, beside) for one in _lacking(begun, zone, day, beside))
    found = list(islice(lacking, most))
    late: dict[int, Series] = {}
    for place in range(0, len(found), AT_ONCE):
        some = [one.series_id for one in found[place : place + AT_ONCE]]
        late |= Series.objects.select_related("point").in_bulk(some)
    known = ((late[one.series_id], one) for one in found if one.series_id in late)
    return [Late(series.point, series.direction, series.grain, one.present, one.expected) for series, one in known]


def _real() -> QuerySet[Series]:
    return Series.objects.filter(point__is_sandbox=False).exclude(first_day=None)


def _today() -> date:
    return platform().now().astimezone(ZoneInfo(platform().config.zone)).date()


def _are_beside() -> bool:
    """Whether there is a point with several series of one direction."""
    lines = Series.objects.order_by().values("point", "direction")
    return lines.annotate(number=Count("pk")).filter(number__gt=1).exists()


def _begun(day: date) -> QuerySet[Series]:
    """The series measured by a day; those of civil months count on the last day of a month."""
    counted = _real() if (day + DAY).day == 1 else _real().exclude(civil=str(CIVIL_MONTH))
    return counted.filter(first_day__lte=day)


def _by_zone(day: date, beside: bool) -> Iterator[tuple[QuerySet[Series], ZoneInfo]]:
    """The series that count on a day, where it is over: zone by zone, in the order of their points."""
    begun = _begun(day)
    if beside:
        finer = Q(civil__lt=OuterRef("civil")) | Q(civil=OuterRef("civil"), resolution_s__lt=OuterRef("resolution_s"))
        line = Series.objects.filter(point=OuterRef("point"), direction=OuterRef("direction"), first_day__lte=day)
        begun = begun.exclude(Exists(line.filter(finer)))
    for name in begun.order_by("point__zone").values_list("point__zone", flat=True).distinct():
        zone = ZoneInfo(name)
        if midnight(zone, day + DAY) <= platform().now():
            yield begun.filter(point__zone=name).order_by("point__pk", "direction"), zone


@dataclass(frozen=True, slots=True)
class _Lacking:
    """A series, by its id, with so many of the values of a day."""

    series_id: int
    present: int
    expected: int


def _lacking(begun: QuerySet[Series], zone: ZoneInfo, day: date, beside: bool) -> Iterator[_Lacking]:
    """Those with a value missing. The lake is asked which they are: of a series that is whole nothing is read."""
    counted = dict(begun.order_by().values_list("civil").annotate(Count("pk")))
    for civil, known in sorted(counted.items()):
        size = max(AT_ONCE, -(-known // PARTS))
        some = begun.filter(civil=civil).only("pk", "direction", "resolution_s", "civil", "scale")
        rows = some.iterator(chunk_size=AT_ONCE)
        while several := list(islice(rows, size)):
            lacking = list(_of(several, zone, day))
            yield from _instead(lacking, zone, day) if beside else lacking


def _of(several: Sequence[Series], zone: ZoneInfo, day: date) -> Iterator[_Lacking]:
    """Those of some series, all of equal slots, of days or of months, with a value missing."""
    start, end = _period(several[0].civil, zone, day)
    there = lake().lacking([spec(one) for one in several], start, end)
    for one in several:
        if one.pk in there:
            yield _Lacking(one.pk, there[one.pk], int((end - start).total_seconds()) // one.resolution_s)


def _instead(lacking: Sequence[_Lacking], zone: ZoneInfo, day: date) -> Iterator[_Lacking]:
    """In place of a series without any value the next coarser one of its point and direction that has some; where that
    is whole nothing is missing."""
    empty = {one.series_id for one in lacking if not one.present}
    yield from (one for one in lacking if one.present)
    for some in pieces(empty):
        asked = {one.pk: one for one in Series.objects.filter(pk__in=some)}
        lines = lines_of(_begun(day).filter(point__in={one.point_id for one in asked.values()}))
        coarser = {pk: lines[one.point_id, one.direction][1:] for pk, one in asked.items()}
        every = sorted((one for several in coarser.values() for one in several), key=lambda one: one.civil)
        missing: dict[int, _Lacking] = {}
        for _, alike in groupby(every, key=lambda one: one.civil):
            missing |= {one.series_id: one for one in _of(list(alike), zone, day)}
        for old in (one for one in lacking if one.series_id in asked):
            served = next(
                (one.pk for one in coarser[old.series_id] if one.pk not in missing or missing[one.pk].present), 0
            )
            if not served:
                yield old
            elif served in missing:
                yield missing[served]


def _period(civil: str, zone: ZoneInfo, day: date) -> tuple[datetime, datetime]:
    """Where in the lake the values of a day are; of series of civil months, those of the month that ends with it."""
    if not civil:
        return midnight(zone, day), midnight(zone, day + DAY)
    first = day.replace(day=1) if civil == str(CIVIL_MONTH) else day
    return span(Period(first=first, until=first + DAY))


@lru_cache(maxsize=16)
def _counted(home: Path, cursor: str, known: int, today: date, days: int) -> tuple[DayCount, ...]:
    counts, beside = [], _are_beside()
    for number in range(1, days + 1):
        day, series, complete = today - number * DAY, 0, 0
        for begun, zone in _by_zone(day, beside):
            measured = begun.count()
            series += measured
            complete += measured - sum(1 for _one in _lacking(begun, zone, day, beside))
        counts.append(DayCount(day=day, series=series, complete=complete))
    return tuple(counts)
