"""What an ESPI feed holds, entry by entry, before its links are followed. No DTD, no entities, no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from lxml import etree
from numpy.typing import NDArray

from meterhall.formats.base import DecodeError
from meterhall.formats.espi.clock import LocalTime
from meterhall.formats.espi.codes import ATOM, ESPI
from meterhall.formats.text import int64_of, read_instant
from meterhall.formats.xml import clear, elements

_E: Final = f"{{{ESPI}}}"
_A: Final = f"{{{ATOM}}}"
UNDATED: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""In place of when something became known, where nobody asks."""


@dataclass(frozen=True, slots=True)
class Block:
    """An IntervalBlock: its interval (from and until, seconds since 1970) and its readings."""

    field: str
    up: str
    known: datetime
    start: int
    end: int
    starts: NDArray[np.int64]
    durations: NDArray[np.int64]
    values: NDArray[np.int64]
    quality: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Links:
    """The links of an entry."""

    own: str
    up: str
    related: frozenset[str]


@dataclass(slots=True)
class Document:
    """What a file holds, before the links are followed."""

    points: list[Links] = field(default_factory=list)
    readings: list[Links] = field(default_factory=list)
    types: dict[str, dict[str, int]] = field(default_factory=dict)
    clocks: dict[str, LocalTime] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    stated: datetime | None = None
    """The newest instant that an entry says it was updated or published."""


def read_document(source: bytes, *, dated: bool = True) -> Document:
    """The feed's entries. Raises `DecodeError`.

    Not `dated`, when they became known is not read and not needed: in the wild it comes without an offset, which
    RFC 4287 3.3 asks for.
    """
    document = Document(stated=None if dated else UNDATED)
    updated: datetime | None = None
    number = 0
    for element in _elements(source):
        if element.tag == f"{_A}updated":
            updated = read_instant((element.text or "").strip(), "/updated") if dated else None
        else:
            at = f"/entries/{number}"
            _take(document, element, at, updated, _known(element, at) if dated else None)
            number += 1
    return document


def _elements(source: bytes) -> Iterator[Any]:
    """The feed's own `updated`, and each entry; cleared after use."""
    for element in elements(source, (f"{_A}entry", f"{_A}updated")):
        above = element.getparent()
        if element.tag == f"{_A}entry" or (above is not None and above.tag == f"{_A}feed"):
            yield element
        if element.tag == f"{_A}entry":
            clear(element)


def _take(document: Document, entry: Any, at: str, feed_updated: datetime | None, known: datetime | None) -> None:
    links = _links(entry)
    if known is not None:
        document.stated = max(known, document.stated or known)
    for content in entry.iterfind(f"{_A}content/{_E}*"):
        name = etree.QName(content).localname
        if name == "UsagePoint":
            document.points.append(links)
        elif name == "MeterReading":
            document.readings.append(links)
        elif name == "ReadingType":
            document.types[links.own] = _numbers(content, f"{at}/ReadingType")
        elif name in ("LocalTimeParameters", "TimeConfiguration"):
            document.clocks[links.own] = _clock(content, f"{at}/{name}")
        elif name == "IntervalBlock":
            when = known or feed_updated or document.stated
            if when is None:
                raise DecodeError("Nothing says when the entry became known.", field=f"{at}/updated")
            document.blocks.append(_block(content, links.up, when, f"{at}/IntervalBlock"))


def _links(entry: Any) -> Links:
    found: dict[str, set[str]] = {"self": set(), "up": set(), "related": set()}
    for link in entry.iterfind(f"{_A}link"):
        found.setdefault(link.get("rel", ""), set()).add(link.get("href", "").rstrip("/"))
    own = next(iter(found["self"]), "") or (entry.findtext(f"{_A}id") or "").strip()
    return Links(own, next(iter(found["up"]), ""), frozenset(found["related"]))


def _known(entry: Any, at: str) -> datetime | None:
    """When an entry became known, as it says beside its content or, in the wild, within it."""
    for name in ("updated", "published"):
        text = (entry.findtext(f"{_A}{name}") or entry.findtext(f"{_A}content/{_A}{name}") or "").strip()
        if text:
            return read_instant(text, f"{at}/{name}")
    return None


