"""Curves as a table, one slot a row, for the formats that carry tables. Polars reads, PyArrow writes; each is imported
when needed, so that reading needs no PyArrow.

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

The strings are dictionary-encoded. The schema's metadata name delivery, part and provider (`meterhall.delivery`,
`meterhall.part`, `meterhall.provider`).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings import MISSING, CivilCurve, Curve, LoadCurve
from meterhall.domain.readings.rows import epoch_us, instant_of
from meterhall.formats.base import Block, DecodeError, PartHeader
from meterhall.formats.pieces import joined, parts, piece
from meterhall.formats.text import granularity_of, read_direction, read_granularity, read_quality

_ROWS: Final = 131_072
NAMES: Final = (
    "usage_point", "direction", "resolution", "start", "end", "mantissa", "scale", "quality", "available_at"
)  # fmt: skip
_EARLIEST_S, _LATEST_S = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999."""
_NAMED: Final = ("usage_point", "direction", "resolution")
_OF_A_CURVE: Final = ("usage_point", "direction", "resolution", "scale", "available_at")


def schema_of(header: PartHeader) -> Any:
    """The columns, and the header's facts as metadata."""
    import pyarrow as pa

    name, instant = pa.dictionary(pa.int32(), pa.string()), pa.timestamp("ms", "UTC")
    kinds = (
        name, name, name, instant, instant, pa.int64(), pa.int8(), pa.uint8(), pa.timestamp("us", "UTC")
    )  # fmt: skip
    metadata = {"delivery": header.delivery_id, "part": str(header.part_number), "provider": header.provider}
    empty = ("mantissa", "quality")
    fields = [pa.field(name, kind, nullable=name in empty) for name, kind in zip(NAMES, kinds, strict=True)]
    return pa.schema(fields, {f"meterhall.{key}": value for key, value in metadata.items()})


def batches(curves: Iterable[Curve], schema: Any) -> Iterator[Any]:
    """The curves as record batches of about `_ROWS` rows, in their order."""
    group: list[Curve] = []
    held = 0
    for curve in parts(curves, lambda curve: list(range(_ROWS, len(curve), _ROWS))):
        group.append(curve)
        held += len(curve)
        if held >= _ROWS:
            yield _batch(group, schema)
            group, held = [], 0
    if group:
        yield _batch(group, schema)


def _batch(group: list[Curve], schema: Any) -> Any:
    import pyarrow as pa

    lengths = tuple(len(curve) for curve in group)

    def named(texts: list[str]) -> Any:
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        indices = _repeated(tuple(places[text] for text in texts), lengths, "i4")
        return pa.DictionaryArray.from_arrays(pa.array(indices), pa.array(list(places)))

    def instants(name: str, numbers: NDArray[Any]) -> Any:
        return pa.array(numbers).view(schema.field(name).type)

    starts, ends = _instants_ms(group)
    mantissas = np.concatenate([curve.mantissas for curve in group])
    missing = mantissas == MISSING if mantissas.min() == MISSING else None
    known = tuple(epoch_us(curve.available_at) for curve in group)
    columns = [
        named([curve.series.usage_point for curve in group]),
        named([str(curve.series.direction) for curve in group]),
        named([str(granularity_of(curve)) for curve in group]),
        instants("start", starts),
        instants("end", ends),
        pa.array(mantissas, mask=missing),
        pa.array(_repeated(tuple(curve.series.scale for curve in group), lengths, "i1")),
        pa.array(np.concatenate([curve.quality for curve in group]), mask=missing),
        instants("available_at", _repeated(known, lengths, "i8")),
    ]
    return pa.record_batch(columns, schema=schema)


@lru_cache(maxsize=16)
def _repeated(values: tuple[int, ...], lengths: tuple[int, ...], kind: str) -> NDArray[Any]:
    """Each value as often as its curve has slots; kept, since the batches of a file are most often alike in that."""
    return np.repeat(np.array(values, kind), lengths)


