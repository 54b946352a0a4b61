"""Calendar durations of contracts, ISO 8601 `PnYnMnD`, and periods of days. Of readings: `readings`."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.base import Period

LONGEST_YEARS: Final = 10
_SHAPE: Final = re.compile(r"P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,5})D)?")


class EmptyDuration(InvalidInput):
    code = "duration_invalid"
    title = "A contract's duration is ISO 8601 years, months and days, more than nothing and at most ten years."


class PeriodEmpty(InvalidInput):
    code = "period_empty"
    title = "A period ends after it begins."


def check_period(period: Period | None, *, field: str) -> None:
    """Refuse a reading period of no day. Raises `PeriodEmpty`."""
    if period is not None and period.until <= period.first:
        raise PeriodEmpty(field=field)


@dataclass(frozen=True, slots=True)
class Duration:
    """Whole months (a year is twelve) and days."""

    months: int
    days: int

    def after(self, start: datetime) -> datetime:
        """The instant this much later: months first, the day clamped to the month's last (31 January + P1M), then days.

        Counted in the zone `start` carries.
        """
        years, month = divmod(start.year * 12 + start.month - 1 + self.months, 12)
        last = calendar.monthrange(years, month + 1)[1]
        return start.replace(year=years, month=month + 1, day=min(start.day, last)) + timedelta(days=self.days)


def parse_duration(text: str, *, field: str | None = None) -> Duration:
    """The duration a text says. Raises `EmptyDuration`; `field` is the JSON Pointer it names."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise EmptyDuration(field=field)
    years, months, days = (int(part or 0) for part in match.groups())
    found = Duration(years * 12 + months, days)
    if not 0 < found.months * 31 + found.days <= LONGEST_YEARS * 12 * 31:
        raise EmptyDuration(field=field)
    return found


def add_duration(start: datetime, text: str) -> datetime:
    """The instant a duration after `start`. Raises `EmptyDuration`."""
    return parse_duration(text).after(start)
