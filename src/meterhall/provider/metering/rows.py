"""Reading a file of the meter-data system into columns: Parquet or CSV, one value a row. Storing them is the service's.

Columns: `pod`, `start` (an instant: a timestamp with a zone, or ISO 8601 text with an offset), `energy_wh` (whole
watt-hours; empty: no value), and, where wanted, `direction` (import, export) and `quality` (ESPI code).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from meterhall.domain.errors import InvalidInput
from meterhall.domain.readings import MISSING, Quality

REQUIRED = ("pod", "start", "energy_wh")


class BadReadingsFile(InvalidInput):
    code = "bad_readings_file"
    title = "The file is not a table of readings that can be read."


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """`points` are the distinct (POD, direction) pairs, `which` (int64) the pair of each row; the rest as in `Rows`."""

    points: list[tuple[str, str]]
    which: NDArray[np.int64]
    starts: NDArray[np.int64]
    mantissas: NDArray[np.int64]
    quality: NDArray[np.uint8]


def read_columns(path: Path) -> Columns:
    """The file's rows. Raises `BadReadingsFile` naming the column at fault."""
    table = _table(path.read_bytes())
    for name in REQUIRED:
        if name not in table.column_names:
            raise BadReadingsFile(f"There is no column {name}.", field=f"/{name}")
    points, which = _points(table)
    return Columns(points, which, _starts(table), _values(table), _quality(table))


def _table(content: bytes) -> pa.Table:
    try:
        if content[:4] == b"PAR1":
            return pq.read_table(io.BytesIO(content))
        text = pa_csv.ConvertOptions(column_types={"pod": pa.string(), "start": pa.string(), "energy_wh": pa.int64()})
        return pa_csv.read_csv(io.BytesIO(content), convert_options=text)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as fault:
        raise BadReadingsFile("It is neither a Parquet nor a CSV file with these columns.", field="/file") from fault


def _points(table: pa.Table) -> tuple[list[tuple[str, str]], NDArray[np.int64]]:
    rows = len(table)
    direction = table["direction"] if "direction" in table.column_names else pa.array(["import"] * rows)
    joined = pc.binary_join_element_wise(table["pod"].cast(pa.string()), direction.cast(pa.string()), "\n")
    coded = pa.chunked_array([joined] if isinstance(joined, pa.Array) else joined.chunks).combine_chunks()
    coded = coded.dictionary_encode()
    if coded.null_count:
        raise BadReadingsFile("A row has no POD or direction.", field="/pod")
    pairs = [(pod, way) for pod, _, way in (text.partition("\n") for text in coded.dictionary.to_pylist())]
    return pairs, coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _starts(table: pa.Table) -> NDArray[np.int64]:
    column = table["start"]
    try:
        if pa.types.is_timestamp(column.type):
            if column.type.tz is None:
                raise BadReadingsFile("The column start has no zone.", field="/start")
            instants = column.cast(pa.timestamp("s", "UTC"))
        else:
            _check_offsets(column)
            instants = column.cast(pa.timestamp("s", "UTC"))
    except pa.ArrowInvalid as fault:
        raise BadReadingsFile("A start is no instant with an offset.", field="/start") from fault
    if instants.null_count:
        raise BadReadingsFile("A row has no start.", field="/start")
    return np.asarray(instants.cast(pa.int64()).to_numpy(), np.int64)


def _check_offsets(column: pa.ChunkedArray) -> None:
    zoned = pc.match_substring_regex(column, r"(Z|[+-]\d{2}:?\d{2})$")
    if not pc.all(zoned).as_py():
        raise BadReadingsFile("A start has no offset from UTC.", field="/start")


def _values(table: pa.Table) -> NDArray[np.int64]:
    try:
        return np.asarray(table["energy_wh"].cast(pa.int64()).fill_null(MISSING).to_numpy(), np.int64)
    except pa.ArrowInvalid as fault:
        raise BadReadingsFile("energy_wh holds something that is no whole number.", field="/energy_wh") from fault


def _quality(table: pa.Table) -> NDArray[np.uint8]:
    if "quality" not in table.column_names:
        return np.full(len(table), Quality.VALIDATED, np.uint8)
    try:
        codes = np.asarray(table["quality"].cast(pa.uint8()).fill_null(int(Quality.VALIDATED)).to_numpy(), np.uint8)
    except pa.ArrowInvalid as fault:
        raise BadReadingsFile("quality holds something that is no code.", field="/quality") from fault
    if not np.isin(codes, [int(code) for code in Quality]).all():
        raise BadReadingsFile("quality holds a code that is not one of ESPI's.", field="/quality")
    return codes
