"""What a document says made into load curves, whichever way it was spelled. Neither XML nor JSON is read here.

Read is active energy as it flowed. Registers, power, reactive energy, other commodities, slots that do not begin on the
edge of one and periods that hold no whole number of slots are refused rather than guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

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
    zone_of,
)
from meterhall.domain.readings.curves import DAY_S
from meterhall.domain.readings.resampling import slot_edges
from meterhall.domain.readings.rows import instant_of
from meterhall.formats.base import MOST_SLOTS, DecodeError, FileTooLarge
from meterhall.formats.cim.codes import (
    ACTIVE_ENERGY,
    ACTIVE_POWER,
    BOTH,
    DELTA,
    DOWN,
    NET,
    QUALITY_READ,
    QUALITY_WRITTEN,
    SPOKEN,
    UNITS,
    UP,
)
from meterhall.formats.pieces import joined, piece
from meterhall.formats.text import int64_of, read_decimals, read_granularity, read_instant, read_seconds

ACCUMULATION: Final = "marketEvaluationPoint.meterReadings.readings.readingType.accumulation"
COMMODITY: Final = "marketEvaluationPoint.meterReadings.readings.readingType.commodity"
POINT, KNOWN, UNIT = "marketEvaluationPoint.mRID", "dateAndOrTime.dateTime", "energy_Measurement_Unit.name"
QUANTITY, QUALITY = "energy_Quantity.quantity", "energy_Quantity.quality"

_EXPECTED: Final = {"product": (ACTIVE_ENERGY, ACTIVE_POWER), ACCUMULATION: ("0", DELTA), COMMODITY: ("0", "1", "2")}
_FLOWS: Final = {DOWN: Direction.IMPORT, UP: Direction.EXPORT}
_ZONES: Final = ("Europe/Brussels", "Europe/Lisbon", "Europe/Athens", "Atlantic/Azores")
_CENTURY_S: Final = 36_525 * DAY_S
_DECIMAL: Final = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})", re.ASCII)
_DURATION: Final = re.compile(
    r"P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})(?:\.0{1,9})?S)?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class PeriodRead:
    """A Period as its texts; a Point without a quantity or a quality has an empty one."""

    field: str
    resolution: str
    start: str
    end: str
    positions: list[str]
    quantities: list[str]
    qualities: list[str]
    reason: str


@dataclass(frozen=True, slots=True)
class SeriesRead:
    """A TimeSeries: its single elements by name, and its Periods."""

    field: str
    facts: dict[str, str]
    created: str
    periods: list[PeriodRead]


@dataclass(slots=True)
class _Piece:
    usage_point: str
    granularity: Granularity
    direction: Direction
    known: datetime
    field: str
    edges: NDArray[np.int64]
    mantissas: NDArray[np.int64]
    quality: NDArray[np.uint8]
    scale: int


def curves_of(read: Iterable[SeriesRead]) -> list[Curve]:
    """The curves of a document's series. Raises `DecodeError` and `FileTooLarge`."""
    pieces: list[_Piece] = []
    slots = 0
    for series in read:
        for one in _pieces(series, MOST_SLOTS - slots):
            slots += len(one.mantissas)
            pieces.append(one)
    _to_one_scale(pieces)
    return joined(
        piece(
            one.usage_point, one.granularity, one.direction, one.scale, one.edges, one.mantissas, one.quality,
            one.known, one.field,
        )
        for one in pieces
    )  # fmt: skip


def _pieces(series: SeriesRead, room: int) -> Iterator[_Piece]:
    facts, at = series.facts, series.field
    for name, codes in _EXPECTED.items():
        if facts.get(name, codes[0]) not in codes:
            raise DecodeError(f"The series is not of active energy as it flowed ({name}).", field=f"{at}/{name}")
    if facts.get(UNIT) not in UNITS:
        raise DecodeError("The unit is not one of KWH, MWH and GWH.", field=f"{at}/{UNIT}")
    direction = _direction(facts, at)
    usage_point, unit = facts.get(POINT, ""), UNITS[facts[UNIT]]
    if not usage_point:
        raise DecodeError("The series names no metering point.", field=f"{at}/{POINT}")
    if facts.get(KNOWN):
        known = read_instant(facts[KNOWN], f"{at}/{KNOWN}")
    else:
        known = read_instant(series.created, "/MarketDocument/createdDateTime")
    for period in series.periods:
        granularity = read_resolution(period.resolution, f"{period.field}/resolution")
        edges, slots = _edges(period, granularity, room)
        room -= slots
        mantissas, quality, scale = _columns(period, slots)
        if direction is Direction.NET:
            mantissas = -mantissas
        yield _Piece(
            usage_point, granularity, direction, known, period.field, edges, mantissas, quality, scale + unit
        )  # fmt: skip


