"""How complete the readings of the last days are: of how many series every value of a civil day is there, and of which
not. A day is that of the point's own zone, of 23 to 25 hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from django.db.models import Count, QuerySet

from meterhall.domain.protocol.base import Message, Period
from meterhall.domain.readings import CIVIL_MONTH
from meterhall.domain.readings.civil import midnight
from meterhall.provider.metering.civil import span
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, spec
from meterhall.provider.points.models import Point
from meterhall.web.platform import platform

DAY = timedelta(days=1)
AT_ONCE, PARTS = 2000, 16
"""So many series are asked about together, or that part of a zone's."""


class DayCount(Message):
    """A civil day: series that are measured by then, and those with all values of it."""

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
    present: int
    expected: int


def completeness(days: int) -> list[DayCount]:
    """The last whole civil days, newest first. Counted anew only when readings came in."""
    _, cursor = lake().changes(None, series_ids=[])
    known = _real().count()
    return list(_counted(platform().home.path, cursor, known, _today(), days))


def late(day: date, most: int) -> list[Late]:
    """The first series that have not all values of a civil day, in the order of their points."""
    found = list(islice((one for begun, zone in _by_zone(day) for one in _lacking(begun, zone, day)), most))
    late: dict[int, Series] = {}
    for place in range(0, len(found), AT_ONCE):
        some = [one.series_id for one in found[place : place + AT_ONCE]]
        late |= Series.objects.select_related("point").in_bulk(some)
    known = ((late[one.series_id], one) for one in found if one.series_id in late)
    return [Late(series.point, series.direction, one.present, one.expected) for series, one in known]


def _real() -> QuerySet[Series]:
    return Series.objects.filter(point__is_sandbox=False).exclude(first_day=None)


def _today() -> date:
    return platform().now().astimezone(ZoneInfo(platform().config.zone)).date()


def _by_zone(day: date) -> Iterator[tuple[QuerySet[Series], ZoneInfo]]:
    """The series measured by a day, where it is over: zone by zone, in the order of their points. Those of civil months
    count on the last day of a month."""
    counted = _real() if (day + DAY).day == 1 else _real().exclude(civil=str(CIVIL_MONTH))
    begun = counted.filter(first_day__lte=day)
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


def _lacking(begun: QuerySet[Series], zone: ZoneInfo, day: date) -> Iterator[_Lacking]:
    """Those with a value missing. The lake is asked which they are: of a series that is whole nothing is read."""
    counted = dict(begun.order_by().values_list("civil").annotate(Count("pk")))
    for civil, known in sorted(counted.items()):
        start, end = _period(civil, zone, day)
        size = max(AT_ONCE, -(-known // PARTS))
        some = begun.filter(civil=civil).only("pk", "direction", "resolution_s", "scale")
        rows = some.iterator(chunk_size=AT_ONCE)
        while specs := [spec(one) for one in islice(rows, size)]:
            there = lake().lacking(specs, start, end)
            for one in specs:
                if one.id in there:
                    yield _Lacking(one.id, there[one.id], int((end - start).total_seconds()) // one.resolution_s)


def _period(civil: str, zone: ZoneInfo, day: date) -> tuple[datetime, datetime]:
    """Where in the lake the values of a day are; of series of civil months, those of the month that ends with it."""
    if not civil:
        return midnight(zone, day), midnight(zone, day + DAY)
    first = day.replace(day=1) if civil == str(CIVIL_MONTH) else day
    return span(Period(first=first, until=first + DAY))


@lru_cache(maxsize=16)
def _counted(home: Path, cursor: str, known: int, today: date, days: int) -> tuple[DayCount, ...]:
    counts = []
    for number in range(1, days + 1):
        day, series, complete = today - number * DAY, 0, 0
        for begun, zone in _by_zone(day):
            measured = begun.count()
            series += measured
            complete += measured - sum(1 for _one in _lacking(begun, zone, day))
        counts.append(DayCount(day=day, series=series, complete=complete))
    return tuple(counts)
