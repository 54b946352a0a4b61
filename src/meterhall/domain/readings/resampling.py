"""Resampling: the sums of a load curve over coarser slots, each with its completeness. Nothing is interpolated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.errors import InvalidInput
from meterhall.domain.readings.civil import civil_day_of, civil_periods
from meterhall.domain.readings.civil_curves import CivilCurve, CivilSeries, Curve
from meterhall.domain.readings.civil_numbers import numbers_of
from meterhall.domain.readings.curves import MISSING, LoadCurve, Quality, Series
from meterhall.domain.readings.granularity import Granularity, GranularityUnavailable

_NO_QUALITY: Final = 255


class SumOutOfRange(InvalidInput):
    code = "sum_out_of_range"
    title = "The values are too large to be summed exactly."


@dataclass(frozen=True, slots=True, eq=False)
class PeriodCurve:
    """A load curve in slots that need not be equally long.

    `edges` are seconds since 1970 UTC, shape (slots + 1,): slot i runs from edge i to edge i + 1. `mantissas` (int64,
    `MISSING` where a fine slot lacks its value), `quality` (uint8), `present` and `expected` (int64: fine slots with a
    value, and all of them) have shape (slots,). The scale is that of `series`.
    """

    series: Series
    granularity: Granularity
    edges: NDArray[np.int64]
    mantissas: NDArray[np.int64]
    quality: NDArray[np.uint8]
    present: NDArray[np.int64]
    expected: NDArray[np.int64]
    available_at: datetime

    def __len__(self) -> int:
        return len(self.mantissas)

    @property
    def completeness(self) -> NDArray[np.float64]:
        """The share of fine slots with a value, 0 to 1, shape (slots,)."""
        return self.present / self.expected

    def curve(self) -> Curve:
        """The same values as a curve to deliver: a civil curve for civil days, weeks and months, else a load curve."""
        if not self.granularity.civil:
            return self.load_curve()
        series = CivilSeries(self.series.usage_point, self.granularity, self.series.direction, self.series.scale)
        return CivilCurve(series, self.edges, self.mantissas, self.quality, self.available_at)

    def load_curve(self) -> LoadCurve:
        """The same values as a load curve; raises `GranularityUnavailable` for civil days, weeks and months."""
        if self.granularity.civil:
            raise GranularityUnavailable(
                "Civil days, weeks and months are not slots of one length.", field="/granularity"
            )
        coarse = Series(self.series.usage_point, self.granularity.period_s, self.series.direction, self.series.scale)
        start = datetime.fromtimestamp(int(self.edges[0]), UTC)
        return LoadCurve(coarse, start, self.mantissas, self.quality, self.available_at)


def resample(curve: LoadCurve, granularity: Granularity, zone: ZoneInfo) -> PeriodCurve:
    """The sums of `curve` over every slot of `granularity` it touches; `zone` matters to civil slots only.

    A sum is `MISSING` unless every fine slot inside it has a value, also where the curve ends within it. Its quality is
    that of its parts, or `MIXED`. Raises `GranularityUnavailable` and `SumOutOfRange`.
    """
    edges = slot_edges(granularity, zone, curve.start, curve.end)
    step_s = curve.series.resolution_s
    if np.any((edges - int(curve.start.timestamp())) % step_s) or np.any(np.diff(edges) < step_s):
        raise GranularityUnavailable(
            f"{granularity} is not a whole multiple of the series' {step_s} s.", field="/granularity"
        )
    expected = np.diff(edges) // step_s
    first = np.maximum((edges[:-1] - int(curve.start.timestamp())) // step_s, 0)
    present = _reduce(np.add, curve.present.astype(np.int64), first)
    sums = exact_sums(curve.mantissas, first)
    return PeriodCurve(
        curve.series,
        granularity,
        edges,
        np.where(present == expected, sums, MISSING),
        _common_quality(curve, first),
        present,
        expected,
        curve.available_at,
    )


def resample_civil(curve: CivilCurve, granularity: Granularity, zone: ZoneInfo) -> CivilCurve:
    """Civil slots as they are, or days summed over each civil week or month they touch, in the zone the days are of.

    A week or month is `MISSING` unless each of its days has a value, also where the curve ends within it. Raises
    `GranularityUnavailable` for all that is finer than the curve, and `SumOutOfRange`.
    """
    held = curve.series.granularity
    if granularity == held:
        return curve
    if not granularity.is_made_of(held):
        raise GranularityUnavailable(f"A series of {held} can't be had as {granularity}.", field="/granularity")
    series = CivilSeries(curve.series.usage_point, granularity, curve.series.direction, curve.series.scale)
    edges = slot_edges(granularity, zone, curve.start, curve.end)
    first = np.searchsorted(curve.starts, edges[:-1])
    days = numbers_of(held, zone, edges)[0]
    sums = exact_sums(curve.mantissas, first)
    whole = _reduce(np.add, curve.present.astype(np.int64), first) == np.diff(days)
    quality = _common_quality(curve, first)
    return CivilCurve(series, edges, np.where(whole, sums, MISSING), quality, curve.available_at)


def slot_edges(granularity: Granularity, zone: ZoneInfo, start: datetime, end: datetime) -> NDArray[np.int64]:
    """The edges, seconds since 1970 UTC, of each slot that touches `start` to `end` (exclusive); one when none does."""
    if end <= start:
        return np.array([int(start.timestamp())], np.int64)
    if not granularity.civil:
        step_s = granularity.period_s
        first = int(start.timestamp()) // step_s * step_s
        last = -(-int(end.timestamp()) // step_s) * step_s
        return np.arange(first, last + 1, step_s, dtype=np.int64)
    until = civil_day_of(zone, end - timedelta(microseconds=1)) + timedelta(days=1)
    periods = civil_periods(granularity, zone, civil_day_of(zone, start), until)
    return np.array([int(periods[0].start.timestamp()), *(int(p.end.timestamp()) for p in periods)], np.int64)


def exact_sums(mantissas: NDArray[np.int64], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sum of the values from each index in `first` to the next, missing ones counted as nothing.

    Raises `SumOutOfRange` where int64 could not hold every sum.
    """
    values = np.where(mantissas == MISSING, 0, mantissas)
    if len(values) and float(np.abs(values).max()) * len(values) >= 2.0**62:
        raise SumOutOfRange
    return _reduce(np.add, values, first)


