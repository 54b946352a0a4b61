"""The layout of the table: its columns, its partitions, and days as Arrow. No query and no commit is made here.

| column | meaning |
|---|---|
| `series_id` | surrogate id of the series; kept out of the log's statistics, so that erasing a file erases it |
| `day` | UTC day |
| `version` | 1, 2, … of that day; the highest replaces the others whole |
| `sequence` | number of the commit that brought it; grows with every commit; the change feed's order |
| `available_at` | when this version became known, UTC |
| `values` | one mantissa a slot, null where there is no value |
| `quality` | null when all are valid, else quality, slots, quality, slots, … |
| `month`, `bucket` | partition: `YYYY-MM` of the day, and a share of the series, neighbours together |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import ColumnProperties, WriterProperties
from numpy.typing import NDArray

from meterhall.domain.errors import Conflict
from meterhall.domain.readings.curves import MISSING
from meterhall.domain.readings.days import EPOCH_DAY, DayBlock, quality_of
from meterhall.domain.readings.rows import DayMatrix, epoch_us

SCHEMA: Final = pa.schema(
    [
        pa.field("series_id", pa.int64(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("version", pa.int32(), nullable=False),
        pa.field("sequence", pa.int64(), nullable=False),
        pa.field("available_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("values", pa.list_(pa.field("element", pa.int64())), nullable=False),
        pa.field("quality", pa.list_(pa.field("element", pa.int32()))),
        pa.field("month", pa.string(), nullable=False),
        pa.field("bucket", pa.int32(), nullable=False),
    ]
)
PARTITIONS: Final = ["month", "bucket"]
ROW_GROUP: Final = 512
"""Rows in a row group: small enough that reading one series skips most of a month, large enough for its share of the
file's end to be small (0.02 bytes a value)."""

NEIGHBOURS: Final = 1024
"""Series with neighbouring ids that share a bucket: a block of them is read from few files."""

BUCKETS: Final = "meterhall.buckets"
CONFIGURATION: Final = {"delta.dataSkippingStatsColumns": "day,version,sequence"}

WRITER: Final = WriterProperties(
    compression="ZSTD",
    max_row_group_size=ROW_GROUP,
    default_column_properties=ColumnProperties(
        encoding="DELTA_BINARY_PACKED", dictionary_enabled=False, statistics_enabled="CHUNK"
    ),
)


class ResolutionChanged(Conflict):
    code = "resolution_changed"
    title = "The lake holds this series in another resolution; another resolution is another series."


@dataclass(frozen=True, slots=True, eq=False)
class Versions:
    """Days with their version (int32) and the instant they became known (int64, microseconds since 1970 UTC)."""

    days: DayMatrix
    version: NDArray[np.int32]
    available_us: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.days)


@dataclass(frozen=True, slots=True, eq=False)
class DayValues:
    """Days without their qualities: `series_ids` int64, `days` int32, `available_us` int64 of shape (n,), `mantissas`
    int64 of shape (n, slots)."""

    series_ids: NDArray[np.int64]
    days: NDArray[np.int32]
    mantissas: NDArray[np.int64]
    available_us: NDArray[np.int64]


def versions_of(blocks: Sequence[DayBlock]) -> list[Versions]:
    """The same days as matrices, one for each resolution, sorted by series and day."""
    by_slots: dict[int, list[DayBlock]] = {}
    for block in sorted(blocks, key=lambda block: (block.series_id, block.day, block.version)):
        by_slots.setdefault(len(block.mantissas), []).append(block)
    return [_stacked(group, slots) for slots, group in by_slots.items()]


def _stacked(blocks: Sequence[DayBlock], slots: int) -> Versions:
    days = DayMatrix(
        np.array([block.series_id for block in blocks], np.int64),
        np.array([(block.day - EPOCH_DAY).days for block in blocks], np.int32),
        np.stack([block.mantissas for block in blocks]),
        np.stack([quality_of(block.quality, slots) for block in blocks]),
    )
    return Versions(
        days,
        np.array([block.version for block in blocks], np.int32),
        np.array([epoch_us(block.available_at) for block in blocks], np.int64),
    )


