"""Civil days, weeks and months by number, counted from 1970 on the calendar of a zone, and the instants they begin.

A civil period rests in the lake as a day of one slot under its own first date, so that its name needs no zone; when it
begins and ends is made when reading, in the POD's zone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.curves import DAY_S
from meterhall.domain.readings.days import EPOCH_DAY
from meterhall.domain.readings.granularity import CivilUnit, Granularity

Numbers = NDArray[np.int64]
_FIRST_DAY, _LAST_DAY = -700_000, 2_900_000
"""About the years 53 and 9900: no calendar is asked for a day beyond them."""
_MONDAY: Final = -3
"""The Monday of the week of 1 January 1970, a Thursday, in days since then."""


def numbers_of(grain: Granularity, zone: ZoneInfo, at_s: Numbers) -> tuple[Numbers, NDArray[np.bool_]]:
    """The civil period each instant (seconds since 1970 UTC) lies in, and whether it is the very beginning of it.

    Shape (instants,) each. An instant outside the years 1 to 9999 is of no period: its number is 0, and false.
    """
    distinct, place = np.unique(at_s, return_inverse=True)
    days = np.array([_day_of(one, zone) for one in distinct.tolist()], np.int64)
    numbers = numbers_on(grain, days)
    begins = starts_of(grain, zone, numbers) == distinct
    return numbers[place], begins[place]


def starts_of(grain: Granularity, zone: ZoneInfo, numbers: Numbers) -> Numbers:
    """The first instant of each civil period, seconds since 1970 UTC; shape (numbers,)."""
    distinct, place = np.unique(first_days(grain, numbers), return_inverse=True)
    starts = np.array([_midnight_s(zone, day) for day in distinct.tolist()], np.int64)
    found: Numbers = starts[place]
    return found


def numbers_on(grain: Granularity, days: Numbers) -> Numbers:
    """The civil period each civil day (days since 1970) is in: the day itself, its week or its month."""
    if grain.unit is CivilUnit.DAY:
        return days
    if grain.unit is CivilUnit.WEEK:
        return (days - _MONDAY) // 7
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def first_days(grain: Granularity, numbers: Numbers) -> Numbers:
    """The first civil day (days since 1970) of each period."""
    if grain.unit is CivilUnit.DAY:
        return numbers
    if grain.unit is CivilUnit.WEEK:
        return numbers * 7 + _MONDAY
    return numbers.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def days_around(grain: Granularity, day: date) -> tuple[date, date]:
    """From the first day of the civil period a day is in to the day after its last."""
    number = numbers_on(grain, np.array([(day - EPOCH_DAY).days], np.int64))
    first, until = (int(first_days(grain, one)[0]) for one in (number, number + 1))
    return EPOCH_DAY + timedelta(days=first), EPOCH_DAY + timedelta(days=until)


def edges_of(grain: Granularity, zone: ZoneInfo, first: int, until: int) -> Numbers:
    """The edges of the periods from number `first` to `until` (exclusive), shape (until - first + 1,)."""
    return starts_of(grain, zone, np.arange(first, until + 1, dtype=np.int64))


def _day_of(at_s: int, zone: ZoneInfo) -> int:
    try:
        shown = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_s)).astimezone(zone)
    except OverflowError:
        return 0
    return (shown.date() - EPOCH_DAY).days


def _midnight_s(zone: ZoneInfo, day: int) -> int:
    if not _FIRST_DAY < day < _LAST_DAY:
        return day * DAY_S
    return int(midnight(zone, EPOCH_DAY + timedelta(days=day)).timestamp())
