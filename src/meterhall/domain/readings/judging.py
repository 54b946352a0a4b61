"""Rules that judge: a value far above what is usual, one that no longer moves. Each provider sets its own limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import MISSING
from meterhall.domain.readings.rows import Rows, SeriesSpec
from meterhall.domain.readings.rules import Rule

HOUR_S: Final = 3600
USUAL: Final = 0.95
"""The share of a series' values that are not above what is usual."""
FEWEST: Final = 20
"""Values of a series that something can be said from."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch is held against.

    A value is a spike where its mean power is above `spike_floor_w` and it is more than `spike_times` the value that
    95 in 100 of its series in the batch do not exceed. It is stuck where its series does not change for `stuck_h`
    hours or more at a mean power of at least `stuck_floor_w`. 0 times or hours: not judged. No slot may end after
    `latest_end` (seconds since 1970 UTC) unless its value is projected; None: not judged.
    """

    spike_times: float = 0
    spike_floor_w: float = 0
    stuck_h: float = 0
    stuck_floor_w: float = 0
    latest_end: int | None = None


NO_LIMITS: Final = Limits()


def judge(
    rules: NDArray[np.uint8],
    specs: Sequence[SeriesSpec],
    place: NDArray[np.int64],
    rows: Rows,
    limits: Limits,
    cells: NDArray[np.int64] | None = None,
) -> None:
    """Mark the rows that keep every other rule and are spikes or stuck.

    `place` says which of `specs` a row's is. `cells` gives each row a number of its own that grows with the series and,
    by one a slot, with the time in it; None where that would be too sparse.
    """
    if limits.spike_times:
        _mark_spikes(rules, specs, place, rows, limits)
    if limits.stuck_h:
        _mark_stuck(rules, specs, place, rows, limits, cells)


def floors_of(specs: Sequence[SeriesSpec], floor_w: float) -> NDArray[np.float64]:
    """The mantissa of each series that stands for a mean power."""
    return np.array([floor_w * spec.resolution_s / HOUR_S / 10.0**spec.scale for spec in specs])


def _mark_spikes(
    rules: NDArray[np.uint8], specs: Sequence[SeriesSpec], place: NDArray[np.int64], rows: Rows, limits: Limits
) -> None:
    floors = floors_of(specs, limits.spike_floor_w)
    size = np.abs(rows.mantissas)  # the mantissa of a missing value has no absolute one and stays negative
    high = size > (floors[0] if (floors == floors[0]).all() else floors[place])
    high &= rules == 0
    if not high.any():
        return
    suspected = np.zeros(len(specs), np.bool_)
    suspected[place[high]] = True
    chosen = np.flatnonzero(suspected[place] & (rules == 0))
    order = chosen[np.lexsort((size[chosen], place[chosen]))]
    _, first, count = np.unique(place[order], return_index=True, return_counts=True)
    usual = size[order[first + ((count - 1) * USUAL).astype(np.int64)]]
    bound = np.full(len(specs), np.inf)
    bound[place[order[first]]] = np.where(count >= FEWEST, usual * limits.spike_times, np.inf)
    spikes = np.flatnonzero(high)
    rules[spikes[size[spikes] > bound[place[spikes]]]] = Rule.SPIKE


def _mark_stuck(
    rules: NDArray[np.uint8],
    specs: Sequence[SeriesSpec],
    place: NDArray[np.int64],
    rows: Rows,
    limits: Limits,
    cells: NDArray[np.int64] | None,
) -> None:
    floors = np.maximum(floors_of(specs, limits.stuck_floor_w), 1)
    suspected = _may_be_stuck(specs, place, rows, limits, float(floors.min()), cells)
    if not suspected.any():
        return
    candidates = suspected[place] & (np.abs(rows.mantissas) >= floors[place]) & (rules == 0)
    chosen = np.flatnonzero(candidates)
    if not len(chosen):
        return
    steps = np.array([spec.resolution_s for spec in specs], np.int64)
    order = chosen[np.lexsort((rows.starts[chosen], place[chosen]))]
    at, starts, values = place[order], rows.starts[order], rows.mantissas[order]
    moved = (at[1:] != at[:-1]) | (values[1:] != values[:-1]) | (starts[1:] - starts[:-1] != steps[at[1:]])
    edges = np.concatenate(([0], np.flatnonzero(moved) + 1, [len(order)]))
    lengths = np.diff(edges)
    long = (lengths * steps[at[edges[:-1]]] >= limits.stuck_h * HOUR_S) & (lengths > 1)
    if long.any():
        rules[order[np.repeat(long, lengths)]] = Rule.STUCK


def _may_be_stuck(
    specs: Sequence[SeriesSpec],
    place: NDArray[np.int64],
    rows: Rows,
    limits: Limits,
    floor: float,
    cells: NDArray[np.int64] | None,
) -> NDArray[np.bool_]:
    """Which series may have a run of equal values that is long enough: a run covers two samples half its length apart.

    Saves looking at every value of series that move, which is nearly all of them.
    """
    steps = {spec.resolution_s for spec in specs}
    half = int(limits.stuck_h * HOUR_S) // min(steps) // 2
    if cells is None or len(steps) > 1 or half < 2:
        return np.ones(len(specs), np.bool_)
    size = int(cells.max()) + 1
    values, series = np.full(size // half + 1, MISSING), np.full(size // half + 1, -1)
    sampled = np.flatnonzero(cells % half == 0)
    values[cells[sampled] // half] = rows.mantissas[sampled]
    series[cells[sampled] // half] = place[sampled]
    equal = (values[1:] == values[:-1]) & (series[1:] == series[:-1]) & (np.abs(values[1:]) >= floor)
    suspected = np.zeros(len(specs), np.bool_)
    suspected[series[1:][equal]] = True
    return suspected
