"""Apache Parquet: one slot a row, zstd, so that any data tool reads it as it is. Polars reads,
PyArrow writes; each is imported when needed, so that reading needs no PyArrow.

| column | type | meaning |
|---|---|---|
| `usage_point` | string | the pairwise pseudonym |
| `direction` | string | `import`, `export` or `net` |
| `resolution` | string | the slot's length, ISO 8601 |
| `start`, `end` | timestamp (ms, UTC) | the slot, end excluded |
| `mantissa` | int64 | the value is `mantissa × 10**scale` Wh; null where there is none |
| `scale` | int8 | see there |
| `quality` | uint8 | ESPI 4.0 code of the value; null where there is none |
| `available_at` | timestamp (µs, UTC) | when the youngest value of the curve became known |

The file's metadata name delivery, part and provider (`meterhall.delivery`, `meterhall.part`, `meterhall.provider`).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np

from meterhall.domain.readings import MISSING, Curve
from meterhall.domain.readings.rows import epoch_us, instant_of
from meterhall.formats.base import MOST_SLOTS, DecodeError, FileTooLarge, PartHeader
from meterhall.formats.pieces import joined, parts, piece
from meterhall.formats.text import granularity_of, read_direction, read_granularity, read_quality

_ROW_GROUP: Final = 1_000_000
_NAMES: Final = (
    "usage_point", "direction", "resolution", "start", "end", "mantissa", "scale", "quality", "available_at"
)  # fmt: skip
_OF_A_CURVE: Final = ("usage_point", "direction", "resolution", "scale", "available_at")


def _schema(header: PartHeader) -> Any:
    import pyarrow as pa

    name, instant = pa.dictionary(pa.int32(), pa.string()), pa.timestamp("ms", "UTC")
    kinds = (
        name, name, name, instant, instant, pa.int64(), pa.int8(), pa.uint8(), pa.timestamp("us", "UTC")
    )  # fmt: skip
    metadata = {"delivery": header.delivery_id, "part": str(header.part_number), "provider": header.provider}
    empty = ("mantissa", "quality")
    fields = [pa.field(name, kind, nullable=name in empty) for name, kind in zip(_NAMES, kinds, strict=True)]
    return pa.schema(fields, {f"meterhall.{key}": value for key, value in metadata.items()})


def encode(curves: Iterable[Curve], header: PartHeader) -> Iterator[bytes]:
    """The file, a row group at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, sink = _schema(header), _Sink()
    plain = ["start", "end", "mantissa", "available_at"]
    with pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        use_dictionary=[name for name in _NAMES if name not in plain],
        column_encoding=dict.fromkeys(plain, "DELTA_BINARY_PACKED"),
    ) as writer:
        for group in _grouped(parts(curves, lambda curve: list(range(_ROW_GROUP, len(curve), _ROW_GROUP)))):
            writer.write_table(pa.concat_tables([_rows(curve, schema) for curve in group]).unify_dictionaries())
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A file that is written to and emptied in turn."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        self._blocks.append(bytes(block))
        return len(block)

    def taken(self) -> bytes:
        """What was written since the last time."""
        blocks, self._blocks = self._blocks, []
        return b"".join(blocks)


def _grouped(curves: Iterable[Curve]) -> Iterator[list[Curve]]:
    group: list[Curve] = []
    for curve in curves:
        group.append(curve)
        if sum(len(one) for one in group) >= _ROW_GROUP:
            yield group
            group = []
    if group:
        yield group


def _rows(curve: Curve, schema: Any) -> Any:
    import pyarrow as pa

    missing = ~curve.present
    known = np.full(len(curve), epoch_us(curve.available_at), np.int64)

    def alike(text: str) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(curve), np.int32)), [text])

    columns = [
        alike(curve.series.usage_point),
        alike(str(curve.series.direction)),
        alike(str(granularity_of(curve))),
        pa.array(curve.starts * 1000).cast(schema.field("start").type),
        pa.array(curve.edges[1:] * 1000).cast(schema.field("end").type),
        pa.array(curve.mantissas, mask=missing),
        pa.array(np.full(len(curve), curve.series.scale, np.int8)),
        pa.array(curve.quality, mask=missing),
        pa.array(known).cast(schema.field("available_at").type),
    ]
    return pa.table(columns, schema=schema)


