"""What an ESPI feed holds, entry by entry, before its links are followed. No DTD, no entities, no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import numpy as np
from lxml import etree
from numpy.typing import NDArray

from meterhall.formats.base import DecodeError
from meterhall.formats.espi.clock import LocalTime
from meterhall.formats.espi.codes import ATOM, ESPI
from meterhall.formats.espi.scan import MARK, Run, scan
from meterhall.formats.text import int64_of, read_instant
from meterhall.formats.xml import clear, elements

_E: Final = f"{{{ESPI}}}"
_A: Final = f"{{{ATOM}}}"
_ID, _LINK, _UPDATED, _PUBLISHED, _CONTENT, _ENTRY = (
    f"{_A}{name}" for name in ("id", "link", "updated", "published", "content", "entry")
)
UNDATED: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""In place of when something became known, where nobody asks."""
_TIMES: Final = {_UPDATED: "updated", _PUBLISHED: "published"}
_NAMES: Final = {
    f"{_E}{name}": name
    for name in (
        "UsagePoint", "MeterReading", "ReadingType", "LocalTimeParameters", "TimeConfiguration", "IntervalBlock"
    )
}  # fmt: skip


_READING: Final = f"{_E}IntervalReading"
_RUN: Final = f"{_E}{MARK}"
_INTERVAL: Final = f"{_E}interval"
_UNSAID: Final = np.full(4096, -1, np.int64)


class Unusual(Exception):
    """A block has a run and other readings beside."""


@dataclass(slots=True, eq=False)
class Block:
    """An IntervalBlock: its interval (from and until, seconds since 1970) and its readings, ordered by their starts.

    `length` is the length of all its readings where they are alike; None where they may not be.
    """

    field: str
    up: str
    known: datetime
    start: int
    end: int
    starts: NDArray[np.int64]
    durations: NDArray[np.int64]
    values: NDArray[np.int64]
    quality: NDArray[np.int64]
    length: int | None = None


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
    _of_points: tuple[dict[str, int], dict[str, int]] | None = None

    def places_of_points(self) -> tuple[dict[str, int], dict[str, int]]:
        """`places_of` the points, once all are there."""
        if self._of_points is None:
            self._of_points = places_of(self.points)
        return self._of_points


def places_of(links: list[Links]) -> tuple[dict[str, int], dict[str, int]]:
    """The first of the entries that is related to an address; and the first that has it itself."""
    related: dict[str, int] = {}
    own: dict[str, int] = {}
    for number, one in enumerate(links):
        own.setdefault(one.own, number)
        for address in one.related:
            related.setdefault(address, number)
    return related, own


def read_document(source: bytes, *, dated: bool = True) -> Document:
    """The feed's entries. Raises `DecodeError`.

    Not `dated`, when they became known is not read and not needed: in the wild it comes without an offset, which
    RFC 4287 3.3 asks for.
    """
    found = scan(source)
    if found is not None:
        try:
            return read_elements(*found, dated=dated)
        except (DecodeError, Unusual):
            pass  # the file itself says better what is wrong with it
    return read_elements(source, dated=dated)


def read_elements(source: bytes, runs: Sequence[Run] = (), *, dated: bool = True) -> Document:
    """As `read_document`: all that stands in the file itself, and the runs whose marks are found in it.

    Raises `DecodeError`, and `Unusual`.
    """
    document = Document(stated=None if dated else UNDATED)
    updated: datetime | None = None
    number = 0
    for element in _elements(source):
        if element.tag == _UPDATED:
            updated = read_instant((element.text or "").strip(), "/updated") if dated else None
        else:
            _take(document, element, f"/entries/{number}", updated, runs)
            number += 1
    return document


def _elements(source: bytes) -> Iterator[Any]:
    """The feed's own `updated`, and each entry; cleared after use."""
    for element in elements(source, (_ENTRY, _UPDATED)):
        above = element.getparent()
        if element.tag == _ENTRY or (above is not None and above.tag == f"{_A}feed"):
            yield element
        if element.tag == _ENTRY:
            clear(element)


