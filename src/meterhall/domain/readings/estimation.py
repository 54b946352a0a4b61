"""Estimating values that are missing, by a named method and only where asked for; what is there is never changed."""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import DAY_S, MISSING, Quality
from meterhall.domain.readings.local_clock import ahead_of_utc, instants

LONGEST_LINE_S: Final = 2 * 3600
"""The longest hole a straight line is drawn over."""
WEEKS: Final = (-1, 1, -2, 2, -3, 3, -4, 4)
"""Where a like day is looked for, the nearest first."""

Found = NDArray[np.int64]


class Method(StrEnum):
    """How a missing value is estimated."""

    LINEAR = "linear"
    LIKE_DAY = "like_day"
    LOAD_PROFILE = "load_profile"

    @property
    def quality(self) -> Quality:
        """The ESPI code an estimated value carries."""
        return {
            Method.LINEAR: Quality.ESTIMATED_INTERPOLATION,
            Method.LIKE_DAY: Quality.ESTIMATED_REFERENCE_DAY,
            Method.LOAD_PROFILE: Quality.DERIVED,
        }[self]


def on_a_line(values: Found, resolution_s: int) -> Found:
    """Holes of at most two hours filled on a straight line between their neighbours, to the nearest whole mantissa."""
    made = values.copy()
    edges = np.flatnonzero(np.diff(np.concatenate(([False], values == MISSING, [False])).astype(np.int8)))
    for first, end in edges.reshape(-1, 2).tolist():
        if first == 0 or end == len(values) or (end - first) * resolution_s > LONGEST_LINE_S:
            continue
        before, after = int(values[first - 1]), int(values[end])
        parts = end - first + 1
        made[first:end] = [_nearest(before * (parts - n) + after * n, parts) for n in range(1, parts)]
    return made


def from_like_days(values: Found, starts: Found, zone: ZoneInfo, resolution_s: int) -> Found:
    """Missing values taken from the same clock time of the same weekday, the nearest of four weeks before and after.

    `starts` are the starts of the slots, seconds since 1970 UTC; `values` reach as far as days may be taken from.
    """
    made, holes = values.copy(), np.flatnonzero(values == MISSING)
    shown = starts[holes] + ahead_of_utc(starts[holes], zone)
    for week in WEEKS:
        like, _, never = instants(shown + week * 7 * DAY_S, zone)
        place = (like - int(starts[0])) // resolution_s
        there = ~never & (place >= 0) & (place < len(values)) & (made[holes] == MISSING)
        made[holes[there]] = values[place[there]]
    return made


def from_profile(values: Found, profile: Found) -> Found:
    """Missing values in the shape of a load profile, so high that it and the values agree in sum where both are.

    `profile` has a number a slot in any unit, `MISSING` where it has none. Nothing is filled where nothing agrees.
    """
    both = (values != MISSING) & (profile != MISSING)
    known, shape = sum(values[both].tolist()), sum(profile[both].tolist())
    made = values.copy()
    if shape <= 0:
        return made
    for place in np.flatnonzero((values == MISSING) & (profile != MISSING)).tolist():
        made[place] = _nearest(int(profile[place]) * known, shape)
    return made


def _nearest(number: int, parts: int) -> int:
    return (2 * number + parts) // (2 * parts)
