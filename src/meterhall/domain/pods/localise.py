"""Localisation (step 4): from a POD, an operator part or a place to everyone who may hold it. Nothing is remembered.

A POD or operator part is held against the published tables and the coverage that providers declared; where that names
nobody, the place of the bill is held against declared coverage. All candidates are returned, each with its reason and
confidence; where two providers claim the same item both are marked `conflict`. Nobody is ever guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from meterhall.domain.pods.coverage import Coverage, CoverageIndex, Position
from meterhall.domain.pods.errors import InvalidPod
from meterhall.domain.pods.operators import Operator, operators
from meterhall.domain.pods.pod import Confidence, Pod
from meterhall.domain.pods.reading import read
from meterhall.domain.pods.registry import BY_CODE

UNRESOLVED: Final = {
    "operator_unknown": "The operator part is well formed; no table and no provider names its operator.",
    "scheme_only": "The scheme is known; its numbers do not name an operator, and no provider covers this one.",
    "pod_ambiguous": "The number fits several countries and no provider covers it: name the country.",
    "no_coverage": "No provider declares to cover this place.",
    "pod_unknown_scheme": "There is no such scheme of points of delivery.",
    "pod_operator_part_invalid": "The operator part does not have the shape its scheme prescribes.",
}
"""Why an item stays unresolved: stable codes with their sentence. The codes of InvalidPod occur as well."""


@dataclass(frozen=True, slots=True)
class Question:
    """One item: `pod`; or `scheme` with `operator_part`; or `country` with a place. The POD never shows in the repr.

    A place beside a POD or a scheme is the fallback where that names nobody. `position` is (longitude, latitude).
    """

    pod: str | None = field(default=None, repr=False)
    scheme: str | None = None
    operator_part: str | None = None
    country: str | None = None
    postcode: str | None = field(default=None, repr=False)
    municipality: str | None = field(default=None, repr=False)
    position: Position | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Located:
    """An operator that may hold the item. `provider` (access number) is None where nobody enrolled serves it.

    `reason` and `confidence` are those of the weakest link: `table` with the table's confidence where only a table
    speaks, `coverage` (or `conflict`) and `declared` where a provider says so itself, though a table name its operator.
    """

    provider: str | None
    operator: str
    operator_code: str | None
    scheme: str | None
    country: str
    reason: Literal["table", "coverage", "conflict"]
    confidence: Literal["published", "recalled", "declared"]


@dataclass(frozen=True, slots=True)
class Localisation:
    """All candidates of one item; or none and the `code` of UNRESOLVED or InvalidPod that says why.

    `level` is how far it got: `operator`, `scheme` or `none`. `warnings` are codes of `WARNINGS`, and
    `operator_part_short` where a declared prefix is longer than the part and so only may hold the item.
    """

    level: Literal["operator", "scheme", "none"]
    candidates: tuple[Located, ...] = ()
    scheme: str | None = None
    country: str | None = None
    code: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Point:
    """What is known of a point in one scheme; `beginning` is the whole POD or as much of it as was sent."""

    scheme: str
    country: str
    operator_part: str | None
    beginning: str | None = field(repr=False)
    whole: bool


def localise(questions: Iterable[Question], coverage: Iterable[Coverage]) -> tuple[Localisation, ...]:
    """An answer for each question, in order. An item's fault is its answer, not an error of the call."""
    index = CoverageIndex(coverage)
    return tuple(localise_one(question, index) for question in questions)


def localise_one(question: Question, index: CoverageIndex) -> Localisation:
    """The answer for one question."""
    if question.pod is not None:
        return _of_pod(question, question.pod, index)
    if question.scheme is not None:
        return _of_scheme(question, question.scheme, index)
    found = _conflicts(_of_place(question, question.country, index))
    country = question.country
    if found:
        return Localisation("operator", found, country=country)
    return Localisation("none", country=country, code="no_coverage")


def _of_pod(question: Question, text: str, index: CoverageIndex) -> Localisation:
    try:
        readings = read(text, country=question.country)
    except InvalidPod as error:
        return Localisation("none", country=question.country, code=error.code)
    likely = [reading for reading in readings if reading.confidence is not Confidence.POSSIBLE] or readings
    points = [_point(reading.pod) for reading in readings]
    warnings = tuple(dict.fromkeys(code for reading in likely for code in reading.warnings))
    return _answer(question, points, warnings, index, likely=len(likely))


