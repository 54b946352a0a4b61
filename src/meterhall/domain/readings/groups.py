"""Groups: the sum of several load curves, slot by slot, with the exact count behind it. Who may see it: `privacy`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.civil_curves import Curve
from meterhall.domain.readings.curves import MISSING, MisalignedCurve
from meterhall.domain.readings.resampling import SumOutOfRange


@dataclass(frozen=True, slots=True, eq=False)
class GroupCurve:
    """The sum over `members` series in slots from edge to edge (seconds since 1970 UTC, shape (slots + 1,)).

    `mantissas` (int64, × 10**scale Wh) is `MISSING` unless every member has a value; `counts` (int64) says exactly how
    many members have one. Both have shape (slots,).
    """

    edges: NDArray[np.int64]
    scale: int
    members: int
    mantissas: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def start(self) -> datetime:
        """The start of the first slot, UTC."""
        return datetime.fromtimestamp(int(self.edges[0]), UTC)

    @property
    def completeness(self) -> NDArray[np.float64]:
        """The share of members with a value, 0 to 1, shape (slots,)."""
        return self.counts / self.members


def sum_curves(curves: Sequence[Curve]) -> GroupCurve:
    """The sum of curves that share all their slots; scales may differ, the finest one is kept.

    Raises `MisalignedCurve` where they share them not, or there is no curve, and `SumOutOfRange`.
    """
    if not curves or any(not np.array_equal(curve.edges, curves[0].edges) for curve in curves):
        raise MisalignedCurve("The curves of a group share start, resolution and length.", field="/group")
    scale = min(curve.series.scale for curve in curves)
    counts = np.zeros(len(curves[0]), np.int64)
    sums = np.zeros(len(curves[0]), np.int64)
    for curve in curves:
        sums = add_exactly(sums, rescaled(np.where(curve.present, curve.mantissas, 0), curve.series.scale, scale))
        counts += curve.present
    return GroupCurve(curves[0].edges, scale, len(curves), np.where(counts == len(curves), sums, MISSING), counts)


def rescaled(values: NDArray[np.int64], scale: int, finer: int) -> NDArray[np.int64]:
    """Present values moved from `scale` to an equal or finer one without rounding; raises `SumOutOfRange`."""
    factor: int = 10 ** (scale - finer)
    if len(values) and int(np.abs(values).max()) * factor >= 2**62:
        raise SumOutOfRange
    moved: NDArray[np.int64] = values * factor
    return moved


def add_exactly(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """`left + right`; raises `SumOutOfRange` before int64 would wrap."""
    if len(left) and int(np.abs(left).max()) + int(np.abs(right).max()) >= 2**63:
        raise SumOutOfRange
    return left + right
