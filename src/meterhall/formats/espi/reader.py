"""Reading ESPI: ours and, within reason, the variants found in the wild. No DTD, no entities, no network.

Wild files have several blocks in one entry, no links, no intervals, other prefixes, entries in any order. Read is
energy in Wh as it flowed; registers, other units and overlapping readings are refused rather than guessed at.

A grid operator's file may hold other series beside: `decode_apart` keeps them apart, each for what it says it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings import (
    CIVIL_DAY,
    CIVIL_MONTH,
    CIVIL_WEEK,
    MISSING,
    Curve,
    Direction,
    Granularity,
    Quality,
)
from meterhall.domain.readings.curves import DAY_S
from meterhall.domain.readings.resampling import slot_edges
from meterhall.domain.readings.rows import instant_of
from meterhall.formats.base import MOST_SLOTS, DecodeError, FileTooLarge
from meterhall.formats.espi.clock import zone_by
from meterhall.formats.espi.codes import (
    ACCUMULATIONS,
    BULK,
    DAILY,
    DEFAULT_QUALITY,
    DELTA,
    ELECTRICITY,
    ENERGY_AS_IT_FLOWED,
    FLOW,
    MONTHLY,
    WATT_HOURS,
    WEEKLY,
)
from meterhall.formats.espi.document import Block, Document, Links, places_of, read_document
from meterhall.formats.pieces import joined, piece

_FLOWS: Final = {code: direction for direction, code in FLOW.items()} | {0: Direction.IMPORT}
_CODES: Final = np.array([code if code in set(Quality) else int(Quality.OTHER) for code in range(256)], np.uint8)
_WEEKS: Final = frozenset((7 * DAY_S - 3600, 7 * DAY_S, 7 * DAY_S + 3600))
_CIVIL_DAYS: Final = frozenset((DAY_S - 3600, DAY_S, DAY_S + 3600))


@dataclass(frozen=True, slots=True, eq=False)
class Loose:
    """Readings of an IntervalBlock that are no energy of a slot: a register's (`reason` is empty), or others; and weeks
    (`reason` is `P7D`), of which a grid operator's may begin on any day.

    `starts` and `ends` are seconds since 1970 UTC, `values` whole numbers × 10**scale of the series' unit, `quality`
    ESPI codes; each of shape (readings,). A register reads its value at the end of its time.
    """

    usage_point: str
    direction: Direction
    scale: int
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    values: NDArray[np.int64]
    quality: NDArray[np.uint8]
    reason: str


@dataclass(slots=True)
class Apart:
    """What a file says its series are: energy as it flowed, registers, other things; or it does not say."""

    deltas: list[Curve]
    unsaid: list[Curve]
    registers: list[Loose]
    others: list[Loose]


def decode(source: bytes) -> list[Curve]:
    """The curves of a feed. Raises `DecodeError` and `FileTooLarge`."""
    return joined(_curves(read_document(source)))


def decode_apart(source: bytes) -> Apart:
    """All readings of a feed, series by series for what they are, whenever they became known. Raises `DecodeError` and
    `FileTooLarge`."""
    document, found = read_document(source, dated=False), Apart([], [], [], [])
    deltas: list[Curve] = []
    unsaid: list[Curve] = []
    room = MOST_SLOTS
    for reading, blocks in _by_reading(document):
        kind = _type_of(document, reading, blocks[0].field)
        reason = _no_energy(kind, (BULK, *ENERGY_AS_IT_FLOWED)) or _weekly(kind, blocks)
        if reason or kind.get("accumulationBehaviour") == BULK:
            loose = found.others if reason else found.registers
            loose += [_loose(document, reading, kind, block, reason) for block in blocks]
            continue
        said = deltas if kind.get("accumulationBehaviour") == DELTA else unsaid
        for curve in _curves_of(document, reading, blocks, room):
            room -= len(curve)
            said.append(curve)
    found.deltas, found.unsaid = joined(deltas), joined(unsaid)
    return found


def _loose(document: Document, reading: Links | None, kind: dict[str, int], block: Block, reason: str) -> Loose:
    flow = kind.get("flowDirection", 0)
    if flow not in _FLOWS and not reason:
        raise DecodeError(f"The flow direction {flow} is not one of import, export and net.", field=block.field)
    quality = _CODES[np.clip(_given(block, kind), 0, 255)]
    return Loose(
        _name(_point_of(document, reading)), _FLOWS.get(flow, Direction.IMPORT), kind.get("powerOfTenMultiplier", 0),
        block.starts, block.starts + block.durations, block.values, quality, reason,
    )  # fmt: skip


def _curves(document: Document) -> Iterator[Curve]:
    room = MOST_SLOTS
    for reading, blocks in _by_reading(document):
        for curve in _curves_of(document, reading, blocks, room):
            room -= len(curve)
            yield curve


def _by_reading(document: Document) -> Iterator[tuple[Links | None, list[Block]]]:
    """The blocks of each MeterReading, in the order of their first."""
    by_reading: dict[int, list[Block]] = {}
    related, own = places_of(document.readings)
    for block in document.blocks:
        near, above = (related.get(block.up), own.get(block.up.rpartition("/")[0])) if block.up else (None, None)
        if near is None and above is None and len(document.readings) > 1:
            raise DecodeError("The block's links lead to no MeterReading.", field=block.field)
        found = near if above is None or (near is not None and near < above) else above
        by_reading.setdefault(found or 0, []).append(block)
    for number, blocks in by_reading.items():
        yield document.readings[number] if document.readings else None, blocks


def _curves_of(document: Document, reading: Links | None, blocks: list[Block], room: int) -> Iterator[Curve]:
    """The curves of a MeterReading, of so many slots together at most."""
    point = _point_of(document, reading)
    kind = _type_of(document, reading, blocks[0].field)
    direction = _checked(kind, blocks[0].field)
    granularity, zone = _granularity(document, point, kind, blocks)
    for some in _together(blocks, granularity):
        whole = _merged(some)
        room -= (whole.end - whole.start) // (granularity.period_s or DAY_S - 3600)
        if room < 0:
            raise FileTooLarge
        try:
            curves = [_curve(point, kind, direction, granularity, zone, whole)]
        except DecodeError:
            curves = [_curve(point, kind, direction, granularity, zone, block) for block in some]
        yield from curves


def _together(blocks: list[Block], granularity: Granularity) -> Iterator[list[Block]]:
    """Blocks of equal slots that follow each other and became known at the same time."""
    some = blocks[:1]
    for before, block in pairwise(blocks):
        follows = block.start == before.end and block.known == before.known and not granularity.civil
        if not follows or block.start % granularity.period_s:
            yield some
            some = []
        some.append(block)
    yield some


def _merged(blocks: list[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    first, names = blocks[0], ("starts", "durations", "values", "quality")
    starts, durations, values, quality = (np.concatenate([getattr(block, name) for block in blocks]) for name in names)
    return Block(
        first.field, first.up, first.known, first.start, blocks[-1].end, starts, durations, values, quality
    )  # fmt: skip


def _point_of(document: Document, reading: Links | None) -> Links | None:
    if reading is not None:
        related, own = document.places_of_points()
        near = [own.get(address) for address in (reading.up, reading.up.rpartition("/")[0], *reading.related)]
        found = [number for number in (*near, related.get(reading.up) if reading.up else None) if number is not None]
        if found:
            return document.points[min(found)]
    if len(document.points) > 1:
        raise DecodeError("The links of a MeterReading lead to no UsagePoint.", field="/entries")
    return document.points[0] if document.points else None


def _type_of(document: Document, reading: Links | None, at: str) -> dict[str, int]:
    for own, kind in document.types.items():
        if reading is not None and own in reading.related:
            return kind
    if len(document.types) != 1:
        raise DecodeError("The links lead to no ReadingType.", field=at)
    return next(iter(document.types.values()))


def _checked(kind: dict[str, int], at: str) -> Direction:
    """The direction of a series of electrical energy in Wh; refuses every other series."""
    if reason := _no_energy(kind, ENERGY_AS_IT_FLOWED):
        raise DecodeError(f"The series is not of energy as it flowed ({reason}).", field=f"{at}/{reason.split()[0]}")
    flow = kind.get("flowDirection", 0)
    if flow not in _FLOWS:
        raise DecodeError(f"The flow direction {flow} is not one of import, export and net.", field=at)
    return _FLOWS[flow]


def _no_energy(kind: dict[str, int], accumulations: tuple[int, ...]) -> str:
    """What makes a series another than electrical energy, accumulated in one of these ways; empty where nothing does.

    A maximum demand summed up, a needle's or an instant's value, and the counters of single tariff times are none.
    """
    expected = {"uom": (WATT_HOURS,), "accumulationBehaviour": accumulations, "commodity": (ELECTRICITY, 0)}
    for name, codes in expected.items():
        if (code := kind.get(name, codes[-1])) not in codes:
            said = ACCUMULATIONS.get(code, "") if name == "accumulationBehaviour" else ""
            return f"{name} {code} {said}".strip()
    return ""


def _weekly(kind: dict[str, int], blocks: list[Block]) -> str:
    """`P7D` of a series of weeks, as it says or its readings are long; else empty."""
    lengths = _lengths(blocks)
    return str(CIVIL_WEEK) if kind.get("timeAttribute") == WEEKLY or (lengths and lengths <= _WEEKS) else ""


def _lengths(blocks: list[Block]) -> set[int]:
    """How long the readings are, in seconds."""
    found: set[int] = set()
    for block in blocks:
        found |= set(block.durations.tolist()) if block.length is None else {block.length}
    return found


def _granularity(
    document: Document, point: Links | None, kind: dict[str, int], blocks: list[Block]
) -> tuple[Granularity, ZoneInfo | None]:
    durations = _lengths(blocks)
    period, at = kind.get("timeAttribute", 0), blocks[0].field
    if period == MONTHLY:
        return CIVIL_MONTH, _zone(document, point)
    if period == WEEKLY:
        return CIVIL_WEEK, _zone(document, point)
    if period == DAILY or (durations and durations <= _CIVIL_DAYS and (len(durations) > 1 or _uneven(blocks))):
        return CIVIL_DAY, _zone(document, point)
    durations = durations or {kind.get("intervalLength", 0)}
    step_s = durations.pop()
    if durations or step_s <= 0 or DAY_S % step_s:
        raise DecodeError("The readings are not of one length that divides a day.", field=at)
    return Granularity(step_s), None


def _uneven(blocks: list[Block]) -> bool:
    """Whether something starts at another hour than midnight in UTC."""
    return any((block.starts % DAY_S).any() or block.start % DAY_S for block in blocks)


def _zone(document: Document, point: Links | None) -> ZoneInfo | None:
    clocks = [clock for own, clock in document.clocks.items() if point is not None and own in point.related]
    clocks = clocks or list(document.clocks.values())
    return zone_by(clocks[0]) if clocks else None


def _civil_edges(block: Block, granularity: Granularity, zone: ZoneInfo | None) -> NDArray[np.int64]:
    if zone is not None:
        return slot_edges(granularity, zone, instant_of(block.start * 10**6), instant_of(block.end * 10**6))
    if not len(block.starts):
        raise DecodeError("Nothing says where its days begin.", field=block.field)
    return np.append(block.starts, block.starts[-1] + block.durations[-1])


def _curve(
    point: Links | None,
    kind: dict[str, int],
    direction: Direction,
    granularity: Granularity,
    zone: ZoneInfo | None,
    block: Block,
) -> Curve:
    if granularity.civil:
        edges = _civil_edges(block, granularity, zone)
        count = len(edges) - 1
        slot = np.searchsorted(edges, block.starts)
        ends = edges[np.minimum(slot + 1, count)]
        between = (edges[np.minimum(slot, count)] != block.starts) | (ends != block.starts + block.durations)
    else:
        step_s = granularity.period_s
        first = block.start // step_s * step_s
        edges, count = np.array([first], np.int64), -(-block.end // step_s) - first // step_s
        slot = (block.starts - first) // step_s
        between = block.starts - first != slot * step_s
    if between.any():
        raise DecodeError("A reading lies between the slots of its series.", field=block.field)
    if (np.diff(slot) <= 0).any() and len(np.unique(slot)) < len(slot):
        raise DecodeError("A slot has two readings.", field=block.field)
    mantissas = np.full(count, MISSING, np.int64)
    mantissas[slot] = block.values
    quality = np.zeros(count, np.uint8)
    quality[slot] = _CODES[np.clip(_given(block, kind), 0, 255)]
    scale = kind.get("powerOfTenMultiplier", 0)
    return piece(_name(point), granularity, direction, scale, edges, mantissas, quality, block.known, block.field)


def _given(block: Block, kind: dict[str, int]) -> NDArray[np.int64]:
    """The quality of each reading, the series' own where a reading has none; validated where neither says it."""
    return np.where(block.quality < 0, kind.get("defaultQuality", int(DEFAULT_QUALITY)), block.quality)


def _name(point: Links | None) -> str:
    return unquote(point.own.rpartition("/")[2]) if point is not None else "unnamed"
