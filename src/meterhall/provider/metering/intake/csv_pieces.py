"""CSV, read in pieces of whole lines on two threads: plain amounts as numbers, instants as such, all else as text."""

from __future__ import annotations

import csv
import mmap
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from meterhall.domain.readings.granularity import Granularity
from meterhall.domain.readings.rules import Rule
from meterhall.provider.metering.intake.batches import MOST_LINE, Batches, guarded
from meterhall.provider.metering.intake.blocks import BadReadingsFile
from meterhall.provider.metering.intake.csv_lines import whole_lines
from meterhall.provider.metering.intake.profile import Profile

PIECE_BYTES: Final = 8 * 1024 * 1024
_BECOMES: Final = 3
"""Bytes of UTF-8 that a byte of another encoding becomes, at most."""
_READERS: Final = 2
"""Threads that read ahead."""
_LOOKED_AT: Final = 65_536
"""Bytes looked at together, so that they stay in the processor's cache."""
_OUTSIDE: Final = np.array([not chr(code).isalnum() for code in range(256)])
"""The bytes that are no letters and digits."""
_UTC: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def read_csv(path: Path, profile: Profile, grain: Granularity) -> Batches:
    """Names and times as numbers of distinct texts, whole amounts as int64, times of UTC as timestamps, the
    other columns as text."""
    names = _head(path, profile)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadReadingsFile(f"The column {twice[:60]} is there twice.", field="/file")
    broken: dict[int, Rule] = {}
    pieces = _Pieces(profile, names, _of_utc(path, profile, names, grain))
    return Batches(guarded(lambda: _batches(path, pieces, broken)), names, broken)


def _batches(path: Path, pieces: _Pieces, broken: dict[int, Rule]) -> Iterator[pa.RecordBatch]:
    seen = 0
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with ThreadPoolExecutor(_READERS) as pool:
        ranges = whole_lines(content, pieces.delimiter, PIECE_BYTES)
        waiting = deque(pool.submit(pieces.read, content, *span) for span in islice(ranges, _READERS))
        while waiting:
            table, odd = waiting.popleft().result()
            waiting.extend(pool.submit(pieces.read, content, *span) for span in islice(ranges, 1))
            broken |= dict.fromkeys((seen + row for row in odd), Rule.SCHEMA)
            seen += len(table) + len(odd)
            yield from table.combine_chunks().to_batches()


class _Pieces:
    """Reads pieces of one file, in the first of some ways that its pieces so far could be read in."""

    def __init__(self, profile: Profile, names: list[str], of_utc: set[str]) -> None:
        columns = profile.columns
        repeated = {
            columns.pod, columns.start, columns.end, columns.day, columns.slot, columns.direction, columns.quality
        }  # fmt: skip
        coded = pa.dictionary(pa.int32(), pa.string())
        self._profile, self._names, self.delimiter = profile, names, profile.delimiter
        texts = {name: coded if name in repeated else pa.string() for name in names}
        amounts = ({columns.value, columns.export} & set(names)) | {name for _, name in columns.slots(names)}
        numbers = dict.fromkeys(amounts, pa.int64())
        instants = dict.fromkeys(of_utc, pa.timestamp("s", "UTC"))
        ways = [numbers | instants, instants, numbers, {}] if instants else [numbers, {}]
        self._ways = [(texts | way, bool(way.keys() & amounts)) for way in ways]
        self._failed: set[int] = set()

    def read(self, content: mmap.mmap, start: int, end: int) -> tuple[pa.Table, list[int]]:
        """The rows of a piece, and the places in it of lines that are none."""
        for way, (kinds, has_numbers) in enumerate(self._ways[:-1]):
            if way in self._failed or (has_numbers and _hexadecimal(content, start, end)):
                continue
            try:
                return self._read(content, start, end, kinds)
            except pa.ArrowInvalid:
                self._failed.add(way)
        return self._read(content, start, end, self._ways[-1][0])

    def _read(
        self, content: mmap.mmap, start: int, end: int, kinds: dict[str, pa.DataType]
    ) -> tuple[pa.Table, list[int]]:
        odd: list[int] = []
        has_head = not start

        def keep(row: Any) -> str:
            odd.append(row.number - 1 - has_head)
            return "skip"

        names = None if has_head else self._names
        # In one block, as long as it becomes: of several each would be cut at a line end, in quotes too.
        whole = (1 if self._profile.encoding == "utf-8" else _BECOMES) * (end - start) + 1
        reading = pa_csv.ReadOptions(
            encoding=self._profile.encoding, use_threads=False, column_names=names, block_size=whole
        )
        parsing = pa_csv.ParseOptions(delimiter=self._profile.delimiter, invalid_row_handler=keep)
        converting = pa_csv.ConvertOptions(column_types=kinds, null_values=[""])
        piece = pa.BufferReader(memoryview(content)[start:end])
        return pa_csv.read_csv(piece, reading, parsing, converting), odd


def _hexadecimal(content: mmap.mmap, start: int, end: int) -> bool:
    """Whether a field begins as a hexadecimal number does, which Arrow would take for an amount."""
    text = np.frombuffer(content, np.uint8, end - start, start)
    for first in range(0, len(text), _LOOKED_AT):
        part = text[first : first + _LOOKED_AT]
        crosses = part | 0x20 == ord("x")
        if not crosses.any():
            continue
        at = np.flatnonzero(crosses) + first
        at = at[(at > 0) & (text[at - 1] == ord("0"))]
        if (_OUTSIDE[text[at - 2]] | (at == 1)).any():
            return True
    return False


def _of_utc(path: Path, profile: Profile, names: list[str], grain: Granularity) -> set[str]:
    """The columns of times that are written as ours are, by the first row. Other forms are kept as text: a row that is
    set aside is told as it was written."""
    if grain.civil or profile.start_format or profile.columns.day:
        return set()
    with path.open("rb") as file:
        file.readline(MOST_LINE)
        line = file.readline(MOST_LINE).decode(profile.encoding, "replace")
    try:
        row = next(csv.reader([line], delimiter=profile.delimiter), [])
    except csv.Error:
        return set()
    times = {profile.columns.start, profile.columns.end}
    return {name for name, text in zip(names, row, strict=False) if name in times and _UTC.fullmatch(text)}


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
