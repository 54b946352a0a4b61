"""What a slot of a group must not show: a member that is more than a stated share of the total, or that was corrected.

The rule is (1, share)-dominance of statistical disclosure control, slot by slot. Where one member is the most of a
total, the total tells that member; with a share of one half, who takes the total for it is wrong by a factor of two
or more. The p % rule also guards against the second largest member, who can subtract itself; it needs the two largest
of every slot and is no sentence that a customer is told. Values count by their magnitude: a member that fed in while
others drew must not hide in a small net.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import MISSING

DEFAULT_SHARE_PERCENT: Final = 50
LARGEST_SHARE_PERCENT: Final = 90
"""No provider may let one member be more than this."""


def dominated(values: NDArray[np.int64], share_percent: int) -> NDArray[np.bool_]:
    """The slots in which one member's magnitude is more than `share_percent` of the sum of all magnitudes.

    `values` has shape (members, slots), without missing ones (0 in their place); the answer has shape (slots,). A slot
    in which everybody is zero is not dominated. Exact up to magnitudes whose sum times 100 stays below 2**63; beyond
    that it is computed in floating point, to one part in 10**15.
    """
    size = np.abs(values) if values.min(initial=0) < 0 else values
    largest = size.max(axis=0, initial=0)
    wide = float(largest.max(initial=0)) * values.shape[0] >= 2.0**62
    return too_much(largest, size.sum(axis=0, dtype=float if wide else np.int64), share_percent)


def too_much(
    largest: NDArray[np.int64], total: NDArray[np.int64] | NDArray[np.float64], share_percent: int
) -> NDArray[np.bool_]:
    """The slots in which the largest of all magnitudes is more than `share_percent` of their total; exact as
    `dominated`. All have shape (slots,)."""
    if not 1 <= share_percent <= LARGEST_SHARE_PERCENT:
        raise ValueError(f"a share is from 1 to {LARGEST_SHARE_PERCENT} per cent")
    if float(total.max(initial=0)) * 100 >= 2.0**62:
        return np.asarray(largest.astype(float) * 100 > total.astype(float) * share_percent)
    return np.asarray(largest * 100 > total * share_percent)


def corrected_by_few(before: NDArray[np.int64], now: NDArray[np.int64], minimum: int) -> NDArray[np.bool_]:
    """The slots in which at least one and fewer than `minimum` members have another value than when it was told.

    The difference of the two totals would be those few members' corrections. Both have shape (members, slots) and the
    same members in the same rows; a slot in which a member had no value before was not told, and is no news now.
    """
    was_told = (before != MISSING).all(axis=0)
    changed = ((before != now) & (now != MISSING)).sum(axis=0)
    return np.asarray(was_told & (changed > 0) & (changed < minimum))


def withheld_slots(states: Sequence[NDArray[np.int64]], share_percent: int, minimum: int) -> NDArray[np.bool_]:
    """The slots to keep back of the last of these states, each told in turn, of one group: shape (members, slots) each.

    A slot that was kept back itself told nothing, so later ones are not held against it.
    """
    told: list[tuple[NDArray[np.int64], NDArray[np.bool_]]] = []
    for now in states:
        gap = now == MISSING
        hidden = dominated(np.where(gap, 0, now) if gap.any() else now, share_percent)
        for before, kept_back in told:
            hidden |= corrected_by_few(before, now, minimum) & ~kept_back
        told.append((now, hidden))
    return told[-1][1]
