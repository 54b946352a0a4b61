"""Civil curves: one value a civil day, week or month, in slots of 23 to 25 hours, 167 to 169
hours or 28 to 31 days. Equal slots: `curves`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import MISSING, Direction, LoadCurve, MisalignedCurve
from meterhall.domain.readings.granularity import Granularity


@dataclass(frozen=True, slots=True)
class CivilSeries:
    """What is told of one usage point by civil day, week or month; a value is `mantissa × 10**scale` Wh a period."""

    usage_point: str
    granularity: Granularity
    direction: Direction = Direction.IMPORT
    scale: int = 0

    def __post_init__(self) -> None:
        if not self.granularity.civil:
            raise MisalignedCurve("A civil series is one of civil days, weeks or months.", field="/granularity")


@dataclass(frozen=True, slots=True, eq=False)
class CivilCurve:
    """The values of a gapless run of civil days, weeks or months.

    `edges` are seconds since 1970 UTC, int64 of shape (slots + 1,) and ascending: slot i runs from edge i to edge
    i + 1. `mantissas` (int64, `MISSING` where there is no value) and `quality` (uint8) have shape (slots,).
    """

    series: CivilSeries
    edges: NDArray[np.int64]
    mantissas: NDArray[np.int64]
    quality: NDArray[np.uint8]
    available_at: datetime

    def __post_init__(self) -> None:
        if self.mantissas.ndim != 1 or self.mantissas.shape != self.quality.shape:
            raise MisalignedCurve("Values and qualities have one entry a slot each.", field="/quality")
        if self.edges.shape != (len(self.mantissas) + 1,) or np.any(np.diff(self.edges) <= 0):
            raise MisalignedCurve("The edges ascend and are one more than the values.", field="/edges")
        if [self.edges.dtype, self.mantissas.dtype, self.quality.dtype] != [np.int64, np.int64, np.uint8]:
            raise MisalignedCurve("Edges and values are int64 and qualities uint8.", field="/mantissas")

    def __len__(self) -> int:
        return len(self.mantissas)

    @property
    def start(self) -> datetime:
        """The start of the first slot, UTC."""
        return datetime.fromtimestamp(int(self.edges[0]), UTC)

    @property
    def end(self) -> datetime:
        """The end of the last slot, exclusive, UTC."""
        return datetime.fromtimestamp(int(self.edges[-1]), UTC)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Where there is a value; shape (slots,)."""
        return np.not_equal(self.mantissas, MISSING)

    @property
    def starts(self) -> NDArray[np.int64]:
        """The start of every slot, seconds since 1970 UTC; shape (slots,)."""
        return self.edges[:-1]


Curve = LoadCurve | CivilCurve
"""A curve as it is delivered: in slots of one length, or in civil days, weeks or months."""
