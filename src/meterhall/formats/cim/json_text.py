"""The document in JSON: the names of the XML, arrays of what may come more than once, ids as objects with their scheme.

It is the form in which the EDDIE framework serves the same document. Quantities are numbers, exact decimals as written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from meterhall.formats.cim.points import Buffer, PointText
from meterhall.formats.cim.writer import Coded, Fields, Interval

_dumps: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class JsonText:
    """One envelope object."""

    point = PointText(
        b',{"position":',
        b',"energy_Quantity.quantity":',
        b',"energy_Quantity.quality":"',
        b'"}',
        b',"energy_Quantity.quality":"',
    )

    def opening(self, envelope: Fields) -> str:
        return f"{{{_members(envelope)}"

    def document(self, fields: Fields) -> str:
        return f',"MarketDocument":{{{_members(fields)},"TimeSeries":[\n'

    def series(self, before: Fields, after: Fields, first: bool) -> tuple[bytes, bytes]:
        comma = "" if first else ","
        return f'{comma}{{{_members(before)},"Period":['.encode(), f"],{_members(after)}}}\n".encode()

    def period(self, before: Fields, points: Iterator[Buffer], after: Fields, first: bool) -> Iterator[Buffer]:
        """The comma before the first Point goes."""
        comma, reason = "" if first else ",", f",{_members(after)}" if after else ""
        yield f'{comma}{{{_members(before)},"Point":['.encode()
        yield next(points)[1:]
        yield from points
        yield f"]{reason}}}".encode()

    def closing(self, empty: bool) -> str:
        return "}\n" if empty else "]}}\n"


def _members(fields: Fields) -> str:
    return ",".join(_member(name, value) for name, value in fields)


@lru_cache(maxsize=1024)
def _member(name: str, value: str | Coded | Interval) -> str:
    if isinstance(value, Coded):
        return f"{_dumps(name)}:{_dumps({'value': value.value, 'codingScheme': value.scheme})}"
    if isinstance(value, Interval):
        return f"{_dumps(name)}:{_dumps({'start': value.start, 'end': value.end})}"
    return f"{_dumps(name)}:{_dumps(value)}"
