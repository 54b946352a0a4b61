"""Reading ESPI: ours and, within reason, the variants found in the wild. No DTD, no entities, no network.

Wild files have several blocks in one entry, no links, no intervals, other prefixes, entries in any order. Read is
energy in Wh as it flowed; registers, other units and overlapping readings are refused rather than guessed at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import numpy as np
from lxml import etree
from numpy.typing import NDArray

from meterhall.domain.readings import CIVIL_DAY, CIVIL_MONTH, MISSING, Curve, Direction, Granularity, Quality
from meterhall.domain.readings.curves import DAY_S
from meterhall.domain.readings.resampling import slot_edges
from meterhall.domain.readings.rows import instant_of
from meterhall.formats.base import MOST_SLOTS, DecodeError, FileTooLarge
from meterhall.formats.espi.clock import LocalTime, zone_by
from meterhall.formats.espi.codes import ATOM, DAILY, DELTA, ELECTRICITY, ESPI, FLOW, MONTHLY, WATT_HOURS
from meterhall.formats.pieces import joined, piece
from meterhall.formats.text import int64_of, read_instant
from meterhall.formats.xml import clear, elements

_FLOWS: Final = {code: direction for direction, code in FLOW.items()} | {0: Direction.IMPORT}
_CODES: Final = np.array([code if code in set(Quality) else int(Quality.OTHER) for code in range(256)], np.uint8)
_CIVIL_DAYS: Final = frozenset((DAY_S - 3600, DAY_S, DAY_S + 3600))
_E: Final = f"{{{ESPI}}}"
_A: Final = f"{{{ATOM}}}"


@dataclass(frozen=True, slots=True)
class _Block:
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
class _Links:
    own: str
    up: str
    related: frozenset[str]


@dataclass(slots=True)
class _Document:
    """What a file holds, before the links are followed."""

    points: list[_Links] = field(default_factory=list)
    readings: list[_Links] = field(default_factory=list)
    types: dict[str, dict[str, int]] = field(default_factory=dict)
    clocks: dict[str, LocalTime] = field(default_factory=dict)
    blocks: list[_Block] = field(default_factory=list)
    stated: datetime | None = None
    """The newest instant that an entry says it was updated or published."""


def decode(source: bytes) -> list[Curve]:
    """The curves of a feed. Raises `DecodeError` and `FileTooLarge`."""
    document = _Document()
    updated: datetime | None = None
    number = 0
    for element in _elements(source):
        if element.tag == f"{_A}updated":
            updated = read_instant((element.text or "").strip(), "/updated")
        else:
            _take(document, element, f"/entries/{number}", updated)
            number += 1
    return joined(_curves(document))


def _elements(source: bytes) -> Iterator[Any]:
    """The feed's own `updated`, and each entry; cleared after use."""
    for element in elements(source, (f"{_A}entry", f"{_A}updated")):
        above = element.getparent()
        if element.tag == f"{_A}entry" or (above is not None and above.tag == f"{_A}feed"):
            yield element
        if element.tag == f"{_A}entry":
            clear(element)


def _take(document: _Document, entry: Any, at: str, feed_updated: datetime | None) -> None:
    links, known = _links(entry), _known(entry, at)
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


def _links(entry: Any) -> _Links:
    found: dict[str, set[str]] = {"self": set(), "up": set(), "related": set()}
    for link in entry.iterfind(f"{_A}link"):
        found.setdefault(link.get("rel", ""), set()).add(link.get("href", "").rstrip("/"))
    own = next(iter(found["self"]), "") or (entry.findtext(f"{_A}id") or "").strip()
    return _Links(own, next(iter(found["up"]), ""), frozenset(found["related"]))


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


def _block(element: Any, up: str, known: datetime, at: str) -> _Block:
    columns = _regular(element, at)
    if columns is None:
        rows = list(_rows(element, at))
        columns = int64_of([number for row in rows for number in row], at).reshape(-1, 4).T
    order = np.argsort(columns[0], kind="stable")
    if len(order) and (order[0] != 0 or (np.diff(order) != 1).any()):
        columns = columns[:, order]
    start, end = _interval(element, columns, at)
    return _Block(at, up, known, start, end, *columns)


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


def _curves(document: _Document) -> Iterator[Curve]:
    slots = 0
    by_reading: dict[int, list[_Block]] = {}
    for block in document.blocks:
        by_reading.setdefault(_reading_of(document, block), []).append(block)
    for number, blocks in by_reading.items():
        reading = document.readings[number] if document.readings else None
        point = _point_of(document, reading)
        kind = _type_of(document, reading, blocks[0].field)
        direction = _checked(kind, blocks[0].field)
        granularity, zone = _granularity(document, point, kind, blocks)
        for block in blocks:
            slots += (block.end - block.start) // (granularity.period_s or DAY_S - 3600)
            if slots > MOST_SLOTS:
                raise FileTooLarge
            edges = _edges(block, granularity, zone)
            yield _curve(point, kind, direction, granularity, edges, block)