def _take(document: Document, entry: Any, at: str, feed_updated: datetime | None, runs: Sequence[Run]) -> None:
    children = [(child.tag, child) for child in entry]
    contents = [content for tag, child in children if tag == _CONTENT for content in child]
    known = None if document.stated is UNDATED else _known(children, contents, at)
    if known is not None:
        document.stated = known if document.stated is None else max(known, document.stated)
    for content in contents:
        name = _NAMES.get(content.tag)
        if name == "IntervalBlock":
            when = known or feed_updated or document.stated
            if when is None:
                raise DecodeError("Nothing says when the entry became known.", field=f"{at}/updated")
            document.blocks.append(_block(content, _first_link(children, "up"), when, f"{at}/IntervalBlock", runs))
        elif name == "UsagePoint":
            document.points.append(_links(children))
        elif name == "MeterReading":
            document.readings.append(_links(children))
        elif name == "ReadingType":
            document.types[_links(children).own] = _numbers(content, f"{at}/ReadingType")
        elif name is not None:
            document.clocks[_links(children).own] = _clock(content, f"{at}/{name}")


_Children = list[tuple[str, Any]]
"""Elements and their names."""


def _first_link(children: _Children, relation: str) -> str:
    for tag, child in children:
        if tag == _LINK and child.get("rel") == relation:
            href: str = child.get("href", "").rstrip("/")
            return href
    return ""


def _links(children: _Children) -> Links:
    own = _first_link(children, "self") or (_first_text(children, _ID) or "").strip()
    links = [child for tag, child in children if tag == _LINK and child.get("rel") == "related"]
    return Links(own, _first_link(children, "up"), frozenset(link.get("href", "").rstrip("/") for link in links))


def _first_text(children: _Children, name: str) -> str | None:
    for tag, child in children:
        if tag == name:
            text: str | None = child.text
            return text
    return None


def _known(children: _Children, contents: list[Any], at: str) -> datetime | None:
    """When an entry became known, as it says beside its content or, in the wild, within it."""
    for tag, name in _TIMES.items():
        text = _first_text(children, tag) or _first_text([(one.tag, one) for one in contents], tag)
        if text and text.strip():
            return _instant(text.strip(), at, name)
    return None


def _instant(text: str, at: str, name: str) -> datetime:
    try:
        return _instant_of(text)
    except DecodeError as fault:
        raise DecodeError(fault.detail, field=f"{at}/{name}") from None


@lru_cache(maxsize=64)
def _instant_of(text: str) -> datetime:
    return read_instant(text, "")


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


def _number(text: str | None, at: str, below: str = "") -> int:
    try:
        return int(text or "")
    except ValueError:
        raise DecodeError("It is no whole number.", field=at + below) from None


def _clock(element: Any, at: str) -> LocalTime:
    def text(name: str) -> str:
        return (element.findtext(f"{_E}{name}") or "").strip()

    return LocalTime(
        text("dstEndRule"),
        _number(text("dstOffset"), f"{at}/dstOffset"),
        text("dstStartRule"),
        _number(text("tzOffset"), f"{at}/tzOffset"),
    )


_DURATION, _START = f"{_E}duration", f"{_E}start"


def _xpath(path: str) -> Any:
    return etree.XPath(path, namespaces={"e": ESPI}, smart_strings=False)


_COUNT: Final = _xpath("count(e:IntervalReading)")
_ODD: Final = _xpath(
    "count(e:IntervalReading[count(e:timePeriod/e:start/text()) != 1 or count(e:timePeriod/e:duration/text()) != 1"
    " or count(e:value/text()) != 1])"
)
_TEXTS: Final = [
    _xpath(f"e:IntervalReading/{path}/text()")
    for path in ("e:timePeriod/e:start", "e:timePeriod/e:duration", "e:value")
]
_MARKED: Final = _xpath("e:IntervalReading[e:ReadingQuality]")


