"""CSV (RFC 4180): a header line, then one slot a line.

| column | meaning |
|---|---|
| `usage_point` | the pairwise pseudonym |
| `start` | the slot's start, ISO 8601 in UTC with a Z |
| `resolution` | the slot's length, ISO 8601: `PT15M`, `PT1H`, `P1D`, … |
| `direction` | `import`, `export` or `net` |
| `energy_wh` | the value in Wh, an exact decimal; empty where there is none: zero is `0` |
| `quality` | ESPI 4.0 code of the value; empty where there is none |
| `available_at` | when the youngest value of the curve became known |
| `end` | only with civil days, weeks and months (`P1D`, `P7D`, `P1M`), which differ in length: the slot's end |
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings import CivilCurve, Curve
from meterhall.formats.base import Block, DecodeError, EncodeError, PartHeader
from meterhall.formats.pieces import joined, parts, piece
from meterhall.formats.rows import Blocks, add_rows, decimals, ends_of, qualities_of, starts_of
from meterhall.formats.text import (
    granularity_of,
    instant_text,
    int64_of,
    read_decimals,
    read_direction,
    read_granularity,
    read_instant,
    read_quality,
)

COLUMNS: Final = ("usage_point", "start", "resolution", "direction", "energy_wh", "quality", "available_at")
CIVIL_COLUMNS: Final = (*COLUMNS, "end")
_ROWS: Final = 4_096

Row = Sequence[str]


def encode(curves: Iterable[Curve], header: PartHeader) -> Iterator[Block]:
    """The file in blocks. Raises `EncodeError` where civil and equal slots are mixed."""
    blocks = parts(curves, lambda curve: list(range(_ROWS, len(curve), _ROWS)))
    first, out = next(blocks, None), Blocks()
    civil = isinstance(first, CivilCurve)
    out.add((",".join(CIVIL_COLUMNS if civil else COLUMNS) + "\n").encode())
    for block in chain([first] if first is not None else [], blocks):
        if isinstance(block, CivilCurve) != civil:
            raise EncodeError(
                "One CSV file holds either equal slots or civil days, weeks and months.", field="/resolution"
            )
        _add(out, block)
        yield from out.full()
    yield out.rest()


def _add(out: Blocks, curve: Curve) -> None:
    """The rows: start and facts; value; quality; when it became known, and the next row's usage point."""
    head = _quoted(curve.series.usage_point).encode() + b","
    facts = f",{granularity_of(curve)},{curve.series.direction},".encode()
    same, codes = qualities_of(curve, b",%d,", b",,")
    out.add(head)
    add_rows(
        out,
        starts_of(curve, facts),
        decimals(curve.mantissas, curve.series.scale),
        codes,
        ends_of(curve, same + instant_text(curve.available_at).encode(), b",%b", b"\n" + head),
    )
    out.drop(len(head))


def _quoted(text: str) -> str:
    plain = text and not any(mark in text for mark in ',"\r\n') and text == text.strip()
    return text if plain else '"' + text.replace('"', '""') + '"'


def decode(source: bytes) -> list[Curve]:
    """The curves of a file; its rows may come in any order, its columns too. Raises `DecodeError`, `FileTooLarge`."""
    try:
        lines = csv.reader(io.StringIO(source.decode("utf-8-sig"), newline=""), strict=True)
        names = next(lines, [])
        order = _order(names)
        rows: list[Row] = [[row[place] for place in order] for row in _whole(lines, len(names)) if row]
    except UnicodeDecodeError:
        raise DecodeError("The file is not UTF-8.", field="/") from None
    except csv.Error as fault:
        raise DecodeError(f"The file is no CSV: {fault}.", field="/rows") from None
    return curves_of(rows)


def curves_of(rows: list[Row]) -> list[Curve]:
    """The curves of rows with the texts of `COLUMNS` or `CIVIL_COLUMNS`. Raises `DecodeError` and `FileTooLarge`."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for key, some in groupby(rows, key=lambda row: (row[0], row[2], row[3], row[6])):
        groups.setdefault(key, []).extend(some)
    return joined(chain.from_iterable(_curves(key, some) for key, some in groups.items()))


def _order(names: list[str]) -> list[int]:
    for name in COLUMNS:
        if name not in names:
            raise DecodeError(f"There is no column {name}.", field=f"/{name}")
    return [names.index(name) for name in (CIVIL_COLUMNS if "end" in names else COLUMNS)]


def _whole(lines: Iterable[Row], width: int) -> Iterator[Row]:
    for number, row in enumerate(lines, 1):
        if row and len(row) != width:
            raise DecodeError(f"A row has {len(row)} fields, not {width}.", field=f"/rows/{number}")
        yield row


def _curves(key: tuple[str, ...], rows: list[Row]) -> Iterator[Curve]:
    usage_point, resolution, way, known = key
    granularity = read_granularity(resolution, "/resolution")
    direction, available_at = read_direction(way, "/direction"), read_instant(known, "/available_at")
    starts = _seconds([row[1] for row in rows], "/start")
    order = np.argsort(starts, kind="stable")
    if (order != np.arange(len(order))).any():
        rows, starts = [rows[place] for place in order], starts[order]
    mantissas, scale = read_decimals([row[4] for row in rows], "/energy_wh")
    quality = _qualities([row[5] for row in rows], [row[4] for row in rows])
    if granularity.civil and len(rows[0]) < len(CIVIL_COLUMNS):
        raise DecodeError("Civil days, weeks and months have a column end.", field="/end")
    ends = _seconds([row[7] for row in rows], "/end") if granularity.civil else starts + granularity.period_s
    cuts = np.flatnonzero(starts[1:] != ends[:-1]) + 1
    for first, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        edges = np.append(starts[first:end], ends[end - 1])
        values = mantissas[first:end], quality[first:end]
        yield piece(usage_point, granularity, direction, scale, edges, *values, available_at, "/start")


def _seconds(texts: list[str], field: str) -> NDArray[np.int64]:
    """Fast where all end in Z, as ours do; any offset is read."""
    if all(len(text) == len("2026-01-01T00:00:00Z") and text[-4::3] == ":Z" for text in texts):
        try:
            return np.array([text[:-1] for text in texts], "datetime64[s]").astype(np.int64)
        except ValueError:
            pass
    return int64_of([int(read_instant(text, field).timestamp()) for text in texts], field)


def _qualities(codes: list[str], values: list[str]) -> NDArray[np.uint8]:
    known = {text: read_quality(int(text) if text.isdecimal() else None, "/quality") for text in set(codes) - {""}}
    if any(value and not code for code, value in zip(codes, values, strict=True)):
        raise DecodeError("A value has no quality.", field="/quality")
    return np.array([known.get(code, 0) for code in codes], np.uint8)