def _instants_ms(group: list[Curve]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The starts and the ends of all slots."""
    if any(isinstance(curve, CivilCurve) for curve in group):
        edges = [curve.edges * 1000 for curve in group]
        return np.concatenate([one[:-1] for one in edges]), np.concatenate([one[1:] for one in edges])
    return _equal_slots_ms(
        tuple(
            (int(curve.start.timestamp()), curve.series.resolution_s, len(curve))
            for curve in group
            if isinstance(curve, LoadCurve)
        )
    )


@lru_cache(maxsize=4)
def _equal_slots_ms(runs: tuple[tuple[int, int, int], ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The starts and the ends of runs of equal slots: first start, length, number."""
    starts = [(first + step_s * np.arange(slots, dtype=np.int64)) * 1000 for first, step_s, slots in runs]
    ends = [one + run[1] * 1000 for one, run in zip(starts, runs, strict=True)]
    return np.concatenate(starts), np.concatenate(ends)


class Sink(io.RawIOBase):
    """A file that is written to and emptied in turn; it keeps what it is given, which nobody changes any more."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[Block] = []

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        self._blocks.append(block if isinstance(block, bytes) else memoryview(block))
        return len(block)

    def taken(self) -> list[Block]:
        """What was written since the last time, as it was written."""
        blocks, self._blocks = self._blocks, []
        return blocks


def curves_of(table: Any) -> list[Curve]:
    """The curves of a Polars frame that has these columns. Raises `DecodeError` and `FileTooLarge`."""
    if not len(table):
        return []
    columns = {name: _column(table, name) for name in NAMES}
    if (columns["start"] % 1000).any() or (columns["end"] % 1000).any():
        raise DecodeError("A slot lies on whole seconds.", field="/start")
    starts, ends = columns["start"] // 1000, columns["end"] // 1000
    for name, seconds in (("start", starts), ("end", ends), ("available_at", columns["available_at"] // 10**6)):
        if seconds.min() < _EARLIEST_S or seconds.max() > _LATEST_S:
            raise DecodeError("An instant is out of range.", field=f"/{name}")
    new = starts[1:] != ends[:-1]
    for name in _OF_A_CURVE:
        new |= table[name][1:].ne_missing(table[name][:-1]).to_numpy()
    for code in np.unique(columns["quality"]).tolist():
        read_quality(code, "/quality")
    columns["quality"] = columns["quality"].astype(np.uint8)
    firsts = np.concatenate([[0], np.flatnonzero(new) + 1])
    lengths = ends - starts
    ranges_s = np.stack([np.minimum.reduceat(lengths, firsts), np.maximum.reduceat(lengths, firsts)], axis=1).tolist()
    heads = zip(*(columns[name][firsts].to_list() for name in _NAMED), strict=True)
    cuts = [*firsts.tolist(), len(table)]
    return joined(
        _curve(head, columns, starts, ends, slice(first, end), range_s)
        for head, first, end, range_s in zip(heads, cuts[:-1], cuts[1:], ranges_s, strict=True)
    )


def check_names(names: Iterable[str]) -> None:
    """Raises `DecodeError` where a column is missing."""
    there = set(names)
    for name in NAMES:
        if name not in there:
            raise DecodeError(f"There is no column {name}.", field=f"/{name}")


def _column(table: Any, name: str) -> Any:
    """A column: texts as Polars has them, instants and numbers as int64 in numpy, null as `MISSING` or 0."""
    import polars as pl

    column, nulls = table[name], {"mantissa": MISSING, "quality": 0}
    if column.null_count() and name not in nulls:
        raise DecodeError(f"The column {name} has an empty field.", field=f"/{name}")
    try:
        if name in _NAMED:
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


def _curve(
    head: tuple[str, str, str],
    columns: dict[str, Any],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    rows: slice,
    lengths_s: list[int],
) -> Curve:
    """The curve in these rows; `head` has its `_NAMED` texts; `lengths_s` are its shortest and longest slot."""
    name, direction, resolution = head
    first = rows.start
    granularity = read_granularity(resolution, "/resolution")
    if not granularity.civil and lengths_s != [granularity.period_s] * 2:
        raise DecodeError("A slot is not as long as its resolution says.", field="/end")
    return piece(
        name,
        granularity,
        read_direction(direction, "/direction"),
        int(columns["scale"][first]),
        np.append(starts[rows], ends[rows.stop - 1]) if granularity.civil else starts[first : first + 1],
        columns["mantissa"][rows],
        columns["quality"][rows],
        instant_of(int(columns["available_at"][first])),
        "/start",
    )
