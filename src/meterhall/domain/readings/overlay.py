"""Several series of one point and direction as one curve: which of them each civil day is taken from. Nothing is read
here.

A day is that of the finest series with a value on it, though other values of it be missing. A week or month is
the sum of its days; where they do not make a month whole, it is that of the series of months. No time is counted twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.civil_curves import CivilCurve, Curve
from meterhall.domain.readings.curves import MISSING, LoadCurve
from meterhall.domain.readings.granularity import CIVIL_DAY, Granularity, GranularityUnavailable
from meterhall.domain.readings.groups import rescaled
from meterhall.domain.readings.resampling import resample, resample_civil, slot_edges

NOBODY = -1
"""In place of a series: none has a value then."""


def in_granularity(curve: Curve, wanted: Granularity, zone: ZoneInfo) -> Curve:
    """A curve in slots of a granularity. Raises `GranularityUnavailable` and `SumOutOfRange`."""
    if isinstance(curve, CivilCurve):
        return resample_civil(curve, wanted, zone)
    if wanted.period_s == curve.series.resolution_s:
        return curve
    return resample(curve, wanted, zone).curve()


def overlaid(curves: Sequence[Curve], wanted: Granularity, zone: ZoneInfo) -> Curve:
    """One curve of several, the finest first, of which each can be had in a granularity and covers the same civil days.

    Of different scales the finest is kept. Raises `GranularityUnavailable` and `SumOutOfRange`.
    """
    if len(curves) == 1:
        return in_granularity(curves[0], wanted, zone)
    if wanted.most_days <= 1:
        made = [in_granularity(curve, wanted, zone) for curve in curves]
        return _chosen(made, _by_slot(curves, made[0].starts, zone))
    daily = [curve for curve in curves if not is_monthly(curve)]
    made = [curve for curve in curves if is_monthly(curve)]
    if daily:
        made.insert(0, in_granularity(overlaid(daily, CIVIL_DAY, zone), wanted, zone))
    return _chosen(made, _first_of([one.present for one in made]))


def day_edges(start: datetime, end: datetime, zone: ZoneInfo) -> NDArray[np.int64]:
    """The edges of the civil days from one midnight to another, seconds since 1970 UTC."""
    return slot_edges(CIVIL_DAY, zone, start, end)


def sources(curves: Sequence[Curve], days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of the curves, the finest first, is the first with a value on each of these civil days; `NOBODY` where none
    has one. A month has its value on all its days. Shape (days,)."""
    return _first_of([_having(curve, days) for curve in curves])


def is_monthly(curve: Curve) -> bool:
    """Whether its slots are civil months."""
    return isinstance(curve, CivilCurve) and curve.series.granularity.monthly


def _having(curve: Curve, days: NDArray[np.int64]) -> NDArray[np.bool_]:
    """On which days a curve has a value, though not all of it."""
    if is_monthly(curve):
        place = np.searchsorted(curve.edges, days[:-1], side="right") - 1
        inside = (place >= 0) & (place < len(curve))
        has: NDArray[np.bool_] = inside & np.append(curve.present, False)[np.where(inside, place, -1)]
        return has
    place = np.searchsorted(days, curve.starts[curve.present], side="right") - 1
    inside = (place >= 0) & (place < len(days) - 1)
    return np.bincount(place[inside], minlength=len(days) - 1) > 0


def _first_of(having: Sequence[NDArray[np.bool_]]) -> NDArray[np.int64]:
    matrix = np.stack(having)
    found: NDArray[np.int64] = np.where(matrix.any(axis=0), matrix.argmax(axis=0), NOBODY)
    return found


def _by_slot(curves: Sequence[Curve], starts: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Which curve each slot is of: that of the civil day in which it begins."""
    if not len(starts):
        return np.zeros(0, np.int64)
    days = day_edges(min(one.start for one in curves), max(one.end for one in curves), zone)
    day = np.clip(np.searchsorted(days, starts, side="right") - 1, 0, len(days) - 2)
    found: NDArray[np.int64] = sources(curves, days)[day]
    return found


def _chosen(made: Sequence[Curve], which: NDArray[np.int64]) -> Curve:
    """One curve of several with the same slots: each slot as the curve that is named has it."""
    first = made[0]
    if any(not np.array_equal(one.edges, first.edges) for one in made[1:]):
        raise GranularityUnavailable("The series of the point are not of the same slots.", field="/granularity")
    scale = min(one.series.scale for one in made)
    mantissas, quality = np.full(len(first), MISSING, np.int64), np.zeros(len(first), np.uint8)
    for number, one in enumerate(made):
        taken = np.flatnonzero((which == number) & one.present)
        mantissas[taken] = rescaled(one.mantissas[taken], one.series.scale, scale)
        quality[taken] = one.quality[taken]
    used = [one.available_at for number, one in enumerate(made) if (which == number).any()]
    known = max(used, default=first.available_at)
    if isinstance(first, LoadCurve):
        series = replace(first.series, scale=scale)
        return replace(first, series=series, mantissas=mantissas, quality=quality, available_at=known)
    civil = replace(first.series, scale=scale)
    return replace(first, series=civil, mantissas=mantissas, quality=quality, available_at=known)