def _direction(facts: dict[str, str], at: str) -> Direction:
    """The direction, and net where the business is: then production is positive, whatever the direction says."""
    flow, net = facts.get("flowDirection.direction"), facts.get("businessType") == NET
    if net and flow in (UP, BOTH):
        return Direction.NET
    if net or flow not in _FLOWS:
        raise DecodeError(
            "The direction is neither UP nor DOWN, nor that of a net.", field=f"{at}/flowDirection.direction"
        )
    return _FLOWS[flow]


def read_resolution(text: str, field: str) -> Granularity:
    """The granularity an `xs:duration` names: `PT15M`, `P0Y0M1DT0H0M0.000S`. Raises `DecodeError`."""
    match = _DURATION.fullmatch(text)
    years, months, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0,) * 6
    timed = hours * 3600 + minutes * 60 + seconds
    if (years, months, days, timed) == (0, 0, 1, 0):
        return CIVIL_DAY
    if (years, months, days, timed) == (0, 0, 7, 0):
        return CIVIL_WEEK
    if (years, months, days, timed) == (0, 1, 0, 0):
        return CIVIL_MONTH
    if years or months or days or not 0 < timed <= DAY_S:
        raise DecodeError("The resolution is not P1D, P7D, P1M or a time that divides a day.", field=field)
    return read_granularity(str(Granularity(timed)), field)


def _edges(period: PeriodRead, granularity: Granularity, room: int) -> tuple[NDArray[np.int64], int]:
    """The edges of the period's slots (of equal ones just the first), and how many slots they are."""
    at = f"{period.field}/timeInterval"
    start, end = read_seconds(period.start, f"{at}/start"), read_seconds(period.end, f"{at}/end")
    if end <= start:
        raise DecodeError("A period ends after it starts.", field=f"{at}/end")
    if granularity.civil:
        edges = _civil_edges(granularity, start, end) if end - start <= _CENTURY_S else None
        if edges is None:
            raise DecodeError("Nothing says where its days, weeks or months begin.", field=at)
        slots = len(edges) - 1
    else:
        edges = np.array([start], np.int64)
        slots, rest = divmod(end - start, granularity.period_s)
        if rest:
            raise DecodeError("A period holds a whole number of slots.", field=f"{at}/end")
    if slots > room:
        raise FileTooLarge
    return edges, slots


@lru_cache(maxsize=256)
def _civil_edges(granularity: Granularity, start: int, end: int) -> NDArray[np.int64] | None:
    """The edges of the civil days, weeks or months of the European clock at whose midnights the period starts and ends;
    weeks are counted from its start.

    Where there is none: one slot as long as a day, week or month can be, or days of 24 hours. None: neither.
    """
    first, last = instant_of(start * 10**6), instant_of(end * 10**6)
    for name in _ZONES:
        edges = slot_edges(granularity, zone_of(name), first, last)
        if (int(edges[0]), int(edges[-1])) == (start, end):
            return edges
        if granularity == CIVIL_WEEK:
            days = slot_edges(CIVIL_DAY, zone_of(name), first, last)
            if (int(days[0]), int(days[-1])) == (start, end) and len(days) % 7 == 1:
                return days[::7]
    longest = granularity.most_days
    shortest = 28 if granularity.monthly else longest
    if shortest * DAY_S - 3600 <= end - start <= longest * DAY_S + 3600:
        return np.array([start, end], np.int64)
    if granularity == CIVIL_DAY and (end - start) % DAY_S == 0:
        return np.arange(start, end + 1, DAY_S, dtype=np.int64)
    return None


