"""What providers declare to cover, and which declarations hold a point or a place; `localise` builds on it."""

from __future__ import annotations

import itertools
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, cast

from meterhall.domain.errors import InvalidInput
from meterhall.domain.pods.registry import SCHEMES

CoverageKind = Literal["operator_code", "identifier_prefix", "postcode", "municipality", "polygon"]
Position = tuple[float, float]
"""Longitude and latitude in degrees (WGS 84, RFC 7946)."""
Ring = tuple[Position, ...]

_MAX_POSITIONS: Final = 2_000
FEWEST_FREE: Final = 4
"""How many characters, besides check characters, a prefix leaves open at least: 10,000 points where they are digits."""
_LONGEST_POSTCODE: Final = 12
_LONGEST_CODE: Final = 16
"""Of an operator code: that of an EIC. One of digits alone is a GLN at most."""
_LONGEST_NUMBER: Final = 13


class InvalidCoverage(InvalidInput):
    code = "coverage_invalid"
    title = "The coverage cannot be understood."


@dataclass(frozen=True, slots=True)
class Coverage:
    """A provider's declaration that it answers for an operator code, a prefix, a place or an area of a country.

    `provider` is an access number; `name` the grid operator's name; `value` of a polygon is GeoJSON text: a ring of
    positions, or a Polygon (RFC 7946 section 3.1.6).
    """

    provider: str
    country: str
    kind: CoverageKind
    value: str
    name: str


def check_coverage(kind: CoverageKind, value: str, *, field: str | None = None) -> None:
    """Refuse, with InvalidCoverage, a value that could never hold a point or a place."""
    if kind == "polygon":
        rings(value, field=field)
    elif not folded(kind, value):
        raise InvalidCoverage("The value is empty.", field=field)


def is_narrow(kind: CoverageKind, country: str, value: str, *, field: str | None = None) -> bool:
    """Whether a value that is how points of delivery begin leaves fewer than `FEWEST_FREE` characters open.

    Raises `InvalidCoverage` for a prefix with which no point of the country begins, and for a code or postal code that
    is longer than any.
    """
    if kind not in {"identifier_prefix", "operator_code", "postcode"}:
        return False
    key = folded(kind, value)
    fitting = [scheme for scheme in SCHEMES if scheme.begins(key, country)]
    if any(scheme.room(key) < FEWEST_FREE for scheme in fitting):
        return True
    if kind == "identifier_prefix" and not any(scheme.country == country for scheme in fitting):
        raise InvalidCoverage("No point of delivery of that country begins so.", field=field)
    longest = {"postcode": _LONGEST_POSTCODE, "operator_code": _LONGEST_NUMBER if key.isdigit() else _LONGEST_CODE}
    if len(key) > longest.get(kind, len(key)):
        raise InvalidCoverage(f"It has at most {longest[kind]} characters.", field=field)
    return False


def rings(value: str, *, field: str | None = None) -> tuple[Ring, ...]:
    """The rings of a GeoJSON ring or Polygon, outer one first. Raises InvalidCoverage."""
    try:
        document = json.loads(value)
        lists = document["coordinates"] if isinstance(document, dict) else [document]
        found = tuple(tuple((float(lon), float(lat)) for lon, lat, *_ in ring) for ring in lists)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidCoverage("A polygon is a GeoJSON ring or Polygon.", field=field) from None
    if isinstance(document, dict) and document.get("type") != "Polygon":
        raise InvalidCoverage("Of GeoJSON's geometries only a Polygon is taken.", field=field)
    if not found or any(len(ring) < 4 or ring[0] != ring[-1] for ring in found):
        raise InvalidCoverage("A ring has at least four positions, and the last is the first.", field=field)
    if sum(map(len, found)) > _MAX_POSITIONS:
        raise InvalidCoverage(f"A polygon has at most {_MAX_POSITIONS} positions.", field=field)
    if not all(-180 <= lon <= 180 and -90 <= lat <= 90 for ring in found for lon, lat in ring):
        raise InvalidCoverage("A position is longitude, then latitude, in degrees.", field=field)
    return found


