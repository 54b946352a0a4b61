"""A curve by civil day and time of the clock: what days of 23, 24 and 25 hours have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.civil import civil_day_of, midnight
from meterhall.domain.readings.curves import DAY_S, MISSING, LoadCurve
from meterhall.domain.readings.days import EPOCH_DAY
from meterhall.domain.readings.local_clock import ahead_of_utc

_LEAST_SHARE: Final = 0.5
"""A day of which less is there is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class ClockDays:
    """The values of civil days from `first` on, shape (days, slots of a day of 24 hours), NaN where there is none.

    What the clock shows twice in autumn is the mean of both; what it skips in spring has no value.
    """

    first: date
    values: NDArray[np.float64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """The days of which at least half is there, shape (days,)."""
        return np.asarray(np.isfinite(self.values).mean(axis=1) >= _LEAST_SHARE)


def clock_days(curve: LoadCurve, zone: ZoneInfo, until: date) -> ClockDays:
    """The civil days of a curve in a zone, from its first day until `until` (excluded)."""
    first = civil_day_of(zone, curve.start)
    per_day = curve.series.slots_per_day
    rows = max((until - first).days, 0)
    place, slot = _places(curve.starts, zone, curve.series.resolution_s)
    place -= (first - EPOCH_DAY).days
    taken = curve.present & (place >= 0) & (place < rows)
    at = place[taken] * per_day + slot[taken]
    sums = np.bincount(at, weights=curve.mantissas[taken].astype(np.float64), minlength=rows * per_day)
    counts = np.bincount(at, minlength=rows * per_day)
    values = np.full(rows * per_day, np.nan)
    np.divide(sums, counts, out=values, where=counts > 0)
    return ClockDays(first, values.reshape(rows, per_day))


def clock_slots(zone: ZoneInfo, day: date, resolution_s: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The slots of one civil day: their starts (seconds since 1970 UTC) and at which slot of a clock day they lie."""
    start, end = (int(midnight(zone, one).timestamp()) for one in (day, day + timedelta(days=1)))
    starts = np.arange(start, end, resolution_s, dtype=np.int64)
    return starts, _places(starts, zone, resolution_s)[1]


def _places(
    starts: NDArray[np.int64], zone: ZoneInfo, resolution_s: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    shown = starts + ahead_of_utc(starts, zone)
    return shown // DAY_S, shown % DAY_S // resolution_s


def without_missing(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole mantissas to the nearest, `MISSING` where there is no number."""
    there = np.isfinite(values)
    return np.where(there, np.rint(np.where(there, values, 0)).astype(np.int64), MISSING)