def decode(source: bytes) -> list[Curve]:
    """The curves of a file. Raises `DecodeError` and `FileTooLarge`."""
    table = _table(source)
    if not len(table):
        return []
    columns = {name: _column(table, name) for name in _NAMES}
    if (columns["start"] % 1000).any() or (columns["end"] % 1000).any():
        raise DecodeError("A slot lies on whole seconds.", field="/start")
    starts, ends = columns["start"] // 1000, columns["end"] // 1000
    new = starts[1:] != ends[:-1]
    for name in _OF_A_CURVE:
        new |= table[name][1:].ne_missing(table[name][:-1]).to_numpy()
    cuts = (np.flatnonzero(new) + 1).tolist()
    return joined(
        _curve(columns, starts, ends, slice(first, end))
        for first, end in zip([0, *cuts], [*cuts, len(table)], strict=True)
    )


def _table(source: bytes) -> Any:
    import polars as pl

    try:
        file = pl.scan_parquet(source)
        names = file.collect_schema().names()
        missing = [name for name in _NAMES if name not in names]
        if missing:
            raise DecodeError(f"There is no column {missing[0]}.", field=f"/{missing[0]}")
        if file.select(pl.len()).collect().item() > MOST_SLOTS:
            raise FileTooLarge
        return file.select(_NAMES).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as fault:
        raise DecodeError("The file is no Parquet that can be read.", field="/") from fault


def _column(table: Any, name: str) -> Any:
    """A column: texts as Polars has them, instants and numbers as int64 in numpy, null as `MISSING` or 0."""
    import polars as pl

    column, nulls = table[name], {"mantissa": MISSING, "quality": 0}
    if column.null_count() and name not in nulls:
        raise DecodeError(f"The column {name} has an empty field.", field=f"/{name}")
    try:
        if name in ("usage_point", "direction", "resolution"):
            return column.cast(pl.String)
        if name in ("start", "end", "available_at"):
            if getattr(column.dtype, "time_zone", None) is None:
                raise DecodeError(f"The column {name} has no zone.", field=f"/{name}")
            column = _whole(column, "us" if name == "available_at" else "ms")
        elif not column.dtype.is_integer():
            raise DecodeError(f"The column {name} is of another type.", field=f"/{name}")
        return np.asarray(column.cast(pl.Int64).fill_null(nulls.get(name, 0)).to_numpy())
    except pl.exceptions.PolarsError as fault:
        raise DecodeError(f"The column {name} is of another type.", field=f"/{name}") from fault


def _whole(column: Any, unit: Any) -> Any:
    """Instants in a coarser or finer unit. Raises `DecodeError` where that loses something."""
    cast = column.dt.cast_time_unit(unit)
    if not cast.dt.cast_time_unit(column.dtype.time_unit).equals(column):
        raise DecodeError(f"The column {column.name} is finer than its format says.", field=f"/{column.name}")
    return cast


def _curve(columns: dict[str, Any], starts: np.ndarray, ends: np.ndarray, rows: slice) -> Curve:
    first = rows.start
    granularity = read_granularity(columns["resolution"][first], "/resolution")
    edges = np.append(starts[rows], ends[rows.stop - 1])
    if not granularity.civil and (np.diff(edges) != granularity.period_s).any():
        raise DecodeError("A slot is not as long as its resolution says.", field="/end")
    quality = columns["quality"][rows]
    for code in np.unique(quality).tolist():
        read_quality(code, "/quality")
    return piece(
        columns["usage_point"][first],
        granularity,
        read_direction(columns["direction"][first], "/direction"),
        int(columns["scale"][first]),
        edges,
        columns["mantissa"][rows],
        quality.astype(np.uint8),
        instant_of(int(columns["available_at"][first])),
        "/start",
    )
