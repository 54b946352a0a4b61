"""Files that are tables, read in record batches of bounded size: CSV, Parquet, Arrow, JSON lines."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from meterhall.domain.errors import InvalidInput
from meterhall.domain.readings.granularity import Granularity, parse_granularity
from meterhall.domain.readings.rules import Rule
from meterhall.provider.metering.intake.blocks import BadReadingsFile
from meterhall.provider.metering.intake.civil import following
from meterhall.provider.metering.intake.profile import Profile

CSV_BLOCK = 8 * 1024 * 1024
MOST_LINE = 16 * 1024 * 1024
ROWS = 200_000
"""Rows of a batch, where the file leaves the choice."""
_READERS = 2
"""Threads that read ahead."""


@dataclass(slots=True)
class Batches:
    """The batches of a file, and the lines that are no rows of it with the rule each breaks, by their place: these are
    seen as they are met."""

    batches: Iterator[pa.RecordBatch]
    names: list[str]
    broken: dict[int, Rule] = field(default_factory=dict)


def read_csv(path: Path, profile: Profile, grain: Granularity) -> Batches:
    """Every column as text; those that repeat themselves as numbers of distinct texts."""
    names = _head(path, profile)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadReadingsFile(f"The column {twice[:60]} is there twice.", field="/file")
    broken: dict[int, Rule] = {}
    return Batches(_guarded(lambda: _csv_batches(path, profile, names, broken)), names, broken)


def _csv_batches(path: Path, profile: Profile, names: list[str], broken: dict[int, Rule]) -> Iterator[pa.RecordBatch]:
    """Pieces of whole lines, read ahead on two threads and given in their order."""
    columns = profile.columns
    repeated = {columns.pod, columns.start, columns.end, columns.day, columns.slot, columns.direction, columns.quality}
    coded = pa.dictionary(pa.int32(), pa.string())
    texts = pa_csv.ConvertOptions(column_types={name: coded if name in repeated else pa.string() for name in names})

    def read(piece: bytes, *, has_head: bool) -> tuple[pa.Table, list[int]]:
        odd: list[int] = []

        def keep(row: Any) -> str:
            odd.append(row.number - 1 - has_head)
            return "skip"

        reading = pa_csv.ReadOptions(
            encoding=profile.encoding, use_threads=False, column_names=None if has_head else names
        )
        parsing = pa_csv.ParseOptions(delimiter=profile.delimiter, invalid_row_handler=keep)
        return pa_csv.read_csv(pa.py_buffer(piece), reading, parsing, texts), odd

    seen = 0
    with path.open("rb") as file, ThreadPoolExecutor(_READERS) as pool:
        pieces = enumerate(_whole_lines(file))
        waiting = deque(pool.submit(read, piece, has_head=not place) for place, piece in islice(pieces, _READERS))
        while waiting:
            table, odd = waiting.popleft().result()
            waiting.extend(pool.submit(read, piece, has_head=not place) for place, piece in islice(pieces, 1))
            broken |= dict.fromkeys((seen + row for row in odd), Rule.SCHEMA)
            seen += len(table) + len(odd)
            yield from table.combine_chunks().to_batches()


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The file in pieces of about `CSV_BLOCK` bytes that end where a line does."""
    rest = b""
    while block := file.read(CSV_BLOCK):
        piece = rest + block
        end = (piece.rfind(b"\n") + 1) or (piece.rfind(b"\r") + 1)
        piece, rest = piece[:end], piece[end:]
        if len(rest) > MOST_LINE:
            raise BadReadingsFile("A line is longer than 16 MiB.", field="/file")
        if piece:
            yield piece
    if rest:
        yield rest


def _head(path: Path, profile: Profile) -> list[str]:
    """The names of the columns as the reader sees them."""
    with path.open("rb") as file:
        line = file.readline(MOST_LINE)
    if not line.strip():
        raise BadReadingsFile("The file is empty.", field="/file")
    options = pa_csv.ReadOptions(encoding=profile.encoding, use_threads=False)
    parsing = pa_csv.ParseOptions(delimiter=profile.delimiter)
    try:
        return list(pa_csv.read_csv(pa.py_buffer(line), options, parsing).column_names)
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError) as fault:
        raise BadReadingsFile("Its first line is no head of a CSV file.", field="/file") from fault


def read_parquet(path: Path, profile: Profile, grain: Granularity) -> Batches:
    try:
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
        coded = [field.name for field in schema if pa.types.is_string(field.type)]
        file = pq.ParquetFile(path, metadata=metadata, read_dictionary=coded)
    except (pa.ArrowException, OSError) as fault:
        raise BadReadingsFile("It is no Parquet file that can be read.", field="/file") from fault
    return Batches(_guarded(lambda: _ahead(file.iter_batches(ROWS))), schema.names)


