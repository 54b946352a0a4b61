"""Apache Arrow IPC stream: the columns of `table` in record batches, not compressed, ended by its end-of-stream marker.

A batch brings the dictionaries of its strings with it (replacements, as the stream format has them).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final

from meterhall.domain.readings import Curve
from meterhall.formats.base import MOST_SLOTS, Block, DecodeError, FileTooLarge, PartHeader
from meterhall.formats.table import NAMES, Sink, batches, check_names, curves_of, schema_of

_CONTINUATION: Final = 0xFFFFFFFF
_RECORD_BATCH: Final = 3


def encode(curves: Iterable[Curve], header: PartHeader) -> Iterator[Block]:
    """The stream, a buffer of a record batch at a time."""
    import pyarrow as pa

    schema, sink = schema_of(header), Sink()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches(curves, schema):
            writer.write_batch(batch)
            yield from sink.taken()
    yield from sink.taken()


def decode(source: bytes) -> list[Curve]:
    """The curves of a stream. Raises `DecodeError` and `FileTooLarge`."""
    import polars as pl

    try:
        if sum(_batch_lengths(source)) > MOST_SLOTS:
            raise FileTooLarge
        table: Any = pl.read_ipc_stream(io.BytesIO(source))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, struct.error) as fault:
        raise DecodeError("The file is no Arrow stream that can be read.", field="/") from fault
    check_names(table.columns)
    return curves_of(table.select(NAMES))


def _batch_lengths(source: bytes) -> Iterator[int]:
    """The rows each record batch says it has, before any is read. Raises `DecodeError` where the stream is cut short.

    A message is a marker, the length of its metadata, the metadata (a flatbuffer) and a body.
    """
    at = 0
    while True:
        if len(source) - at < 8:
            raise DecodeError("The stream does not come to its end.", field="/")
        marker, length = struct.unpack_from("<Ii", source, at)
        if marker != _CONTINUATION or length < 0:
            raise DecodeError("The file is no Arrow stream.", field="/")
        if not length:
            return
        message = at + 8 + _unsigned("<I", source, at + 8)
        body = _field(source, message, 3)
        kind, content = _field(source, message, 1), _field(source, message, 2)
        if kind and content and _unsigned("<B", source, kind) == _RECORD_BATCH:
            rows = _field(source, content + _unsigned("<I", source, content), 0)
            yield _unsigned("<q", source, rows) if rows else 0
        at += 8 + length + (_unsigned("<q", source, body) if body else 0)


def _field(source: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table is; 0: left out."""
    places = table - struct.unpack_from("<i", source, table)[0]
    slot = 4 + 2 * number
    if places < 0 or slot >= _unsigned("<H", source, places):
        return 0
    offset = _unsigned("<H", source, places + slot)
    return table + offset if offset else 0


def _unsigned(kind: str, source: bytes, at: int) -> int:
    number: int = struct.unpack_from(kind, source, at)[0]
    if number < 0:
        raise ValueError("a length below zero")
    return number
