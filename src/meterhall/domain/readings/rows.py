"""Rows: readings as they arrive, one value a row, and the dense days they make. Which rows are let in: `validation`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import DAY_S, MISSING, MisalignedCurve

MANTISSA_MAX: Final = 10**15
"""The largest mantissa taken in: a month of quarter hours of it still sums within int64."""


@dataclass(frozen=True, slots=True)
class SeriesSpec:
    """What storing and checking a series needs to know of it: no usage point, no customer.

    A value is `mantissa × 10**scale` Wh per slot of `resolution_s` seconds. `signed` series may be negative (net flow);
    `maximum` is the largest magnitude a mantissa may have, `MANTISSA_MAX` at most.
    """

    id: int
    resolution_s: int
    scale: int = 0
    signed: bool = False
    maximum: int = MANTISSA_MAX

    def __post_init__(self) -> None:
        if self.resolution_s <= 0 or DAY_S % self.resolution_s:
            raise MisalignedCurve(
                f"A resolution of {self.resolution_s} s does not divide a day.", field="/resolution_s"
            )

    @property
    def slots_per_day(self) -> int:
        return DAY_S // self.resolution_s


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Readings as columns of shape (rows,), in any order.

    `series_ids` int64; `starts` int64, seconds since 1970 UTC; `mantissas` int64 at the scale of the series; `quality`
    uint8 codes of `Quality`.
    """

    series_ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    mantissas: NDArray[np.int64]
    quality: NDArray[np.uint8]

    def __post_init__(self) -> None:
        columns = (self.series_ids, self.starts, self.mantissas, self.quality)
        if len({column.shape for column in columns}) > 1 or self.starts.ndim != 1:
            raise MisalignedCurve("The columns of rows have one entry a row each.", field="/rows")
        if [column.dtype for column in columns] != [np.int64, np.int64, np.int64, np.uint8]:
            raise MisalignedCurve("Series, starts and values are int64 and qualities uint8.", field="/rows")

    def __len__(self) -> int:
        return len(self.starts)

    def where(self, chosen: NDArray[np.bool_]) -> Rows:
        """The chosen rows, in order; the very same object when all are."""
        if chosen.all():
            return self
        return Rows(self.series_ids[chosen], self.starts[chosen], self.mantissas[chosen], self.quality[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class DayMatrix:
    """Many days of one resolution: `series_ids` int64 and `days` int32 (days since 1970) of shape (n,), sorted by both;
    `mantissas` int64 and `quality` uint8 of shape (n, slots), `MISSING` and 0 where there is no value."""

    series_ids: NDArray[np.int64]
    days: NDArray[np.int32]
    mantissas: NDArray[np.int64]
    quality: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.days)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> DayMatrix:
        """The chosen days; the very same object when all are."""
        if chosen.dtype == np.bool_ and chosen.all():
            return self
        return DayMatrix(self.series_ids[chosen], self.days[chosen], self.mantissas[chosen], self.quality[chosen])


def matrices(specs: Sequence[SeriesSpec], rows: Rows) -> Iterator[DayMatrix]:
    """The days that valid rows make, one matrix for each resolution; every slot has at most one row."""
    for resolution_s in sorted({spec.resolution_s for spec in specs}):
        ids = np.array(sorted(spec.id for spec in specs if spec.resolution_s == resolution_s), np.int64)
        chosen = rows.where(np.isin(rows.series_ids, ids)) if len(ids) < len(specs) else rows
        if len(chosen):
            yield _dense(ids, resolution_s, chosen)


def _dense(ids: NDArray[np.int64], resolution_s: int, rows: Rows) -> DayMatrix:
    slots = DAY_S // resolution_s
    days = rows.starts // DAY_S
    slot = (rows.starts - days * DAY_S) // resolution_s
    first_day = int(days.min())
    span = int(days.max()) - first_day + 1
    keys = positions(ids, rows.series_ids) * span + (days - first_day)
    found, block = _distinct(keys, len(ids) * span)
    mantissas = np.full(len(found) * slots, MISSING, np.int64)
    quality = np.zeros(len(found) * slots, np.uint8)
    cell = block * slots + slot
    mantissas[cell] = rows.mantissas
    if rows.quality.any():
        quality[cell] = rows.quality
    return DayMatrix(
        ids[found // span],
        (found % span + first_day).astype(np.int32),
        mantissas.reshape(-1, slots),
        quality.reshape(-1, slots),
    )


def positions(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each wanted id stands in the sorted `ids`; meaningless for one that is not among them."""
    width = int(ids[-1]) - int(ids[0]) + 1
    if width <= 4 * len(ids) + 1024:
        table = np.zeros(width, np.int64)
        table[ids - ids[0]] = np.arange(len(ids))
        place: NDArray[np.int64] = table[np.clip(wanted, ids[0], ids[-1]) - ids[0]]
        return place
    return np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)


def _distinct(keys: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sorted distinct keys and, for each key, its place among them; without a sort where the range is dense."""
    if size > 4 * len(keys) + 1_000_000:
        return np.unique(keys, return_inverse=True)
    seen = np.zeros(size, np.bool_)
    seen[keys] = True
    place = np.cumsum(seen, dtype=np.int64) - 1
    return np.flatnonzero(seen), place[keys]


def epoch_us(instant: datetime) -> int:
    """Microseconds since 1970 UTC, exactly."""
    if instant.tzinfo is None:
        raise MisalignedCurve("An instant has a zone.", field="/available_at")
    passed = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * DAY_S + passed.seconds) * 1_000_000 + passed.microseconds


def instant_of(us: int) -> datetime:
    """The instant so many microseconds after 1970 UTC, exactly."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
