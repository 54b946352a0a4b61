"""The document in XML, in the order of the schema."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from xml.sax.saxutils import escape, quoteattr

from meterhall.formats.cim.codes import NAMESPACE
from meterhall.formats.cim.points import Buffer, PointText
from meterhall.formats.cim.writer import Coded, Fields, Interval


class XmlText:
    """XML 1.0 in UTF-8 without white space between elements, as parsers read it fastest."""

    point = PointText(
        b"<Point><position>",
        b"</position><energy_Quantity.quantity>",
        b"</energy_Quantity.quantity><energy_Quantity.quality>",
        b"</energy_Quantity.quality></Point>",
        b"</position><energy_Quantity.quality>",
    )

    def opening(self, envelope: Fields) -> str:
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<VHD_Envelope xmlns="{NAMESPACE}">{_elements(envelope)}'

    def document(self, fields: Fields) -> str:
        return f"<MarketDocument>{_elements(fields)}\n"

    def series(self, before: Fields, after: Fields, first: bool) -> tuple[bytes, bytes]:
        return f"<TimeSeries>{_elements(before)}".encode(), f"{_elements(after)}</TimeSeries>\n".encode()

    def period(self, before: Fields, points: Iterator[Buffer], after: Fields, first: bool) -> Iterator[Buffer]:
        yield f"<Period>{_elements(before)}".encode()
        yield from points
        yield f"{_elements(after)}</Period>".encode()

    def closing(self, empty: bool) -> str:
        return "</VHD_Envelope>\n" if empty else "</MarketDocument></VHD_Envelope>\n"


def _elements(fields: Fields) -> str:
    return "".join(_element(name, value) for name, value in fields)


@lru_cache(maxsize=1024)
def _element(name: str, value: str | Coded | Interval) -> str:
    if isinstance(value, Coded):
        return f"<{name} codingScheme={quoteattr(value.scheme)}>{escape(value.value)}</{name}>"
    if isinstance(value, Interval):
        return f"<{name}><start>{value.start}</start><end>{value.end}</end></{name}>"
    return f"<{name}>{escape(value)}</{name}>"