def folded(kind: CoverageKind, value: str) -> str:
    """A value as it is compared: without case and, for places, without accents and separators.

    Bills print "MALAGA" for "Málaga" and "1000 AA" for "1000AA". Two places that fold alike both come back.
    """
    plain = unicodedata.normalize("NFKC", value).upper()
    if kind == "municipality":
        letters = unicodedata.normalize("NFKD", plain.casefold())
        return " ".join("".join(c if c.isalnum() else " " for c in letters if not unicodedata.combining(c)).split())
    return "".join(c for c in plain if c.isalnum() or (kind == "identifier_prefix" and c == "-"))


def holds(area: tuple[Ring, ...], position: Position) -> bool:
    """Whether a position lies in a polygon (even-odd rule, holes left out); its border belongs to it.

    A border between two operators so belongs to both: the answer shows both rather than choosing one.
    """
    edges = [edge for ring in area for edge in itertools.pairwise(ring)]
    if any(_on_edge(start, end, position) for start, end in edges):
        return True
    return sum(_crosses(start, end, position) for start, end in edges) % 2 == 1


def _on_edge(start: Position, end: Position, position: Position) -> bool:
    (x1, y1), (x2, y2), (x, y) = start, end, position
    across = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
    return across == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2)


def _crosses(start: Position, end: Position, position: Position) -> bool:
    (x1, y1), (x2, y2), (x, y) = start, end, position
    return (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1


class CoverageIndex:
    """The declarations of all providers, found by value. Built once, asked for many items. Raises InvalidCoverage."""

    def __init__(self, coverages: Iterable[Coverage]) -> None:
        self._exact: defaultdict[tuple[CoverageKind, str, str], list[Coverage]] = defaultdict(list)
        self._prefixes: defaultdict[str, list[tuple[str, Coverage]]] = defaultdict(list)
        self._areas: defaultdict[str, list[tuple[tuple[Ring, ...], Coverage]]] = defaultdict(list)
        for coverage in coverages:
            self._add(coverage)

    def _add(self, coverage: Coverage) -> None:
        if coverage.kind == "polygon":
            self._areas[coverage.country].append((rings(coverage.value), coverage))
            return
        key = folded(coverage.kind, coverage.value)
        if not key:
            raise InvalidCoverage("The value is empty.")
        self._exact[coverage.kind, coverage.country, key].append(coverage)
        if coverage.kind == "identifier_prefix":
            self._prefixes[coverage.country].append((key, coverage))

    def by_operator_code(self, country: str, codes: Iterable[str]) -> Iterator[Coverage]:
        for code in codes:
            yield from self._exact.get(("operator_code", country, folded("operator_code", code)), ())

    def by_prefix(self, country: str, beginning: str) -> Iterator[Coverage]:
        """Declarations of a prefix that `beginning` (a whole POD, or how it begins) certainly has."""
        for length in range(1, len(beginning) + 1):
            yield from self._exact.get(("identifier_prefix", country, beginning[:length]), ())

    def by_longer_prefix(self, country: str, beginning: str) -> Iterator[Coverage]:
        """Declarations of a longer prefix than `beginning`, which a POD that begins so may or may not have."""
        for key, coverage in self._prefixes.get(country, ()):
            if len(key) > len(beginning) and key.startswith(beginning):
                yield coverage

    def by_place(
        self, country: str, postcode: str | None, municipality: str | None, position: Position | None
    ) -> Iterator[Coverage]:
        """Declarations that hold any of the named traits of a place."""
        for kind, value in (("postcode", postcode), ("municipality", municipality)):
            if value:
                key = folded(cast(CoverageKind, kind), value)
                yield from self._exact.get((cast(CoverageKind, kind), country, key), ())
        if position is not None:
            yield from (coverage for area, coverage in self._areas.get(country, ()) if holds(area, position))