def _reading_of(document: _Document, block: _Block) -> int:
    for number, reading in enumerate(document.readings):
        if block.up and (block.up in reading.related or block.up.rpartition("/")[0] == reading.own):
            return number
    if len(document.readings) > 1:
        raise DecodeError("The block's links lead to no MeterReading.", field=block.field)
    return 0


def _point_of(document: _Document, reading: _Links | None) -> _Links | None:
    for point in document.points if reading is not None else ():
        near = {reading.up, reading.up.rpartition("/")[0], *reading.related}  # type: ignore[union-attr]
        if point.own in near or (reading is not None and reading.up and reading.up in point.related):
            return point
    if len(document.points) > 1:
        raise DecodeError("The links of a MeterReading lead to no UsagePoint.", field="/entries")
    return document.points[0] if document.points else None


def _type_of(document: _Document, reading: _Links | None, at: str) -> dict[str, int]:
    for own, kind in document.types.items():
        if reading is not None and own in reading.related:
            return kind
    if len(document.types) != 1:
        raise DecodeError("The links lead to no ReadingType.", field=at)
    return next(iter(document.types.values()))


def _checked(kind: dict[str, int], at: str) -> Direction:
    """The direction of a series of electrical energy in Wh; refuses every other series."""
    expected = {"uom": (WATT_HOURS,), "accumulationBehaviour": (DELTA, 0), "commodity": (ELECTRICITY, 0)}
    for name, codes in expected.items():
        if kind.get(name, codes[-1]) not in codes:
            raise DecodeError(f"The series is not of energy as it flowed ({name} {kind[name]}).", field=f"{at}/{name}")
    flow = kind.get("flowDirection", 0)
    if flow not in _FLOWS:
        raise DecodeError(f"The flow direction {flow} is not one of import, export and net.", field=at)
    return _FLOWS[flow]


def _granularity(
    document: _Document, point: _Links | None, kind: dict[str, int], blocks: list[_Block]
) -> tuple[Granularity, ZoneInfo | None]:
    durations = set(np.concatenate([block.durations for block in blocks]).tolist())
    period, at = kind.get("timeAttribute", 0), blocks[0].field
    zone = _zone(document, point)
    if period == MONTHLY:
        return CIVIL_MONTH, zone
    uneven = any((block.starts % DAY_S).any() or block.start % DAY_S for block in blocks)
    if period == DAILY or (durations and durations <= _CIVIL_DAYS and (uneven or len(durations) > 1)):
        return CIVIL_DAY, zone
    durations = durations or {kind.get("intervalLength", 0)}
    step_s = durations.pop()
    if durations or step_s <= 0 or DAY_S % step_s:
        raise DecodeError("The readings are not of one length that divides a day.", field=at)
    return Granularity(step_s), None


def _zone(document: _Document, point: _Links | None) -> ZoneInfo | None:
    clocks = [clock for own, clock in document.clocks.items() if point is not None and own in point.related]
    clocks = clocks or list(document.clocks.values())
    return zone_by(clocks[0]) if clocks else None


def _edges(block: _Block, granularity: Granularity, zone: ZoneInfo | None) -> NDArray[np.int64]:
    if not granularity.civil:
        step_s = granularity.period_s
        first = block.start // step_s * step_s
        return np.arange(first, -(-block.end // step_s) * step_s + 1, step_s, dtype=np.int64)
    if zone is not None:
        return slot_edges(granularity, zone, instant_of(block.start * 10**6), instant_of(block.end * 10**6))
    if not len(block.starts):
        raise DecodeError("Nothing says where its days begin.", field=block.field)
    return np.append(block.starts, block.starts[-1] + block.durations[-1])


def _curve(
    point: _Links | None,
    kind: dict[str, int],
    direction: Direction,
    granularity: Granularity,
    edges: NDArray[np.int64],
    block: _Block,
) -> Curve:
    slot = np.searchsorted(edges, block.starts)
    ends = edges[np.minimum(slot + 1, len(edges) - 1)]
    if (edges[np.minimum(slot, len(edges) - 1)] != block.starts).any() or (
        ends != block.starts + block.durations
    ).any():
        raise DecodeError("A reading lies between the slots of its series.", field=block.field)
    if len(np.unique(slot)) < len(slot):
        raise DecodeError("A slot has two readings.", field=block.field)
    mantissas = np.full(len(edges) - 1, MISSING, np.int64)
    mantissas[slot] = block.values
    default = kind.get("defaultQuality", int(Quality.VALID))
    given = np.where(block.quality < 0, default, block.quality)
    quality = np.zeros(len(edges) - 1, np.uint8)
    quality[slot] = _CODES[np.clip(given, 0, 255)]
    usage_point = unquote(point.own.rpartition("/")[2]) if point is not None else "unnamed"
    scale = kind.get("powerOfTenMultiplier", 0)
    return piece(usage_point, granularity, direction, scale, edges, mantissas, quality, block.known, block.field)
