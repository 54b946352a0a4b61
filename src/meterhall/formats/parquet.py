"""Apache Parquet: the columns of `table`, zstd, so that any data tool reads it as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from meterhall.domain.readings import Curve
from meterhall.formats.base import MOST_SLOTS, DecodeError, FileTooLarge, PartHeader
from meterhall.formats.table import NAMES, Sink, batches, check_names, curves_of, schema_of

_BATCHES: Final = 8
_ROW_GROUP: Final = 2_097_152
"""More than the rows of so many batches."""


def encode(curves: Iterable[Curve], header: PartHeader) -> Iterator[bytes]:
    """The file, a row group at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, sink = schema_of(header), Sink()
    plain = ["start", "end", "mantissa", "available_at"]
    with pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        use_dictionary=[name for name in NAMES if name not in plain],
        column_encoding=dict.fromkeys(plain, "DELTA_BINARY_PACKED"),
    ) as writer:
        made = batches(curves, schema)
        while group := list(islice(made, _BATCHES)):
            writer.write_table(pa.Table.from_batches(group).unify_dictionaries(), row_group_size=_ROW_GROUP)
            yield b"".join(sink.taken())
    yield b"".join(sink.taken())


def decode(source: bytes) -> list[Curve]:
    """The curves of a file. Raises `DecodeError` and `FileTooLarge`."""
    return curves_of(_table(source))


def _table(source: bytes) -> Any:
    import polars as pl

    try:
        file = pl.scan_parquet(source)
        check_names(file.collect_schema().names())
        if file.select(pl.len()).collect().item() > MOST_SLOTS:
            raise FileTooLarge
        return file.select(NAMES).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as fault:
        raise DecodeError("The file is no Parquet that can be read.", field="/") from fault
