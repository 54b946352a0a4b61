"""Civil time: the days, weeks and months of an IANA zone as instants in UTC. UTC day blocks live in `days`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from meterhall.domain.errors import InvalidInput
from meterhall.domain.readings.granularity import CivilUnit, Granularity

EARLIEST, LATEST = date(1970, 1, 1), date(2200, 1, 1)
"""The first civil day there may be readings of, and the day after the last."""


class UnknownZone(InvalidInput):
    code = "unknown_zone"
    title = "There is no such IANA time zone."


@dataclass(frozen=True, slots=True)
class CivilPeriod:
    """A civil day, week or month: its first day and the instants (UTC) it starts and, exclusively, ends."""

    first_day: date
    start: datetime
    end: datetime

    @property
    def duration(self) -> timedelta:
        """The time that really passes: 23, 24 or 25 hours for a day."""
        return self.end - self.start

    def slots(self, resolution_s: int) -> int:
        """How many whole slots of `resolution_s` seconds the period has."""
        return self.duration // timedelta(seconds=resolution_s)


def zone_of(name: str, *, field: str = "/zone") -> ZoneInfo:
    """The IANA zone of this name; raises `UnknownZone`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(f"{name[:40]!r} is not an IANA time zone.", field=field) from error


def midnight(zone: ZoneInfo, day: date) -> datetime:
    """The first instant of a civil day, in UTC.

    Where the clock skips midnight (the Azores in spring) it is the first instant after; where midnight comes twice
    (the Azores in autumn) it is the first of both.
    """
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def in_time(first: date, until: date) -> bool:
    """Whether there may be readings of the civil days from `first` to `until` (exclusive)."""
    return first >= EARLIEST and until <= LATEST


def civil_days(zone: ZoneInfo, first: date, until: date) -> list[CivilPeriod]:
    """The civil days from `first` to `until` (exclusive)."""
    return _periods(zone, first, until, lambda day: day + timedelta(days=1))


def civil_months(zone: ZoneInfo, first: date, until: date) -> list[CivilPeriod]:
    """The civil months that have a day in `first` to `until` (exclusive), each of them whole."""
    return _periods(zone, first.replace(day=1), until, _next_month)


def civil_weeks(zone: ZoneInfo, first: date, until: date) -> list[CivilPeriod]:
    """The civil weeks, from Monday to Monday, that have a day in `first` to `until` (exclusive), each of them whole."""
    return _periods(zone, first - timedelta(days=first.weekday()), until, lambda day: day + timedelta(days=7))


def civil_periods(granularity: Granularity, zone: ZoneInfo, first: date, until: date) -> list[CivilPeriod]:
    """The civil days, weeks or months that have a day in `first` to `until` (exclusive), each of them whole."""
    return _BY_UNIT[granularity.unit](zone, first, until)


def civil_day_of(zone: ZoneInfo, instant: datetime) -> date:
    """The civil day an instant lies in."""
    return instant.astimezone(zone).date()


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def _periods(zone: ZoneInfo, first: date, until: date, following: Callable[[date], date]) -> list[CivilPeriod]:
    periods = []
    while first < until:
        after = following(first)
        periods.append(CivilPeriod(first, midnight(zone, first), midnight(zone, after)))
        first = after
    return periods


_BY_UNIT: Final = {CivilUnit.DAY: civil_days, CivilUnit.WEEK: civil_weeks, CivilUnit.MONTH: civil_months}
