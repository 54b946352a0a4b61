"""A load curve: a gapless run of slots of one series, each with a value or with none. Storage lives elsewhere.

A value is (start, resolution, value, quality, available_at). Zero is not missing; missing is never filled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.errors import InvalidInput

MISSING: Final = int(np.iinfo(np.int64).min)
"""The mantissa that says "no value in this slot"."""

DAY_S: Final = 86_400


class Direction(StrEnum):
    """Which way the energy flows, seen from the customer."""

    IMPORT = "import"
    EXPORT = "export"
    NET = "net"


class Quality(IntEnum):
    """How good a value is; the numbers are ESPI 4.0 `QualityOfReading`, so that no mapping can lose one."""

    VALID = 0
    MANUALLY_EDITED = 7
    ESTIMATED_REFERENCE_DAY = 8
    ESTIMATED_INTERPOLATION = 9
    QUESTIONABLE = 10
    DERIVED = 11
    PROJECTED = 12
    MIXED = 13
    RAW = 14
    NORMALISED = 15
    OTHER = 16
    VALIDATED = 17
    VERIFIED = 18
    REVENUE = 19


class MisalignedCurve(InvalidInput):
    code = "misaligned_readings"
    title = "The readings do not fit the slots of their series."


@dataclass(frozen=True, slots=True)
class Series:
    """What is measured at one usage point.

    `usage_point` is an opaque id (a surrogate inside a platform, the pairwise pseudonym outside it), never a POD.
    A value is `mantissa × 10**scale` watt-hours per slot of `resolution_s` seconds.
    """

    usage_point: str
    resolution_s: int
    direction: Direction = Direction.IMPORT
    scale: int = 0

    def __post_init__(self) -> None:
        if self.resolution_s <= 0 or DAY_S % self.resolution_s:
            raise MisalignedCurve(
                f"A resolution of {self.resolution_s} s does not divide a day.", field="/resolution_s"
            )

    @property
    def slots_per_day(self) -> int:
        """How many slots one UTC day has; always the same number."""
        return DAY_S // self.resolution_s

    @property
    def resolution(self) -> timedelta:
        return timedelta(seconds=self.resolution_s)


@dataclass(frozen=True, slots=True, eq=False)
class LoadCurve:
    """The values of one series from `start` (UTC, on a slot's edge) on.

    `mantissas` is int64 of shape (slots,), `MISSING` where there is no value; `quality` is uint8 of the same
    shape (its entry is meaningless where the value is missing). `available_at` is when the youngest value became known.
    """

    series: Series
    start: datetime
    mantissas: NDArray[np.int64]
    quality: NDArray[np.uint8]
    available_at: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() != timedelta(0):
            raise MisalignedCurve("The start of a load curve is an instant in UTC.", field="/start")
        if int(self.start.timestamp()) % self.series.resolution_s or self.start.microsecond:
            raise MisalignedCurve("The start of a load curve lies on the edge of a slot.", field="/start")
        if self.mantissas.ndim != 1 or self.mantissas.shape != self.quality.shape:
            raise MisalignedCurve("Values and qualities have one entry a slot each.", field="/quality")
        if self.mantissas.dtype != np.int64 or self.quality.dtype != np.uint8:
            raise MisalignedCurve("Values are int64 and qualities uint8.", field="/mantissas")

    def __len__(self) -> int:
        return len(self.mantissas)

    @property
    def end(self) -> datetime:
        """The end of the last slot, exclusive, UTC."""
        return self.start + len(self) * self.series.resolution

    @property
    def present(self) -> NDArray[np.bool_]:
        """Where there is a value; shape (slots,)."""
        return np.not_equal(self.mantissas, MISSING)

    @property
    def starts(self) -> NDArray[np.int64]:
        """The start of every slot, seconds since 1970 UTC; shape (slots,)."""
        return self.edges[:-1]

    @property
    def edges(self) -> NDArray[np.int64]:
        """The edges of the slots, seconds since 1970 UTC; shape (slots + 1,)."""
        first = int(self.start.astimezone(UTC).timestamp())
        return first + self.series.resolution_s * np.arange(len(self) + 1, dtype=np.int64)

    def stretched(self, start: datetime, end: datetime) -> LoadCurve:
        """The same values from `start` to `end` (UTC, on slots' edges, around the whole curve), missing elsewhere."""
        step = self.series.resolution
        before, after = (self.start - start) // step, (end - self.end) // step
        if before < 0 or after < 0:
            raise MisalignedCurve("A curve is stretched around what it has.", field="/start")
        mantissas = np.pad(self.mantissas, (before, after), constant_values=MISSING)
        return LoadCurve(self.series, start, mantissas, np.pad(self.quality, (before, after)), self.available_at)