def as_arrow(versions: Versions, *, sequence: int, buckets: int) -> pa.Table:
    """The rows of the table for these days."""
    days, count = versions.days, len(versions)
    columns = [
        pa.array(days.series_ids),
        pa.array(days.days).cast(pa.date32()),
        pa.array(versions.version),
        pa.array(np.full(count, sequence, np.int64)),
        pa.array(versions.available_us).cast(SCHEMA.field("available_at").type),
        _lists(days.mantissas),
        _runs(days.quality),
        _months(days.days),
        pa.array((days.series_ids // NEIGHBOURS % buckets).astype(np.int32)),
    ]
    return pa.table(columns, schema=SCHEMA)


def _lists(mantissas: NDArray[np.int64]) -> pa.Array:
    flat = mantissas.ravel()
    missing = flat == MISSING
    values = pa.array(flat, mask=missing) if missing.any() else pa.array(flat)
    offsets = np.arange(0, flat.size + 1, mantissas.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=SCHEMA.field("values").type)


def _runs(quality: NDArray[np.uint8]) -> pa.Array:
    kind = SCHEMA.field("quality").type
    marked: NDArray[np.bool_] = np.any(quality != 0, axis=1)
    if not marked.any():
        return pa.nulls(len(quality), kind)
    some = quality if marked.all() else quality[marked]
    if (some == some[:, :1]).all():
        return _runs_of_alike(some, marked)
    begins = np.ones(some.shape, np.bool_)
    begins[:, 1:] = some[:, 1:] != some[:, :-1]
    at = np.flatnonzero(begins)
    pairs = np.stack((some.ravel()[at], np.diff(at, append=some.size)), axis=1).astype(np.int32)
    counts = np.zeros(len(quality), np.int64)
    counts[marked] = 2 * begins.sum(axis=1)
    offsets = np.append(0, np.cumsum(counts)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(pairs.ravel()), type=kind, mask=pa.array(~marked))


def _runs_of_alike(quality: NDArray[np.uint8], marked: NDArray[np.bool_]) -> pa.Array:
    """The runs of days that have one quality each."""
    pairs = np.full((len(quality), 2), quality.shape[1], np.int32)
    pairs[:, 0] = quality[:, 0]
    offsets = np.append(0, np.cumsum(2 * marked)).astype(np.int32)
    kind = SCHEMA.field("quality").type
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(pairs.ravel()), type=kind, mask=pa.array(~marked))


def _months(days: NDArray[np.int32]) -> pa.Array:
    distinct, place = np.unique(days.astype("datetime64[D]").astype("datetime64[M]"), return_inverse=True)
    names = pa.array(distinct.astype(str).tolist(), pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(place), names).cast(pa.string())


def bucket_of(series_id: int, buckets: int) -> int:
    """The bucket partition of a series."""
    return series_id // NEIGHBOURS % buckets


def from_arrow(rows: pa.Table, slots: int, *, ordered: bool = True) -> Versions:
    """Rows as `queries.days` returns them, sorted by series and day unless not; raises `ResolutionChanged` on another
    length."""
    found = values_of(rows, slots)
    days = DayMatrix(found.series_ids, found.days, found.mantissas, _qualities(_joined(rows["quality"]), slots))
    version, available_us = rows["version"].to_numpy(), found.available_us
    version, available_us = rows["version"].to_numpy(), rows["available_us"].to_numpy()
    order = np.lexsort((days.days, days.series_ids)) if ordered else np.zeros(0, np.int64)
    if (order[1:] > order[:-1]).all():
        return Versions(days, version, available_us)
    return Versions(days.take(order), version[order], available_us[order])


def values_of(rows: pa.Table, slots: int) -> DayValues:
    """The values of rows as `queries.days` returns them; raises `ResolutionChanged` on another length."""
    lists = _joined(rows["values"])
    if not pc.all(pc.equal(pc.list_value_length(lists), slots)).as_py() and len(rows):
        raise ResolutionChanged
    flat = lists.flatten()
    return DayValues(
        rows["series_id"].to_numpy(),
        rows["day"].cast(pa.int32()).to_numpy(),
        (pc.fill_null(flat, MISSING) if flat.null_count else flat).to_numpy().reshape(-1, slots),
        rows["available_us"].to_numpy(),
    )


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])


def _qualities(runs: pa.Array, slots: int) -> NDArray[np.uint8]:
    quality = np.zeros((len(runs), slots), np.uint8)
    flat = runs.flatten().to_numpy()
    if len(flat):
        there = runs.is_valid().to_numpy(zero_copy_only=False)
        quality[there] = np.repeat(flat[::2], flat[1::2]).astype(np.uint8).reshape(-1, slots)
    return quality
