"""Measures of a group, slot by slot: sum, mean and percentiles of many curves at once. Who may see them: `privacy`.

There is no minimum and no maximum: each is one member's own value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import MISSING
from meterhall.domain.readings.resampling import SumOutOfRange

Measure = Literal["sum", "mean", "p10", "p25", "p50", "p75", "p90"]
_SLOTS_ORDERED: Final = 16
PERCENTILES: Final[dict[str, int]] = {"p10": 10, "p25": 25, "p50": 50, "p75": 75, "p90": 90}


def rank(percent: int, members: int) -> int:
    """The place, from 0, of a percentile among `members` in order: the nearest rank, no value between two."""
    return max(-(-percent * members // 100), 1) - 1


def measured(values: NDArray[np.int64], measures: Sequence[Measure]) -> dict[Measure, NDArray[np.int64]]:
    """Each measure over the members, of `values` with shape (members, slots); answers have shape (slots,).

    A slot in which one member is `MISSING` is missing in every measure: two sums of which one has a member more would
    give it away. The mean is rounded to the unit of the mantissas, halves away from zero. Raises `SumOutOfRange`.
    """
    members = values.shape[0]
    gap = (values == MISSING).any(axis=0)
    there = np.where(gap, 0, values) if gap.any() else values
    if float(largest(there)) * members >= 2.0**62:
        raise SumOutOfRange
    answers = _of_sums(there.sum(axis=0), members, measures)
    wanted = [rank(PERCENTILES[one], members) for one in measures if one in PERCENTILES]
    ordered = _ordered(there, wanted) if wanted else {}
    answers |= {one: ordered[rank(PERCENTILES[one], members)] for one in measures if one in PERCENTILES}
    return {one: np.where(gap, MISSING, answers[one]) for one in measures}


def of_totals(
    sums: NDArray[np.int64],
    counts: NDArray[np.int64],
    largest: NDArray[np.int64],
    members: int,
    measures: Sequence[Measure],
) -> dict[Measure, NDArray[np.int64]]:
    """As `measured`, of what is known of the slots alone: sums, how many members are in each, the largest magnitude.

    There are no percentiles among the measures. All have shape (slots,). Raises `SumOutOfRange`.
    """
    gap = counts < members
    if float(np.where(gap, 0, largest).max(initial=0)) * members >= 2.0**62:
        raise SumOutOfRange
    answers = _of_sums(np.where(gap, 0, sums), members, measures)
    return {one: np.where(gap, MISSING, answers[one]) for one in measures}


def _of_sums(total: NDArray[np.int64], members: int, measures: Sequence[Measure]) -> dict[Measure, NDArray[np.int64]]:
    """Those of the measures that follow from the sum."""
    answers: dict[Measure, NDArray[np.int64]] = {"sum": total}
    if "mean" in measures:
        answers["mean"] = np.sign(total) * ((2 * np.abs(total) + members) // (2 * members))
    return answers


def largest(values: NDArray[np.int64]) -> int:
    """The largest magnitude there is; 0 of nothing. No value is `MISSING`."""
    return max(int(values.max(initial=0)), -int(values.min(initial=0)))


def _ordered(values: NDArray[np.int64], ranks: Sequence[int]) -> dict[int, NDArray[np.int64]]:
    """By each rank the values of that rank in every slot; some slots at once, so that they stay in the cache."""
    found = {one: np.empty(values.shape[1], np.int64) for one in ranks}
    for first in range(0, values.shape[1], _SLOTS_ORDERED):
        cut = slice(first, first + _SLOTS_ORDERED)
        by_slot = np.partition(np.ascontiguousarray(values[:, cut].T), sorted(found), axis=1)
        for one, column in found.items():
            column[cut] = by_slot[:, one]
    return found
