"""Columns of times, in whatever type they come, made seconds since 1970: of instants, of a local clock, of days."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from meterhall.domain.readings.curves import DAY_S
from meterhall.domain.readings.local_clock import instants
from meterhall.provider.metering.intake.profile import Profile

OFFSET = r"(Z|[+-]\d{2}:?\d{2})$"
TWENTY_FOUR = r"([ T]|^)24(:?00(:?00)?)$"
Seconds = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]
"""Instants; by how much later each comes again; where the clock never shows it; which rows cannot be read."""


def times(column: pa.Array, profile: Profile, *, is_end: bool) -> Seconds:
    """A column of times of the profile's clock. Where it has no zone every time says its offset itself.

    Each distinct time of texts or of a clock is looked at once: a file repeats its times for every POD.
    """
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        found, unreadable = of_timestamps(column)
        return found, all_alike(0, len(found)), np.broadcast_to(np.False_, len(found)), unreadable
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    distinct = coded.dictionary
    of_distinct = _times(pa.concat_arrays([distinct, pa.nulls(1, distinct.type)]), profile, is_end=is_end)
    which = np.asarray(pc.fill_null(coded.indices, len(distinct)).to_numpy(zero_copy_only=False), np.int64)
    at, again_s, never, bad = of_distinct
    return at[which], again_s[which], never[which], bad[which]


def _times(column: pa.Array, profile: Profile, *, is_end: bool) -> Seconds:
    if pa.types.is_timestamp(column.type):
        found, unreadable = of_timestamps(column)
        has_zone = column.type.tz is not None
        unreadable |= not has_zone and profile.clock is None
    elif profile.clock is None or _all_with_offset(column, profile.start_format):
        found, unreadable = _with_offset(column, profile.start_format)
        has_zone = True
    else:
        found, unreadable = _on_the_clock(column, profile.start_format)
        has_zone = False
    if has_zone or profile.clock is None:
        return found, np.zeros(len(found), np.int64), np.zeros(len(found), np.bool_), unreadable
    utc, again_s, never = instants(found, profile.clock)
    if is_end:  # the end of the slot before the gap is the gap's first time
        never &= instants(found - 1, profile.clock)[2]
    return utc, again_s, never, unreadable


def all_alike(value: int, count: int) -> NDArray[np.int64]:
    """A column of one value, in the room of one; it is not to be written to."""
    return np.broadcast_to(np.int64(value), count)


def days(column: pa.Array, day_format: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A column of civil days as days since 1970, and which rows cannot be read."""
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if pa.types.is_date(column.type):
        found = pc.fill_null(column.cast(pa.date32()).cast(pa.int32()), 0)
        return np.asarray(found.to_numpy(zero_copy_only=False), np.int64), _bools(column.is_null())
    if pa.types.is_timestamp(column.type):
        seconds, unreadable = of_timestamps(column)
    elif day_format:
        seconds, unreadable = _parsed(column.cast(pa.string()), day_format)
    else:
        seconds, unreadable = by_text(column.cast(pa.string()), _day)
    return seconds // DAY_S, unreadable


def _bools(column: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.bool_).copy()


_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def of_timestamps(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Whole seconds, not to be written to; one that is none, or is none at all, cannot be read."""
    with suppress(pa.ArrowInvalid):  # some have a fraction
        column = column.cast(pa.timestamp("s", column.type.tz))
    parts = _PER_SECOND[column.type.unit]
    found = np.asarray(pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False), np.int64)
    absent = _bools(column.is_null()) if column.null_count else np.zeros(len(column), np.bool_)
    if parts == 1:
        return found, absent
    seconds = found // parts
    return seconds, absent | (seconds * parts != found)


def _all_with_offset(column: pa.Array, start_format: str) -> bool:
    text = column.cast(pa.string())
    if start_format:
        return False
    if pc.all(pc.ends_with(text, "Z")).as_py():
        return True
    return pc.all(pc.match_substring_regex(text, OFFSET)).as_py() is True


def _with_offset(column: pa.Array, start_format: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    column = column.cast(pa.string())
    if not start_format:
        try:
            if _all_with_offset(column, ""):
                found = column.cast(pa.timestamp("s", "UTC"))
                return of_timestamps(found)
        except pa.ArrowInvalid:
            pass
    return by_text(column, lambda text: _instant(text, start_format))


def _on_the_clock(column: pa.Array, start_format: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    column = pc.utf8_trim_whitespace(column.cast(pa.string()))
    late = pc.fill_null(pc.match_substring_regex(column, TWENTY_FOUR), False)
    if pc.any(late).as_py():
        midnight = pc.replace_substring_regex(column, TWENTY_FOUR, r"\100\2")
        column = pc.if_else(late, midnight, column)
    found, unreadable = _parsed(column, start_format) if start_format else by_text(column, _clock_time)
    return found + DAY_S * _bools(late), unreadable


def _parsed(column: pa.Array, pattern: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    try:
        found = pc.strptime(pc.utf8_trim_whitespace(column), format=pattern, unit="s", error_is_null=True)
        seconds = pc.fill_null(found.cast(pa.int64()), 0)
        return np.asarray(seconds.to_numpy(zero_copy_only=False)).copy(), _bools(found.is_null())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return by_text(column, lambda text: datetime.strptime(text, pattern).replace(tzinfo=UTC))


def by_text(column: pa.Array, read: object) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Each distinct text read once: a file repeats its times for every POD."""
    coded = column.dictionary_encode()
    texts = coded.dictionary.to_pylist()
    seconds = np.zeros(len(texts) + 1, np.int64)
    bad = np.zeros(len(texts) + 1, np.bool_)
    bad[-1] = True
    for place, text in enumerate(texts):
        try:
            seconds[place] = _whole_seconds(read(text.strip()))  # type: ignore[operator]
        except (ValueError, OverflowError):
            bad[place] = True
    which = np.asarray(pc.fill_null(coded.indices, len(texts)).to_numpy(zero_copy_only=False), np.int64)
    return seconds[which], bad[which]


def _whole_seconds(at: datetime) -> int:
    if at.microsecond:
        raise ValueError
    passed = at - datetime(1970, 1, 1, tzinfo=UTC)
    return passed.days * DAY_S + passed.seconds


def _instant(text: str, pattern: str) -> datetime:
    found = datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text)  # noqa: DTZ007
    if found.tzinfo is None:
        raise ValueError
    return found


def _clock_time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is not None:
        raise ValueError
    return found.replace(tzinfo=UTC)


def _day(text: str) -> datetime:
    day = date.fromisoformat(text)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
