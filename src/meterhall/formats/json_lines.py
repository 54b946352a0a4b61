"""JSON lines: one usage point, direction and UTC day a line, as the change feed sends it (`ChangedValues`).

    {"pseudonym": …, "direction": "import", "start": "2026-03-29T00:00:00Z", "resolution": "PT15M", "unit": "Wh",
     "scale": 0, "values": [120, null, 0, …], "quality": [17, null, 17, …], "available_at": "2026-03-30T05:12:00Z"}

A value is `values[i] × 10**scale` Wh; null where there is none. The first line of a day may start within it. Civil days
and months come as one line a curve, with the edges of their slots beside: `"edges": ["2026-03-28T23:00:00Z", …]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np

from meterhall.domain.readings import MISSING, CivilCurve, Curve
from meterhall.domain.readings.curves import DAY_S
from meterhall.formats.base import DecodeError, PartHeader
from meterhall.formats.pieces import joined, piece
from meterhall.formats.text import (
    granularity_of,
    instant_text,
    instants_text,
    int64_of,
    read_direction,
    read_granularity,
    read_instant,
    read_quality,
    read_seconds,
)

_dumps: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def encode(curves: Iterable[Curve], header: PartHeader) -> Iterator[bytes]:
    """The file, a curve at a time."""
    return ("".join(_lines(curve)).encode() for curve in curves if len(curve))


def _lines(curve: Curve) -> Iterator[str]:
    bounds = [0, *_midnights(curve), len(curve)]
    head = f'{{"pseudonym":{_dumps(curve.series.usage_point)},"direction":"{curve.series.direction}","start":"'
    middle = f'","resolution":"{granularity_of(curve)}","unit":"Wh","scale":{curve.series.scale},"values":'
    tail = f',"available_at":"{instant_text(curve.available_at)}"'
    if isinstance(curve, CivilCurve):
        tail += f',"edges":{_dumps(_texts(curve.edges))}'
    values, quality = _with_nulls(curve, curve.mantissas), _with_nulls(curve, curve.quality)
    for start, (first, end) in zip(_texts(curve.starts[bounds[:-1]]), pairwise(bounds), strict=True):
        numbers = f'{_dumps(values[first:end])},"quality":{_dumps(quality[first:end])}'
        yield f"{head}{start}{middle}{numbers}{tail}}}\n"


def _texts(seconds: np.ndarray) -> list[str]:
    return [text.decode() for text in instants_text(seconds)]


def _midnights(curve: Curve) -> list[int]:
    if isinstance(curve, CivilCurve):
        return []
    slots = curve.series.slots_per_day
    first = (DAY_S - int(curve.start.timestamp()) % DAY_S) // curve.series.resolution_s
    return list(range(first, len(curve), slots))


def _with_nulls(curve: Curve, numbers: np.ndarray) -> list[int | None]:
    present = curve.present
    if present.all():
        there: list[int | None] = numbers.tolist()
        return there
    some = numbers.astype(object)
    some[~present] = None
    return list(some)


def decode(source: bytes) -> list[Curve]:
    """The curves of a file, or of lines of the change feed. Raises `DecodeError` and `FileTooLarge`."""
    lines = (line for line in source.split(b"\n"))
    return joined(_read(line, f"/lines/{number}") for number, line in enumerate(lines) if line.strip())


def _read(line: bytes, field: str) -> Curve:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise DecodeError("The line is no JSON.", field=field) from None
    if not isinstance(document, dict) or document.get("unit", "Wh") != "Wh":
        raise DecodeError("The line is no curve in Wh.", field=f"{field}/unit")
    usage_point, scale = document.get("pseudonym"), document.get("scale")
    if not isinstance(usage_point, str):
        raise DecodeError("The pseudonym is no text.", field=f"{field}/pseudonym")
    if type(scale) is not int or not -30 <= scale <= 30:
        raise DecodeError("The scale is no power of ten.", field=f"{field}/scale")
    granularity = read_granularity(document.get("resolution"), f"{field}/resolution")
    values = _list(document, "values", field)
    edges = [document.get("start")]
    if granularity.civil:
        edges = _list(document, "edges", field)
    return piece(
        usage_point,
        granularity,
        read_direction(document.get("direction"), f"{field}/direction"),
        scale,
        np.array([read_seconds(edge, f"{field}/start") for edge in edges], np.int64),
        int64_of([_value(value, f"{field}/values") for value in values], f"{field}/values"),
        _qualities(_list(document, "quality", field), values, f"{field}/quality"),
        read_instant(document.get("available_at"), f"{field}/available_at"),
        field,
    )


def _list(document: dict[str, Any], name: str, field: str) -> list[Any]:
    found = document.get(name)
    if not isinstance(found, list):
        raise DecodeError(f"{name} is no list.", field=f"{field}/{name}")
    return found


def _value(value: object, field: str) -> int:
    if value is None:
        return MISSING
    if type(value) is not int or value == MISSING:
        raise DecodeError("A value is no whole number.", field=field)
    return value


def _qualities(codes: list[object], values: list[object], field: str) -> np.ndarray:
    if len(codes) != len(values):
        raise DecodeError("Values and qualities have one entry a slot each.", field=field)
    there = [0 if value is None else read_quality(code, field) for code, value in zip(codes, values, strict=True)]
    return np.array(there, np.uint8)