def _numbers(element: Any, at: str) -> dict[str, int]:
    names = {
        "accumulationBehaviour", "commodity", "defaultQuality", "flowDirection", "intervalLength",
        "powerOfTenMultiplier", "timeAttribute", "uom",
    }  # fmt: skip
    return {
        name: _number(child.text, f"{at}/{name}")
        for child in element.iterfind(f"{_E}*")
        if (name := etree.QName(child).localname) in names
    }


def _number(text: str | None, at: str) -> int:
    try:
        return int((text or "").strip())
    except ValueError:
        raise DecodeError("It is no whole number.", field=at) from None


def _clock(element: Any, at: str) -> LocalTime:
    def text(name: str) -> str:
        return (element.findtext(f"{_E}{name}") or "").strip()

    return LocalTime(
        text("dstEndRule"),
        _number(text("dstOffset"), f"{at}/dstOffset"),
        text("dstStartRule"),
        _number(text("tzOffset"), f"{at}/tzOffset"),
    )


_SPAN: Final = (f"{_E}duration", f"{_E}start")


def _xpath(path: str) -> Any:
    return etree.XPath(path, namespaces={"e": ESPI}, smart_strings=False)


_COUNT: Final = _xpath("count(e:IntervalReading)")
_TEXTS: Final = [
    _xpath(f"e:IntervalReading/{path}/text()")
    for path in ("e:timePeriod/e:start", "e:timePeriod/e:duration", "e:value")
]
_MARKED: Final = _xpath("e:IntervalReading[e:ReadingQuality]")


def _block(element: Any, up: str, known: datetime, at: str) -> Block:
    columns = _regular(element, at)
    if columns is None:
        rows = list(_rows(element, at))
        columns = int64_of([number for row in rows for number in row], at).reshape(-1, 4).T
    order = np.argsort(columns[0], kind="stable")
    if len(order) and (order[0] != 0 or (np.diff(order) != 1).any()):
        columns = columns[:, order]
    start, end = _interval(element, columns, at)
    return Block(at, up, known, start, end, *columns)


def _regular(element: Any, at: str) -> NDArray[np.int64] | None:
    """Start, duration, value and quality (-1: none) of every reading, a column a text; None where one lacks a text."""
    texts = [path(element) for path in _TEXTS]
    count = int(_COUNT(element))
    if any(len(column) != count for column in texts):
        return None
    try:
        columns = np.array([[int(text) for text in column] for column in texts], np.int64).reshape(3, -1)
        marked = _MARKED(element)
        quality = np.full(count, -1, np.int64)
        if marked:
            places = {reading: place for place, reading in enumerate(element.iterfind(f"{_E}IntervalReading"))}
            for reading in marked:
                quality[places[reading]] = int(reading.findtext(f"{_E}ReadingQuality/{_E}quality"))
    except (ValueError, TypeError, OverflowError):
        return None
    return np.vstack((columns, quality))


def _rows(element: Any, at: str) -> Iterator[tuple[int, int, int, int]]:
    """As `_regular`, a reading at a time: says where the fault is, and passes over readings without a value."""
    for number, reading in enumerate(element.iterfind(f"{_E}IntervalReading")):
        place = f"{at}/IntervalReading/{number}"
        span = reading.find(f"{_E}timePeriod")
        if span is None:
            raise DecodeError("A reading has no time of its own.", field=f"{place}/timePeriod")
        value = reading.findtext(f"{_E}value")
        if value is None:
            continue
        duration, start = (_number(span.findtext(name), f"{place}/timePeriod") for name in _SPAN)
        code = reading.findtext(f"{_E}ReadingQuality/{_E}quality")
        quality = -1 if code is None else _number(code, f"{place}/ReadingQuality/quality")
        yield start, duration, _number(value, f"{place}/value"), quality


def _interval(element: Any, columns: NDArray[np.int64], at: str) -> tuple[int, int]:
    """The block's interval, widened to its readings: in the wild it is wrong, or not there."""
    edges: list[int] = []
    interval = element.find(f"{_E}interval")
    if interval is not None:
        duration, start = (_number(interval.findtext(name), f"{at}/interval") for name in _SPAN)
        edges += [start, start + duration]
    if columns.shape[1]:
        edges += [int(columns[0].min()), int((columns[0] + columns[1]).max())]
    if not edges:
        raise DecodeError("A block has neither an interval nor readings.", field=f"{at}/interval")
    if not 0 <= min(edges) <= max(edges) < 2**40:
        raise DecodeError("An instant is out of range.", field=f"{at}/interval")
    return min(edges), max(edges)
