"""Writing the document: who sends what to whom, each curve as a TimeSeries, in XML or in its JSON twin.

One file is one `MarketDocument`, and a file without curves an envelope without one. A curve is a `TimeSeries` (of
59,904 slots at most) whose `dateAndOrTime.dateTime` is when it became known, to the microsecond: `createdDateTime`, of
which a document has only one, is that of the file. A slot without a value is a `Point` of quality A02 without a number.
`position` counts from the start of its `Period`; a `Period` ends after 9,984 Points, and where a quality begins or ends
that needs words (`codes`). Civil days are `P1D` Periods of days of one length, so that start and end give every edge
without a zone; no such Period goes past a European clock change. Civil weeks and months are Periods of one Point
each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, pairwise
from typing import Final, Protocol
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings import CivilCurve, Curve, Direction
from meterhall.domain.readings.rows import instant_of
from meterhall.formats.base import Block, EncodeError, PartHeader
from meterhall.formats.cim.codes import (
    ACCESS_TO_METERED_DATA,
    ACTIVE_ENERGY,
    BUSINESS,
    COMPLEMENTARY,
    COUNTRIES,
    DELTA,
    ENERGY_SERVICE_COMPANY,
    FLOW,
    MEASUREMENT,
    METERED_DATA_ADMINISTRATOR,
    SPOKEN,
    SPOKEN_FOR,
    UNSPOKEN,
)
from meterhall.formats.cim.points import MOST_POINTS, Buffer, Points, PointText, all_alike
from meterhall.formats.pieces import parts
from meterhall.formats.rows import Blocks
from meterhall.formats.text import granularity_of, instant_text

_SERIES: Final = 6 * MOST_POINTS
_EUROPEAN: Final = ZoneInfo("Europe/Brussels")


@dataclass(frozen=True, slots=True)
class Coded:
    """An id and the scheme it is of."""

    value: str
    scheme: str


@dataclass(frozen=True, slots=True)
class Interval:
    """From and until, to the minute."""

    start: str
    end: str


Fields = tuple[tuple[str, str | Coded | Interval], ...]
"""Elements in the schema's order."""


class Notation(Protocol):
    """How the document is spelled."""

    @property
    def point(self) -> PointText:
        """What stands around the numbers of a Point."""

    def opening(self, envelope: Fields) -> str:
        """The beginning of the file."""

    def document(self, fields: Fields) -> str:
        """The beginning of the MarketDocument, up to its series."""

    def series(self, before: Fields, after: Fields, first: bool) -> tuple[bytes, bytes]:
        """The beginning of a TimeSeries, up to its Periods, and its end."""

    def period(self, before: Fields, points: Iterator[Buffer], after: Fields, first: bool) -> Iterator[Buffer]:
        """A Period."""

    def closing(self, empty: bool) -> str:
        """The end of the file, which may have no series."""


def encode(curves: Iterable[Curve], header: PartHeader, notation: Notation) -> Iterator[Block]:
    """The file in blocks. Raises `EncodeError`.

    The document says its period first. Where the header does not, all curves are held to learn it.
    """
    out = Blocks()
    for piece in _pieces(curves, header, notation):
        out.add(piece)
        yield from out.full()
    yield out.rest()


def _pieces(curves: Iterable[Curve], header: PartHeader, notation: Notation) -> Iterator[Buffer]:
    """The file piece by piece, each to be copied before the next is asked for."""
    blocks = parts(curves, lambda curve: list(range(_SERIES, len(curve), _SERIES)))
    yield notation.opening(_envelope(header)).encode()
    period = header.period
    if period is None:
        held = list(blocks)
        blocks = iter(held)
        if held:
            period = min(one.start for one in held), max(one.end for one in held)
    first, file = next(blocks, None), _File(header, notation)
    if first is not None and period is not None:
        yield notation.document(_document(file.own, header, period)).encode()
        for block in chain([first], blocks):
            yield from file.series(block)
    yield notation.closing(first is None).encode()


def _envelope(header: PartHeader) -> Fields:
    return (
        ("messageDocumentHeader.creationDateTime", _seconds_text(header.updated_at)),
        ("messageDocumentHeader.metaInformation.documentType", "validated-historical-data-market-document"),
        ("messageDocumentHeader.metaInformation.region.connector", "meterhall"),
        ("messageDocumentHeader.metaInformation.region.country", header.country),
    )


def _document(own: str, header: PartHeader, period: tuple[datetime, datetime]) -> Fields:
    return (
        ("mRID", own),
        ("revisionNumber", "104"),
        ("description", header.title),
        ("type", MEASUREMENT),
        ("createdDateTime", _seconds_text(header.updated_at)),
        ("sender_MarketParticipant.mRID", _party(header.provider, header)),
        ("sender_MarketParticipant.marketRole.type", METERED_DATA_ADMINISTRATOR),
        ("receiver_MarketParticipant.mRID", _party(header.requester, header)),
        ("receiver_MarketParticipant.marketRole.type", ENERGY_SERVICE_COMPANY),
        ("period.timeInterval", Interval(_minute(int(period[0].timestamp())), _minute(int(period[1].timestamp())))),
        ("process.processType", ACCESS_TO_METERED_DATA),
    )