def _columns(period: PeriodRead, slots: int) -> tuple[NDArray[np.int64], NDArray[np.uint8], int]:
    """Values and qualities of the period's slots, and the scale of the values in the unit of the series."""
    places = _places(period, slots)
    values, scale = _decimals(period)
    codes = _qualities(period)
    if len(places) == slots and (places == np.arange(slots)).all():
        return values, codes, scale
    mantissas, quality = np.full(slots, MISSING, np.int64), np.zeros(slots, np.uint8)
    mantissas[places], quality[places] = values, codes
    return mantissas, quality, scale


def _places(period: PeriodRead, slots: int) -> NDArray[np.int64]:
    """The slot of each Point: an index from the period's start on, whatever the order of the Points."""
    if len(period.positions) <= slots and period.positions == _usual(len(period.positions)):
        return np.arange(len(period.positions))
    for number, text in enumerate(period.positions):
        if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) <= slots):
            raise DecodeError(
                f"A position is an index from 1 to {slots}, the slots of its period.",
                field=f"{period.field}/Point/{number}/position",
            )
    places = int64_of([int(text) for text in period.positions], period.field) - 1
    if len(np.unique(places)) < len(places):
        raise DecodeError("A position comes twice.", field=f"{period.field}/Point")
    return places


@lru_cache(maxsize=16)
def _usual(points: int) -> list[str]:
    return [str(position) for position in range(1, points + 1)]


def _decimals(period: PeriodRead) -> tuple[NDArray[np.int64], int]:
    try:
        return read_decimals(period.quantities, f"{period.field}/Point")
    except DecodeError:
        plain = [_plain(text, f"{period.field}/Point/{at}/{QUANTITY}") for at, text in enumerate(period.quantities)]
        return read_decimals(plain, f"{period.field}/Point")


def _plain(text: str, field: str) -> str:
    """An `xs:decimal` without what it may leave out: a plus sign, a digit before or after the point."""
    if text and _DECIMAL.fullmatch(text) is None:
        raise DecodeError("The quantity is no decimal number.", field=field)
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text.removeprefix("+"))
    whole, _, decimals = digits.partition(".")
    return f"{sign}{whole or '0'}.{decimals or '0'}" if text else ""


def _qualities(period: PeriodRead) -> NDArray[np.uint8]:
    known: dict[str, int] = dict(QUALITY_READ)
    spoken = period.reason.removeprefix(SPOKEN) if period.reason.startswith(SPOKEN) else ""
    if spoken.isascii() and spoken.isdigit() and (code := int(spoken[:4])) in QUALITY_WRITTEN:
        known[QUALITY_WRITTEN[Quality(code)]] = code
    try:
        return np.array([known[text] for text in period.qualities], np.uint8)
    except KeyError:
        number = next(at for at, text in enumerate(period.qualities) if text not in known)
        raise DecodeError(
            "The quality is not a known code.", field=f"{period.field}/Point/{number}/{QUALITY}"
        ) from None


def _to_one_scale(pieces: list[_Piece]) -> None:
    """Brings the pieces of a series to the finest scale any of them has, where the values can bear it."""
    finest: dict[object, int] = {}
    for one in pieces:
        key = one.usage_point, one.granularity, one.direction
        if (one.mantissas != MISSING).any():
            finest[key] = min(finest.get(key, one.scale), one.scale)
    for one in pieces:
        scale = finest.get((one.usage_point, one.granularity, one.direction), 0)
        one.mantissas, one.scale = _scaled(one.mantissas, one.scale, scale)


def _scaled(mantissas: NDArray[np.int64], scale: int, finest: int) -> tuple[NDArray[np.int64], int]:
    present = mantissas != MISSING
    if scale == finest or not present.any():
        return mantissas, finest
    factor, values = 10 ** (scale - finest), mantissas[present]
    if max(abs(int(values.min())), abs(int(values.max()))) * factor >= 2**63:
        return mantissas, scale
    scaled = mantissas.copy()
    scaled[present] = values * factor
    return scaled, finest