def sums_of_rows(values: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """Of each row the sums of every `parts` values that follow each other, `MISSING` where one of them is.

    Shape (rows, slots × parts) becomes (rows, slots). Raises `SumOutOfRange`.
    """
    if parts == 1:
        return values
    fine = values.reshape(len(values), values.shape[1] // parts, parts)
    lowest, highest = int(fine.min(initial=0)), int(fine.max(initial=0))
    gap = (fine == MISSING).any(axis=2) if lowest == MISSING else None
    if gap is not None:
        fine = np.where(gap[:, :, None], 0, fine)
        lowest = int(fine.min(initial=0))
    if max(highest, -lowest) * parts >= 2**62:
        raise SumOutOfRange
    sums: NDArray[np.int64] = fine[:, :, 0].copy()
    for part in range(1, parts):
        sums += fine[:, :, part]
    if gap is not None:
        sums[gap] = MISSING
    return sums


def _reduce(function: np.ufunc, values: NDArray[np.int64], first: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(first):
        return np.zeros(0, np.int64)
    reduced: NDArray[np.int64] = function.reduceat(values, first)
    return reduced


def _common_quality(curve: Curve, first: NDArray[np.int64]) -> NDArray[np.uint8]:
    quality = curve.quality.astype(np.int64)
    lowest = _reduce(np.minimum, np.where(curve.present, quality, _NO_QUALITY), first)
    highest = _reduce(np.maximum, np.where(curve.present, quality, 0), first)
    common = np.where(lowest == highest, lowest, int(Quality.MIXED))
    return np.where(lowest == _NO_QUALITY, int(Quality.VALID), common).astype(np.uint8)
