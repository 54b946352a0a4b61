"""JSON lines, one slot a line, with the members of the CSV's columns. A line a day is `json_lines`.

    {"usage_point": …, "start": "2026-03-28T23:00:00Z", "resolution": "PT15M", "direction": "import", "energy_wh": 12,
     "quality": 17, "available_at": "2026-03-30T05:12:00Z"}

`energy_wh` is a number, exact as it is written; it and `quality` are null where there is no value. Civil days and
months have the slot's `end` as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, Final

from meterhall.domain.readings import Curve
from meterhall.formats.base import Block, DecodeError, PartHeader
from meterhall.formats.csv_rows import CIVIL_COLUMNS, COLUMNS, Row, curves_of
from meterhall.formats.numbers import Number, plain
from meterhall.formats.pieces import parts
from meterhall.formats.rows import Blocks, add_rows, decimals, ends_of, qualities_of, starts_of
from meterhall.formats.text import (
    granularity_of,
    instant_text,
)

_ROWS: Final = 4_096
_NUMBERS: Final = ("energy_wh", "quality")
_dumps: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def encode(curves: Iterable[Curve], header: PartHeader) -> Iterator[Block]:
    """The file in blocks."""
    out = Blocks()
    for curve in parts(curves, lambda curve: list(range(_ROWS, len(curve), _ROWS))):
        _add(out, curve)
        yield from out.full()
    yield out.rest()


def _add(out: Blocks, curve: Curve) -> None:
    """The rows: start and facts; value; quality; when it became known, and the next row's beginning."""
    head = f'{{"usage_point":{_dumps(curve.series.usage_point)},"start":"'.encode()
    facts = f'","resolution":"{granularity_of(curve)}","direction":"{curve.series.direction}","energy_wh":'.encode()
    known = f',"available_at":"{instant_text(curve.available_at)}"'.encode()
    same, codes = qualities_of(curve, b',"quality":%d', b',"quality":null')
    out.add(head)
    add_rows(
        out,
        starts_of(curve, facts),
        decimals(curve.mantissas, curve.series.scale, b"null"),
        codes,
        ends_of(curve, same + known, b',"end":"%b"', b"}\n" + head),
    )
    out.drop(len(head))


def decode(source: bytes) -> list[Curve]:
    """The curves of a file; its rows may come in any order. Raises `DecodeError` and `FileTooLarge`."""
    lines = [(line, f"/lines/{number}") for number, line in enumerate(source.split(b"\n")) if line.strip()]
    rows = _usual_rows([line for line, _ in lines])
    return curves_of(rows if rows is not None else [_row(line, field) for line, field in lines])


def _usual_rows(lines: list[bytes]) -> list[Row] | None:
    """The rows, read all at once; None where one of them is not as most files have it, or at fault."""
    try:
        documents = json.loads(b"[" + b",".join(lines) + b"]", parse_float=Number)
        names = CIVIL_COLUMNS if documents and "end" in documents[0] else COLUMNS
        columns = dict(zip(names, zip(*map(itemgetter(*names), documents), strict=True), strict=False))
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    if len(documents) != len(lines) or any("end" in document for document in documents) != ("end" in names):
        return None
    for name, column in columns.items():
        kinds = set(map(type, column))
        if kinds - ({int, Number, type(None)} if name in _NUMBERS else {str}):
            return None
        if name in _NUMBERS:
            columns[name] = tuple("" if value is None else str(value) for value in column)
    if any("e" in text or "E" in text for text in set(columns.get("energy_wh", ()))):
        return None
    return list(zip(*columns.values(), strict=True))


def _row(line: bytes, field: str) -> list[str]:
    try:
        document = json.loads(line, parse_float=Number, parse_int=Number)
    except (ValueError, RecursionError):
        raise DecodeError("The line is no JSON.", field=field) from None
    if not isinstance(document, dict):
        raise DecodeError("The line is no object.", field=field)
    return [_text(document, name, f"{field}/{name}") for name in (CIVIL_COLUMNS if "end" in document else COLUMNS)]


def _text(document: dict[str, Any], name: str, field: str) -> str:
    value = document.get(name)
    if name in _NUMBERS:
        return "" if value is None and name in document else plain(value, field)
    if not isinstance(value, str) or isinstance(value, Number):
        raise DecodeError("There is no text where one is needed.", field=field)
    return value
