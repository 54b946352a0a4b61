"""When civil days and months begin or end, as a column says it: as bare dates of the point's zone, or as instants."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from meterhall.domain.readings.civil_numbers import first_days, numbers_on
from meterhall.domain.readings.curves import DAY_S
from meterhall.domain.readings.granularity import CIVIL_MONTH, Granularity
from meterhall.provider.metering.intake.profile import Profile
from meterhall.provider.metering.intake.times import by_text, days, of_timestamps, times

_DAY: Final = r"^\s*\d{4}-\d{2}-\d{2}\s*$"
_MONTH: Final = r"^\s*\d{4}-\d{2}(-\d{2})?\s*$"
_CLOCK: Final = re.compile(r"%[HIMSTRcsXz]")
"""What a format of a time has and that of a date has not."""
MOST_PERIODS: Final = 40_000


def civil_times(
    column: pa.Array, profile: Profile, grain: Granularity, date_format: str
) -> tuple[NDArray[np.int64], bool, NDArray[np.bool_]]:
    """Seconds since 1970, whether they are bare dates as if of UTC, and which rows cannot be read.

    A column is one of dates where any of its texts is one, and where its timestamps have no zone and the profile none.
    Midnight that a clock skips, or shows twice, is still one.
    """
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if pa.types.is_date(column.type):
        found, bad = days(column, "")
        return found * DAY_S, True, bad
    if pa.types.is_timestamp(column.type) and column.type.tz is None and profile.clock is None:
        seconds, bad = of_timestamps(column)
        return seconds, True, bad
    if not pa.types.is_timestamp(column.type):
        text = column.cast(pa.string())
        if date_format and not _CLOCK.search(date_format):
            found, bad = by_text(text, lambda one: datetime.strptime(one, date_format).replace(tzinfo=UTC))
            return found, True, bad
        if not date_format and pc.any(pc.match_substring_regex(text, _MONTH if grain.monthly else _DAY)).as_py():
            found, bad = by_text(text, lambda one: _date(one, grain))
            return found, True, bad
    seconds, _, _, bad = times(column, profile, is_end=False)
    return seconds, False, bad


def containing(column: pa.Array, profile: Profile, grain: Granularity) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The first days of the months whose days a wide file has beside each other, of the years whose months; and which
    rows say none. A date is one where it is the first of its month or year."""
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if grain.monthly and not profile.day_format and not pa.types.is_temporal(column.type):
        text = pc.utf8_trim_whitespace(column.cast(pa.string()))
        year = pc.match_substring_regex(text, r"^\d{4}$")
        column = pc.if_else(year, pc.binary_join_element_wise(text, "01", "-"), text)
    seconds, dated, bad = civil_times(column, profile, CIVIL_MONTH, profile.day_format)
    found = seconds // DAY_S
    month = numbers_on(CIVIL_MONTH, found)
    begins = (first_days(CIVIL_MONTH, month) == found) & ((month % 12 == 0) | (not grain.monthly))
    return found, bad | ~begins | (not dated)


def nth(
    first: NDArray[np.int64], number: NDArray[np.int64], grain: Granularity
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The civil dates, as if of UTC, of the days of a month or the months of a year by their number from 1 on, and
    which of them there are none."""
    month = numbers_on(CIVIL_MONTH, first)
    if grain.monthly:
        return first_days(CIVIL_MONTH, month + number - 1) * DAY_S, number > 12
    found = first + number - 1
    return found * DAY_S, found >= first_days(CIVIL_MONTH, month + 1)


def following(first: str, count: int, grain: Granularity) -> list[str]:
    """The first dates of so many civil periods from a bare date on. Raises `ValueError` where it is none."""
    begun = _date(first, grain).date()
    if count > MOST_PERIODS:
        raise ValueError
    if not grain.monthly:
        return [str(begun + timedelta(days=number)) for number in range(count)]
    months = [begun.year * 12 + begun.month - 1 + number for number in range(count)]
    return [str(date(month // 12, month % 12 + 1, begun.day)) for month in months]


def _date(text: str, grain: Granularity) -> datetime:
    """A bare date, or a month without a day, as midnight in UTC."""
    if grain.monthly and re.fullmatch(r"\d{4}-\d{2}", text):
        text = f"{text}-01"
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise ValueError
    day = date.fromisoformat(text)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
