"""Files that are tables, read in record batches of bounded size: CSV, Parquet, Arrow, JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from meterhall.domain.errors import InvalidInput
from meterhall.domain.readings.granularity import Granularity, parse_granularity
from meterhall.domain.readings.rules import Rule
from meterhall.provider.metering.intake.amounts import MOST_DIGITS, NUMBER
from meterhall.provider.metering.intake.batches import MOST_LINE, PLACE, Batches, sound
from meterhall.provider.metering.intake.blocks import BadReadingsFile
from meterhall.provider.metering.intake.civil import following
from meterhall.provider.metering.intake.csv_pieces import read_csv
from meterhall.provider.metering.intake.profile import Profile
from meterhall.web.ahead import ahead

ROWS = 500_000
"""Rows of a batch at most."""
MOST_VALUES = 366 * 288
"""Values of one line: a year of slots of five minutes."""


def read_parquet(path: Path, profile: Profile, grain: Granularity) -> Batches:
    metadata = pq.read_metadata(path)
    schema = metadata.schema.to_arrow_schema()
    coded = [field.name for field in schema if pa.types.is_string(field.type)]
    file = pq.ParquetFile(path, metadata=metadata, read_dictionary=coded)
    return Batches(ahead(sound(file.iter_batches(ROWS))), schema.names)


def read_arrow(path: Path, profile: Profile, grain: Granularity) -> Batches:
    """An IPC file or an IPC stream."""
    with path.open("rb") as file:
        is_file = file.read(6) == b"ARROW1"
    source = pa.memory_map(str(path))
    if is_file:
        opened = ipc.open_file(source)
        found = (opened.get_batch(number) for number in range(opened.num_record_batches))
        return Batches(_cut(sound(found)), opened.schema.names)
    stream = ipc.open_stream(source)
    return Batches(_cut(sound(stream)), stream.schema.names)


def _cut(found: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches of a file in such of bounded size."""
    for batch in found:
        for first in range(0, batch.num_rows, ROWS):
            yield batch.slice(first, ROWS)


def read_json_lines(path: Path, profile: Profile, grain: Granularity) -> Batches:
    """A line a row, or a line a POD and day: `start`, `resolution` and `values` (and `quality`) instead of a value."""
    broken: dict[int, Rule] = {}
    names = [name for name in _wanted(profile) if name]
    rows = _json_rows(path, profile, grain, broken)

    def made() -> Iterator[pa.RecordBatch]:
        while some := list(islice(rows, ROWS)):
            columns = [pa.array([row.get(name) for row in some], pa.string()) for name in names]
            numbers = pa.array([row[PLACE] for row in some], pa.int64())
            yield pa.record_batch([*columns, numbers], [*names, PLACE])

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
                rows = _of_line(_document(line), profile, grain)
            except OtherSlots:
                broken[number] = Rule.RESOLUTION
                continue
            except (ValueError, RecursionError, TypeError, InvalidInput, ArithmeticError):
                broken[number] = Rule.SCHEMA
                continue
            for row in rows:
                yield row | {PLACE: number}


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MOST_LINE):
        if len(line) == MOST_LINE:
            raise BadReadingsFile("A line is longer than 16 MiB.", field="/file")
        yield line


def _document(line: bytes) -> Any:
    text = line.decode("utf-8-sig")
    document = json.loads(text, parse_float=Decimal)
    if "\\u" in text:  # half of a character, written as an escape, is no text: this raises ValueError
        json.dumps(document, ensure_ascii=False, default=str).encode()
    return document


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
    if len(values) > MOST_VALUES:
        raise ValueError
    if (stated := document.get("resolution")) and parse_granularity(str(stated)) != grain:
        raise OtherSlots
    scale = _number(document.get("scale", 0))
    if abs(scale) > MOST_DIGITS or scale != int(scale):
        raise ValueError
    unit = Decimal(10) ** int(scale)
    quality = document.get("quality") or [None] * len(values)
    at = columns.day if grain.civil and columns.day else columns.start
    starts = _starts_of(document.get(at), len(values), grain)
    same = {name: _text(document.get(name)) for name in (columns.pod, columns.direction)}
    return [
        same | {
            at: start,
            columns.value: None if value is None else _written(_number(value) * unit),
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
    return _written(value) if isinstance(value, Decimal) else str(value)


def _number(value: Any) -> Decimal:
    if isinstance(value, str):
        if not NUMBER.fullmatch(value.strip()):
            raise ValueError
    elif isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise TypeError
    return Decimal(value)


def _written(number: Decimal) -> str:
    """Without an exponent, unless that were very long: then it is no amount anyway."""
    return f"{number:f}" if abs(number.adjusted()) < MOST_DIGITS else str(number)


TABLES: dict[str, Callable[[Path, Profile, Granularity], Batches]] = {
    "csv": read_csv,
    "parquet": read_parquet,
    "arrow": read_arrow,
    "jsonl": read_json_lines,
}