def _seconds_text(instant: datetime) -> str:
    return instant_text(instant.replace(microsecond=0))


def _scheme(header: PartHeader) -> str:
    if header.country not in COUNTRIES:
        raise EncodeError(f"CIM 1.04 has no coding scheme of {header.country}.", field="/country")
    return f"N{header.country}"


def _party(name: str, header: PartHeader) -> Coded:
    if len(name) > 16:
        raise EncodeError("CIM gives a market participant 16 characters.", field="/provider")
    return Coded(name, _scheme(header))


@lru_cache(maxsize=4096)
def _minute(seconds: int) -> str:
    if seconds % 60:
        raise EncodeError("CIM gives the start of a period to the minute.", field="/start")
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")


class _File:
    """One file on its way out: how many series it has by now, and what they have in common."""

    def __init__(self, header: PartHeader, notation: Notation) -> None:
        name = f"urn:meterhall:{header.delivery_id}:{header.part_number}:{header.base_url}:cim"
        self.own = str(uuid5(NAMESPACE_URL, name))
        self._scheme = _scheme(header)
        self._notation = notation
        self._points = Points(notation.point)
        self._number = 0

    def series(self, curve: Curve) -> Iterator[Buffer]:
        """A TimeSeries."""
        self._number += 1
        resolution, start_at = str(granularity_of(curve)), _start_at(curve)
        head, tail = self._notation.series(*self._fields(curve), self._number == 1)
        if curve.series.direction is Direction.NET:
            curve = replace(curve, mantissas=-curve.mantissas)
        spoken = _spoken(curve)
        yield head
        for low, high in pairwise(_bounds(curve, spoken)):
            interval = Interval(_minute(start_at(low)), _minute(start_at(high)))
            yield from self._notation.period(
                (("resolution", resolution), ("timeInterval", interval)),
                self._points.of(curve, low, high),
                _reason(UNSPOKEN if spoken is None else int(spoken[low])),
                not low,
            )
        yield tail

    def _fields(self, curve: Curve) -> tuple[Fields, Fields]:
        """What stands before the Periods of a curve, and what behind them."""
        of = curve.series
        if len(of.usage_point) > 60 or not of.usage_point.isprintable():
            raise EncodeError("CIM gives a usage point 60 printable characters.", field="/usage_point")
        before: Fields = (
            ("version", "1"),
            ("mRID", f"{self.own}/{self._number}"),
            ("businessType", BUSINESS[of.direction]),
            ("product", ACTIVE_ENERGY),
            ("dateAndOrTime.dateTime", instant_text(curve.available_at)),
            ("energy_Measurement_Unit.name", "KWH"),
            ("flowDirection.direction", FLOW[of.direction]),
        )
        after: Fields = (
            ("marketEvaluationPoint.mRID", Coded(of.usage_point, self._scheme)),
            ("marketEvaluationPoint.meterReadings.readings.readingType.accumulation", DELTA),
        )
        return before, after


def _start_at(curve: Curve) -> Callable[[int], int]:
    """Seconds since 1970 at which a slot starts."""
    if isinstance(curve, CivilCurve):
        edges = curve.edges
        return lambda slot: int(edges[slot])
    first, step_s = int(curve.start.timestamp()), curve.series.resolution_s
    return lambda slot: first + slot * step_s


def _spoken(curve: Curve) -> NDArray[np.uint8] | None:
    """By slot: our quality where it has to be said in words, else `UNSPOKEN`; a slot without a value has the last's.

    None where nothing is to be said.
    """
    if SPOKEN_FOR[curve.quality[0]] == UNSPOKEN and all_alike(curve.quality):
        return None
    spoken: NDArray[np.uint8] = SPOKEN_FOR.take(curve.quality)
    if spoken.min() == UNSPOKEN:
        return None
    present = curve.present
    if present.all():
        return spoken
    there = np.flatnonzero(present)
    if not len(there):
        return None
    last = np.maximum.accumulate(np.where(present, np.arange(len(curve)), there[0]))
    return spoken[last]


def _reason(spoken: int) -> Fields:
    return () if spoken == UNSPOKEN else (("reason.code", COMPLEMENTARY), ("reason.text", f"{SPOKEN}{spoken}"))


def _bounds(curve: Curve, spoken: NDArray[np.uint8] | None) -> list[int]:
    """The slots at which a Period begins, and the end."""
    bounds = {*range(0, len(curve), MOST_POINTS), len(curve)}
    if spoken is not None:
        bounds |= set((np.flatnonzero(spoken[1:] != spoken[:-1]) + 1).tolist())
    if isinstance(curve, CivilCurve):
        bounds |= _civil_bounds(curve)
    return sorted(bounds)


def _civil_bounds(curve: CivilCurve) -> set[int]:
    if curve.series.granularity.most_days > 1:
        return set(range(len(curve)))
    offsets = [instant_of(edge * 10**6).astimezone(_EUROPEAN).utcoffset() for edge in curve.edges.tolist()]
    lengths = np.diff(curve.edges).tolist()
    kinds = [(length, before != after) for length, (before, after) in zip(lengths, pairwise(offsets), strict=True)]
    return {place for place in range(1, len(kinds)) if kinds[place] != kinds[place - 1]}
