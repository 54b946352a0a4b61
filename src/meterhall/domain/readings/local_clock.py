"""Times of a local clock made instants: the hour that comes twice in autumn, and the one that never comes in spring."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.days import EPOCH_DAY

_FIRST, _LAST = int(-1e10), int(2e11)


def instants(
    clock_s: NDArray[np.int64], zone: ZoneInfo
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Clock times (seconds since 1970 on that clock) as instants, seconds since 1970 UTC; each of shape (times,).

    The second is by how many seconds the same time comes once more later, 0 where it comes once; the third is true
    where the clock never shows it (the instant is then as if it had not been put forward).
    """
    distinct, place = np.unique(clock_s, return_inverse=True)
    before, after = (np.array([_offset_s(one, zone, fold) for one in distinct.tolist()], np.int64) for fold in (0, 1))
    return clock_s - before[place], np.maximum(before - after, 0)[place], (before < after)[place]


def _offset_s(clock_s: int, zone: ZoneInfo, fold: int) -> int:
    if not _FIRST < clock_s < _LAST:
        return 0
    shown = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=clock_s)
    offset = shown.replace(tzinfo=zone, fold=fold).utcoffset()
    return round(offset.total_seconds()) if offset is not None else 0


def ahead_of_utc(at_s: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """By how many seconds the clock of the zone is ahead of UTC at each instant; shape (instants,)."""
    distinct, place = np.unique(at_s, return_inverse=True)
    shown = (datetime.fromtimestamp(one, zone).utcoffset() or timedelta() for one in distinct.tolist())
    return np.array([round(offset.total_seconds()) for offset in shown], np.int64)[place]


def civil_edges(days: NDArray[np.int64], zone: ZoneInfo | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first instant of each civil day (days since 1970), and of the day after; UTC where there is no zone."""
    if zone is None:
        return days * 86_400, (days + 1) * 86_400
    distinct, place = np.unique(days, return_inverse=True)
    first, after = (np.array([_midnight_s(zone, day + more) for day in distinct.tolist()]) for more in (0, 1))
    return first.astype(np.int64)[place], after.astype(np.int64)[place]


def _midnight_s(zone: ZoneInfo, day: int) -> int:
    try:
        civil: date = EPOCH_DAY + timedelta(days=day)
    except OverflowError:
        return day * 86_400
    if not 1 < civil.year < 9999:
        return day * 86_400
    return int(midnight(zone, civil).astimezone(UTC).timestamp())
