"""When civil days and months begin or end, as a column says it: as bare dates of the point's zone, or as instants."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from meterhall.domain.readings.curves import DAY_S
from meterhall.domain.readings.granularity import Granularity
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
