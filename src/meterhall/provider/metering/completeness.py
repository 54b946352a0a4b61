"""How complete the readings of the last days are: of how many series every value of a civil day is there, and of which
not. A day is that of the point's own zone, of 23 to 25 hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from meterhall.domain.protocol.base import Message, Period
from meterhall.domain.readings import CIVIL_DAY, CIVIL_MONTH, MISSING
from meterhall.domain.readings.civil import midnight
from meterhall.provider.metering.civil import span
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, spec
from meterhall.provider.points.models import Point
from meterhall.web.platform import platform

DAY = timedelta(days=1)
HOUR_S = 3600
AT_ONCE, PARTS = 2000, 16
"""So many series are looked at together for one that is late, or that part of them."""


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
    found = (one for zone, begun in _by_zone(day) for one in _late(begun, zone, day))
    return list(islice(found, most))


def _real() -> QuerySet[Series]:
    return Series.objects.filter(point__is_sandbox=False).exclude(first_day=None)


def _today() -> date:
    return platform().now().astimezone(ZoneInfo(platform().config.zone)).date()


def _by_zone(day: date) -> Iterator[tuple[ZoneInfo, list[Series]]]:
    """The series measured by a day, where it is over: zone by zone, in the order of their points. Those of civil months
    count on the last day of a month."""
    counted = _real() if (day + DAY).day == 1 else _real().exclude(civil=str(CIVIL_MONTH))
    begun = counted.filter(first_day__lte=day).select_related("point").order_by("point__zone", "point__pk", "direction")
    for name, some in groupby(begun, key=lambda one: one.point.zone):
        zone = ZoneInfo(name)
        if midnight(zone, day + DAY) <= platform().now():
            yield zone, list(some)


def _late(series: list[Series], zone: ZoneInfo, day: date) -> Iterator[Late]:
    """Those with a value missing. Only parts of which some series is late are read one by one."""
    start, end = midnight(zone, day), midnight(zone, day + DAY)
    yield from _late_civil([one for one in series if one.civil], day)
    series = [one for one in series if not one.civil]
    size = max(AT_ONCE, -(-len(series) // PARTS))
    for place in range(0, len(series), size):
        some = series[place : place + size]
        specs = [spec(one) for one in some]
        if int(lake().sum_group(specs, start, end, HOUR_S).counts.min()) == len(some):
            continue
        there = {one.pk: 0 for one in some}
        for block in lake().read(sorted(specs, key=lambda one: one.resolution_s), start, end):
            there[block.spec.id] += int((block.mantissas != MISSING).sum())
        for one in some:
            expected = int((end - start).total_seconds()) // one.resolution_s
            if there[one.pk] < expected:
                yield Late(one.point, one.direction, there[one.pk], expected)


def _late_civil(series: list[Series], day: date) -> Iterator[Late]:
    """Those without the value of a civil day, or of the month that ends with it."""
    for grain in (CIVIL_DAY, CIVIL_MONTH):
        some = {one.pk: one for one in series if one.grain == grain}
        first = day.replace(day=1) if grain.monthly else day
        between = span(Period(first=first, until=first + DAY))
        for block in lake().read([spec(one) for one in some.values()], *between):
            if block.mantissas[0] == MISSING:
                one = some[block.spec.id]
                yield Late(one.point, one.direction, 0, 1)


@lru_cache(maxsize=16)
def _counted(home: Path, cursor: str, known: int, today: date, days: int) -> tuple[DayCount, ...]:
    counts = []
    for number in range(1, days + 1):
        day, series, complete = today - number * DAY, 0, 0
        for zone, begun in _by_zone(day):
            series += len(begun)
            complete += len(begun) - sum(1 for _one in _late(begun, zone, day))
        counts.append(DayCount(day=day, series=series, complete=complete))
    return tuple(counts)
