"""UTC days: the block a series is stored in, one day with always the same number of slots. Civil days: `civil`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import DAY_S, MISSING, LoadCurve, MisalignedCurve, Series

EPOCH_DAY: Final = date(1970, 1, 1)

Runs = tuple[tuple[int, int], ...]
"""Qualities of a day, run-length encoded: (quality, slots), (quality, slots), …"""


@dataclass(frozen=True, slots=True, eq=False)
class DayBlock:
    """One version of one UTC day of a series.

    `mantissas` is int64 of shape (slots of the day,), `MISSING` where there is no value. `quality` is None when all
    values are `Quality.VALID`. A higher version replaces the whole day. `available_at` is when it became known.
    """

    series_id: int
    day: date
    mantissas: NDArray[np.int64]
    quality: Runs | None
    available_at: datetime
    version: int = 1

    def __post_init__(self) -> None:
        slots = len(self.mantissas)
        if self.mantissas.dtype != np.int64 or self.mantissas.ndim != 1 or not slots or DAY_S % slots:
            raise MisalignedCurve("A day has one int64 value for every slot of equal length.", field="/mantissas")
        if self.quality is not None and sum(length for _, length in self.quality) != slots:
            raise MisalignedCurve("The runs of quality cover every slot of the day once.", field="/quality")
        if self.available_at.tzinfo is None or self.version < 1:
            raise MisalignedCurve("A day has a version from 1 on and an instant it became known.", field="/version")

    @property
    def start(self) -> datetime:
        """The first instant of the day, UTC."""
        return datetime.combine(self.day, time.min, UTC)

    @property
    def resolution_s(self) -> int:
        return DAY_S // len(self.mantissas)


def runs_of(quality: NDArray[np.uint8]) -> Runs | None:
    """The runs of a day's qualities, or None when all are `Quality.VALID`."""
    if not quality.any():
        return None
    starts = np.append(0, np.flatnonzero(quality[1:] != quality[:-1]) + 1)
    lengths = np.diff(starts, append=len(quality))
    return tuple(zip(quality[starts].tolist(), lengths.tolist(), strict=True))


def quality_of(runs: Runs | None, slots: int) -> NDArray[np.uint8]:
    """The quality of each of `slots` slots; the inverse of `runs_of`."""
    if runs is None:
        return np.zeros(slots, np.uint8)
    codes, lengths = zip(*runs, strict=True)
    return np.repeat(np.array(codes, np.uint8), lengths)


def merged(
    older: tuple[NDArray[np.int64], NDArray[np.uint8]], newer: tuple[NDArray[np.int64], NDArray[np.uint8]]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Values and qualities of any one shape after a correction: the newer where it has a value, else the older."""
    corrected = newer[0] != MISSING
    return np.where(corrected, newer[0], older[0]), np.where(corrected, newer[1], older[1])


def correct(held: DayBlock, correction: DayBlock) -> DayBlock:
    """The next version of a held day after a correction of some of its slots; `held` itself when nothing changes."""
    if (held.series_id, held.day, len(held.mantissas)) != (
        correction.series_id,
        correction.day,
        len(correction.mantissas),
    ):
        raise MisalignedCurve("A correction is of the same series, day and resolution.", field="/day")
    slots = len(held.mantissas)
    older = held.mantissas, quality_of(held.quality, slots)
    mantissas, quality = merged(older, (correction.mantissas, quality_of(correction.quality, slots)))
    if np.array_equal(mantissas, older[0]) and np.array_equal(quality, older[1]):
        return held
    known = max(held.available_at, correction.available_at)
    return replace(held, mantissas=mantissas, quality=runs_of(quality), available_at=known, version=held.version + 1)


def days_of(series_id: int, curve: LoadCurve) -> list[DayBlock]:
    """A curve cut into its UTC days, all of version 1; slots of a day outside the curve are missing."""
    slots = curve.series.slots_per_day
    offset = int(curve.start.timestamp()) % DAY_S // curve.series.resolution_s
    days = -(-(offset + len(curve)) // slots)
    mantissas = np.full(days * slots, MISSING, np.int64)
    quality = np.zeros(days * slots, np.uint8)
    mantissas[offset : offset + len(curve)] = curve.mantissas
    quality[offset : offset + len(curve)] = np.where(curve.present, curve.quality, 0)
    first = curve.start.date()
    return [
        DayBlock(series_id, first + timedelta(days=i), values, runs_of(codes), curve.available_at)
        for i, (values, codes) in enumerate(
            zip(mantissas.reshape(days, slots), quality.reshape(days, slots), strict=True)
        )
    ]


def as_curve(series: Series, blocks: Sequence[DayBlock], *, as_known_at: datetime | None = None) -> LoadCurve:
    """One curve from the first to the last day, of the newest version of each day (known at `as_known_at`).

    A day without a block is missing. Raises `MisalignedCurve` when there is no block or one has another resolution.
    """
    newest = newest_versions(blocks, as_known_at)
    if not newest or any(block.resolution_s != series.resolution_s for block in newest):
        raise MisalignedCurve("A curve is made of days of its own resolution.", field="/resolution_s")
    slots, first = series.slots_per_day, newest[0].day
    days = (newest[-1].day - first).days + 1
    mantissas = np.full((days, slots), MISSING, np.int64)
    quality = np.zeros((days, slots), np.uint8)
    for block in newest:
        mantissas[(block.day - first).days] = block.mantissas
        quality[(block.day - first).days] = quality_of(block.quality, slots)
    known = max(block.available_at for block in newest)
    return LoadCurve(series, newest[0].start, mantissas.ravel(), quality.ravel(), known)


def newest_versions(blocks: Iterable[DayBlock], as_known_at: datetime | None = None) -> list[DayBlock]:
    """The newest version of each day of one series, in order of days; only what was known at `as_known_at`."""
    newest: dict[date, DayBlock] = {}
    for block in blocks:
        if as_known_at is not None and block.available_at > as_known_at:
            continue
        if block.day not in newest or newest[block.day].version < block.version:
            newest[block.day] = block
    return [newest[day] for day in sorted(newest)]
