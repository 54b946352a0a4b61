"""JSON lines: one usage point, direction and UTC day a line, as the change feed sends it (`ChangedValues`).

    {"pseudonym": …, "direction": "import", "start": "2026-03-29T00:00:00Z", "resolution": "PT15M", "unit": "Wh",
     "scale": 0, "values": [120, null, 0, …], "quality": [17, null, 17, …], "available_at": "2026-03-30T05:12:00Z"}

A value is `values[i] × 10**scale` Wh; null where there is none. The first line of a day may start within it. Civil days
and months come as one line a curve, with the edges of their slots beside: `"edges": ["2026-03-28T23:00:00Z", …]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, pairwise, repeat
from typing import Any, Final

import numpy as np

from meterhall.domain.readings import MISSING, CivilCurve, Curve
from meterhall.domain.readings.curves import DAY_S
from meterhall.formats.base import Block, DecodeError, PartHeader
from meterhall.formats.pieces import joined, parts, piece
from meterhall.formats.rows import Blocks, decimals, qualities_of
from meterhall.formats.rows import Texts as RowTexts
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

_DAYS: Final = 400
_dumps: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def encode(curves: Iterable[Curve], header: PartHeader) -> Iterator[Block]:
    """The file in blocks."""
    out = Blocks()
    for curve in parts(curves, _cuts):
        out.add(b"".join(chain.from_iterable(_lines(curve))))
        yield from out.full()
    yield out.rest()


def _cuts(curve: Curve) -> list[int]:
    """Before every so many days, so that memory stays bounded."""
    return _midnights(curve)[_DAYS::_DAYS]


def _lines(curve: Curve) -> Iterator[tuple[bytes, ...]]:
    """The texts that make each line."""
    bounds = [0, *_midnights(curve), len(curve)]
    head = f'{{"pseudonym":{_dumps(curve.series.usage_point)},"direction":"{curve.series.direction}","start":"'.encode()
    middle = f'","resolution":"{granularity_of(curve)}","unit":"Wh","scale":{curve.series.scale},"values":['.encode()
    tail = f'],"available_at":"{instant_text(curve.available_at)}"'
    if isinstance(curve, CivilCurve):
        tail += f',"edges":{_dumps(_texts(curve.edges))}'
    end = tail.encode() + b"}\n"
    values, codes = decimals(curve.mantissas, 0, b"null", b","), qualities_of(curve, b"%d,", b"null,")
    quality = _between(codes[1], bounds) if codes[1] is not None else _same(codes[0], bounds)
    starts, some = _starts(curve, bounds), _between(values, bounds)
    return zip(repeat(head), starts, repeat(middle), some, repeat(b'],"quality":['), quality, repeat(end))


def _between(texts: RowTexts, bounds: list[int]) -> list[bytes]:
    """The texts between two bounds, without the last comma."""
    whole = texts[0].tobytes().translate(None, b"\0")
    ends = np.append(0, texts[1].cumsum())[bounds].tolist()
    return [whole[first : end - 1] for first, end in pairwise(ends)]


def _same(text: bytes, bounds: list[int]) -> list[bytes]:
    lengths = [end - first for first, end in pairwise(bounds)]
    texts = {length: (text * length)[:-1] for length in set(lengths)}
    return [texts[length] for length in lengths]


def _starts(curve: Curve, bounds: list[int]) -> list[bytes]:
    if isinstance(curve, CivilCurve):
        return list(instants_text(curve.starts[bounds[:-1]]))
    step_s = curve.series.resolution_s
    return _instants(int(curve.start.timestamp()), step_s, tuple(bounds[:-1]))


@lru_cache(maxsize=64)
def _instants(first: int, step_s: int, places: tuple[int, ...]) -> list[bytes]:
    return list(instants_text(first + step_s * np.array(places, np.int64)))


def _texts(seconds: np.ndarray) -> list[str]:
    return [text.decode() for text in instants_text(seconds)]


def _midnights(curve: Curve) -> list[int]:
    if isinstance(curve, CivilCurve):
        return []
    slots = curve.series.slots_per_day
    first = (DAY_S - int(curve.start.timestamp()) % DAY_S) // curve.series.resolution_s
    return list(range(first, len(curve), slots))


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
