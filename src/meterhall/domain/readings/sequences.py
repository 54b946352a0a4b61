"""What only a whole series says: which of two equal clock times is meant, and what a register counted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import MISSING
from meterhall.domain.readings.rules import Rule


def told_apart(
    series_ids: NDArray[np.int64], starts: NDArray[np.int64], again_s: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Starts where of two rows with one clock time the first in the file is the first in time, and the second later.

    `again_s` says by how much later a start comes once more, 0 where it does not. True is where that says nothing: a
    clock time that comes twice on the clock and not twice in the file.
    """
    unsure = np.zeros(len(starts), np.bool_)
    twice = np.flatnonzero(again_s)
    if not len(twice):
        return starts, unsure
    order = twice[np.lexsort((twice, starts[twice], series_ids[twice]))]
    new = np.append(True, (series_ids[order[1:]] != series_ids[order[:-1]]) | (starts[order[1:]] != starts[order[:-1]]))
    group = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    number = np.arange(len(order)) - first[group]
    unsure[order[np.bincount(group)[group] != 2]] = True
    resolved = starts.copy()
    resolved[order] += np.where(number == 1, again_s[order], 0)
    return resolved, unsure


def register_deltas(
    series_ids: NDArray[np.int64],
    starts: NDArray[np.int64],
    readings: NDArray[np.int64],
    step_s: int,
    rollover: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.bool_]]:
    """What a register counted from one slot before until each reading (`MISSING` where nothing can be said), the rule
    the reading breaks or 0, and whether it is the first of its series here, so that it ends no slot.

    `starts` are the instants of the readings. A register starts from 0 again at `rollover` (of each reading; `MISSING`:
    never): that is what a fall means where the register then counted less than half of it meanwhile.
    """
    order = np.lexsort((np.arange(len(starts)), starts, series_ids))
    rules, deltas = np.zeros(len(starts), np.uint8), np.full(len(starts), MISSING, np.int64)
    opens = np.zeros(len(starts), np.bool_)
    if not len(order):
        return deltas, rules, opens
    order, doubtful = _once(order, series_ids, starts, readings, rules)
    at, start, read = series_ids[order], starts[order], np.where(doubtful, MISSING, readings[order])
    same = np.append(False, at[1:] == at[:-1])
    before = np.append(MISSING, read[:-1])
    known = same & (np.append(0, np.diff(start)) == step_s) & (before != MISSING) & (read != MISSING)
    moved = np.where(known, read - np.where(known, before, 0), MISSING)
    if rollover is not None:
        turn = rollover[order]
        turned = known & (moved < 0) & (turn != MISSING) & (read < turn) & (before < turn)
        turned &= np.where(turned, moved + turn, turn) < turn // 2
        moved = np.where(turned, moved + turn, moved)
    fell = known & (moved < 0)
    opens[order[~same]] = True
    rules[order[fell]] = Rule.FALLING
    rules[order[same & ~known & (read != MISSING)]] = Rule.NO_PREDECESSOR
    deltas[order] = np.where(fell, MISSING, moved)
    return deltas, rules, opens


def _once(
    order: NDArray[np.int64],
    series_ids: NDArray[np.int64],
    starts: NDArray[np.int64],
    readings: NDArray[np.int64],
    rules: NDArray[np.uint8],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """One reading an instant, and where several differed; those are contradictions, equal ones are repeated."""
    at, start = series_ids[order], starts[order]
    new = np.append(True, (at[1:] != at[:-1]) | (start[1:] != start[:-1]))
    first = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    differs = readings[order] != readings[order[first]][group]
    doubtful = np.zeros(len(first), np.bool_)
    doubtful[group[differs]] = True
    rules[order[~new]] = Rule.DUPLICATE
    rules[order[doubtful[group]]] = Rule.CONTRADICTION
    return order[first], doubtful
