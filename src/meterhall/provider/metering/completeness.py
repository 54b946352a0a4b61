"""How complete the readings of the last days are: of how many series every value of a UTC day is there."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path

from meterhall.domain.protocol.base import Message
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, spec
from meterhall.web.platform import platform

DAY = timedelta(days=1)
DAY_S = 86_400


class DayCount(Message):
    """A UTC day: series that are measured by then, and those with all values of it."""

    day: date
    series: int
    complete: int

    @property
    def missing(self) -> int:
        return self.series - self.complete


def completeness(days: int) -> list[DayCount]:
    """The last whole UTC days, newest first. Counted anew only when readings came in."""
    _, cursor = lake().changes(None, series_ids=[])
    known = Series.objects.filter(point__is_sandbox=False).exclude(first_day=None).count()
    return list(_counted(platform().home.path, cursor, known, platform().now().date(), days))


@lru_cache(maxsize=16)
def _counted(home: Path, cursor: str, known: int, today: date, days: int) -> tuple[DayCount, ...]:
    begun = list(Series.objects.filter(point__is_sandbox=False).exclude(first_day=None))
    counts = []
    for number in range(1, days + 1):
        day = today - number * DAY
        specs = [spec(one) for one in begun if one.first_day is not None and one.first_day <= day]
        complete = 0
        if specs:
            start = datetime.combine(day, time(), UTC)
            complete = int(lake().sum_group(specs, start, start + DAY, DAY_S).counts[0])
        counts.append(DayCount(day=day, series=len(specs), complete=complete))
    return tuple(counts)