def _block(element: Any, up: str, known: datetime, at: str, runs: Sequence[Run]) -> Block:
    children = list(element)
    run = _run_of(children, runs) if runs else None
    if run is None:
        return _block_of_elements(element, up, known, at)
    starts, durations, values, *said = run.columns
    quality = said[0] if said else _unsaid(len(starts))
    if run.length is None or not run.ascends:
        return _ordered(at, up, known, children, np.vstack((starts, durations, values, quality)))
    start, end = _interval(children, (int(starts[0]), int(starts[-1]) + run.length), at)
    return Block(at, up, known, start, end, starts, durations, values, quality, run.length)


def _run_of(children: list[Any], runs: Sequence[Run]) -> Run | None:
    """The run whose mark is there; None where there is none. Raises `Unusual` where there are other readings too."""
    run: Run | None = None
    readings = False
    for child in children:
        tag = child.tag
        if tag == _RUN:
            readings = readings or run is not None
            run = runs[int(child.get("n"))]
        elif tag == _READING:
            readings = True
    if run is not None and readings:
        raise Unusual
    return run


def _unsaid(count: int) -> NDArray[np.int64]:
    return _UNSAID[:count] if count <= len(_UNSAID) else np.full(count, -1, np.int64)


def _block_of_elements(element: Any, up: str, known: datetime, at: str) -> Block:
    columns = _regular(element, at)
    if columns is None:
        rows = list(_rows(element, at))
        columns = int64_of([number for row in rows for number in row], at).reshape(-1, 4).T
    return _ordered(at, up, known, list(element), columns)


def _ordered(at: str, up: str, known: datetime, children: list[Any], columns: NDArray[np.int64]) -> Block:
    order = np.argsort(columns[0], kind="stable")
    if len(order) and (order[0] != 0 or (np.diff(order) != 1).any()):
        columns = columns[:, order]
    edges = (int(columns[0].min()), int((columns[0] + columns[1]).max())) if columns.shape[1] else ()
    start, end = _interval(children, edges, at)
    return Block(at, up, known, start, end, *columns)


def _regular(element: Any, at: str) -> NDArray[np.int64] | None:
    """Start, duration, value and quality (-1: none) of every reading, a column a text; None where one has not one
    text of each."""
    if _ODD(element):
        return None
    texts = [path(element) for path in _TEXTS]
    count = int(_COUNT(element))
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
        values = [one.text or "" for one in reading.iterfind(f"{_E}value")]
        if not values:
            continue
        if len(values) > 1:
            raise DecodeError("A reading has one value.", field=f"{place}/value")
        duration, start = (_number(span.findtext(name), place, "/timePeriod") for name in (_DURATION, _START))
        code = reading.findtext(f"{_E}ReadingQuality/{_E}quality")
        quality = -1 if code is None else _number(code, f"{place}/ReadingQuality/quality")
        yield start, duration, _number(values[0], f"{place}/value"), quality


def _interval(children: list[Any], of_readings: tuple[int, ...], at: str) -> tuple[int, int]:
    """The block's interval, widened to its readings: in the wild it is wrong, or not there."""
    edges = list(of_readings)
    for interval in children:
        if interval.tag == _INTERVAL:
            texts: dict[str, str | None] = {}
            for child in interval:
                texts.setdefault(child.tag, child.text)
            duration = _number(texts.get(_DURATION), at, "/interval")
            start = _number(texts.get(_START), at, "/interval")
            edges += (start, start + duration)
            break
    if not edges:
        raise DecodeError("A block has neither an interval nor readings.", field=f"{at}/interval")
    first, end = min(edges), max(edges)
    if not 0 <= first <= end < 2**40:
        raise DecodeError("An instant is out of range.", field=f"{at}/interval")
    return first, end