def _point(pod: Pod) -> _Point:
    return _Point(pod.scheme, pod.country, pod.operator_part, pod.value, whole=True)


def _of_scheme(question: Question, code: str, index: CoverageIndex) -> Localisation:
    scheme = BY_CODE.get(code)
    if scheme is None:
        return Localisation("none", country=question.country, code="pod_unknown_scheme")
    part = question.operator_part
    if part is not None and not (scheme.operator_grammar and scheme.operator_grammar.fullmatch(part)):
        return Localisation("scheme", (), scheme.code, scheme.country, "pod_operator_part_invalid")
    point = _Point(scheme.code, scheme.country, part, scheme.prefix(part), whole=False)
    return _answer(question, [point], (), index, likely=1)


def _answer(
    question: Question, points: list[_Point], warnings: tuple[str, ...], index: CoverageIndex, *, likely: int
) -> Localisation:
    """All that may hold one of `points`, the `likely` ones first; one alone that is likely names scheme and country."""
    only = points[0] if likely == 1 else None
    scheme, country = (only.scheme, only.country) if only else (None, None)
    found: list[Located] = []
    for point in points:
        located, short = _of_point(point, index)
        found += located
        warnings += ("operator_part_short",) if short and "operator_part_short" not in warnings else ()
    if not found:
        found = [replace(c, scheme=scheme) for c in _of_place(question, country or question.country, index)]
        found = list(_conflicts(found))
    if found:
        return Localisation("operator", tuple(dict.fromkeys(found)), scheme, country, None, warnings)
    if only is None:
        return Localisation("none", (), None, None, "pod_ambiguous", warnings)
    code = "operator_unknown" if only.operator_part else "scheme_only"
    return Localisation("scheme", (), scheme, country, code, warnings)


def _of_point(point: _Point, index: CoverageIndex) -> tuple[tuple[Located, ...], bool]:
    """The candidates of one point, and whether some of them only may hold it."""
    rows = operators(point.scheme, point.operator_part) if point.operator_part else ()
    sure = _conflicts(_declared(coverage, point, rows) for coverage in _certain(point, rows, index))
    unsure: tuple[Located, ...] = ()
    if point.beginning and not point.whole:
        unsure = tuple(_declared(c, point, rows) for c in index.by_longer_prefix(point.country, point.beginning))
    tabled = () if sure else tuple(_tabled(row, point) for row in rows)
    return (*sure, *unsure, *tabled), bool(unsure)


def _certain(point: _Point, rows: tuple[Operator, ...], index: CoverageIndex) -> Iterator[Coverage]:
    if point.operator_part:
        codes = dict.fromkeys((point.operator_part, *(row.code for row in rows)))
        yield from index.by_operator_code(point.country, codes)
    if point.beginning:
        yield from index.by_prefix(point.country, point.beginning)


def _of_place(question: Question, country: str | None, index: CoverageIndex) -> Iterator[Located]:
    if country is None:
        return
    place = index.by_place(country, question.postcode, question.municipality, question.position)
    for coverage in place:
        yield Located(coverage.provider, coverage.name, None, None, coverage.country, "coverage", "declared")


def _declared(coverage: Coverage, point: _Point, rows: tuple[Operator, ...]) -> Located:
    name = rows[0].name if len(rows) == 1 else coverage.name
    code = rows[0].code if len(rows) == 1 else point.operator_part
    return Located(coverage.provider, name, code, point.scheme, point.country, "coverage", "declared")


def _tabled(row: Operator, point: _Point) -> Located:
    return Located(None, row.name, row.code, point.scheme, point.country, "table", row.confidence)


def _conflicts(found: Iterable[Located]) -> tuple[Located, ...]:
    """The candidates without repetition, all marked `conflict` where more than one provider claims the item."""
    distinct = tuple(dict.fromkeys(found))
    if len({candidate.provider for candidate in distinct}) < 2:
        return distinct
    return tuple(replace(candidate, reason="conflict") for candidate in distinct)