def read_arrow(path: Path, profile: Profile, grain: Granularity) -> Batches:
    """An IPC file or an IPC stream."""
    with path.open("rb") as file:
        is_file = file.read(6) == b"ARROW1"
    source = pa.memory_map(str(path))
    try:
        if is_file:
            opened = ipc.open_file(source)
            found = (opened.get_batch(number) for number in range(opened.num_record_batches))
            return Batches(_guarded(lambda: found), list(opened.schema.names))
        stream = ipc.open_stream(source)
        return Batches(_guarded(lambda: stream), list(stream.schema.names))
    except (pa.ArrowException, OSError) as fault:
        raise BadReadingsFile("It is no Arrow file that can be read.", field="/file") from fault


def read_json_lines(path: Path, profile: Profile, grain: Granularity) -> Batches:
    """A line a row, or a line a POD and day: `start`, `resolution` and `values` (and `quality`) instead of a value."""
    broken: dict[int, Rule] = {}
    names = [name for name in _wanted(profile) if name]
    rows = _json_rows(path, profile, grain, broken)

    def made() -> Iterator[pa.RecordBatch]:
        while some := list(islice(rows, ROWS)):
            columns = [pa.array([row.get(name) for row in some], pa.string()) for name in names]
            numbers = pa.array([row["#"] for row in some], pa.int64())
            yield pa.record_batch([*columns, numbers], [*names, "#"])

    return Batches(made(), names, broken)


def _wanted(profile: Profile) -> list[str]:
    columns = profile.columns
    return list(dict.fromkeys(
        [columns.pod, columns.start, columns.end, columns.day, columns.slot, columns.value, columns.export,
         columns.direction, columns.quality]
    ))  # fmt: skip


def _json_rows(path: Path, profile: Profile, grain: Granularity, broken: dict[int, Rule]) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file)):
            if not line.strip():
                continue
            try:
                document = json.loads(line, parse_float=Decimal)
                rows = _of_line(document, profile, grain)
            except OtherSlots:
                broken[number] = Rule.RESOLUTION
                continue
            except (ValueError, RecursionError, TypeError, InvalidInput, OverflowError):
                broken[number] = Rule.SCHEMA
                continue
            for row in rows:
                yield row | {"#": number}


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MOST_LINE):
        if len(line) == MOST_LINE:
            raise BadReadingsFile("A line is longer than 16 MiB.", field="/file")
        yield line


class OtherSlots(Exception):
    """A line states another resolution than the file's."""


def _of_line(document: Any, profile: Profile, grain: Granularity) -> list[dict[str, str | None]]:
    if not isinstance(document, dict):
        raise TypeError
    if "values" not in document:
        return [{name: _text(value) for name, value in document.items()}]
    columns, values = profile.columns, document["values"]
    if not isinstance(values, list):
        raise TypeError
    if (stated := document.get("resolution")) and parse_granularity(str(stated)) != grain:
        raise OtherSlots
    scale = Decimal(10) ** int(document.get("scale", 0))
    quality = document.get("quality") or [None] * len(values)
    at = columns.day if grain.civil and columns.day else columns.start
    starts = _starts_of(document.get(at), len(values), grain)
    same = {name: _text(document.get(name)) for name in (columns.pod, columns.direction)}
    return [
        same | {
            at: start,
            columns.value: None if value is None else f"{Decimal(value) * scale:f}",
            columns.quality: _text(code),
        }
        for start, value, code in zip(starts, values, quality, strict=True)
    ]  # fmt: skip


def _starts_of(text: Any, count: int, grain: Granularity) -> list[str]:
    """The starts of so many slots from the first on; of civil days and months from a bare date on."""
    if grain.civil:
        return following(text, count, grain)
    first, step = datetime.fromisoformat(text), timedelta(seconds=grain.period_s)
    if first.tzinfo is None:
        raise TypeError
    return [(first.astimezone(UTC) + number * step).isoformat() for number in range(count)]


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool | list | dict):
        raise TypeError
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, the next of them being read while one is worked on."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, batches, None)
        while (batch := following.result()) is not None:
            following = pool.submit(next, batches, None)
            yield batch


def _guarded(begun: Callable[[], Any]) -> Iterator[pa.RecordBatch]:
    """The batches; a file that breaks off in the middle is refused as a whole."""
    try:
        yield from begun()
    except (pa.ArrowException, UnicodeDecodeError) as fault:
        raise BadReadingsFile("It is damaged, or not of the format it seems to be.", field="/file") from fault


TABLES: dict[str, Callable[[Path, Profile, Granularity], Batches]] = {
    "csv": read_csv,
    "parquet": read_parquet,
    "arrow": read_arrow,
    "jsonl": read_json_lines,
}
