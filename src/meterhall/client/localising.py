"""Who holds which point (step 4). Only what names the operator leaves this machine, each part once; never a POD."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meterhall.client.desk import Desk
from meterhall.client.pods import Examined, Line, Pods, examined, lines_of
from meterhall.domain.protocol.localisation import (
    LocalisationAnswer,
    LocalisationCandidate,
    LocalisationItem,
    LocalisationReply,
    LocalisationRequest,
)

if TYPE_CHECKING:
    import polars as pl

AT_A_TIME = 5_000
NOT_SENT = "nothing_to_send"


@dataclass(frozen=True, slots=True)
class Place:
    """One line of the list and who may hold its point. `candidates` holds all of them; there is never a silent guess.

    `provider`, `operator` and `offers` are set where exactly one enrolled provider holds it; else `code` says why not.
    """

    line: Line
    pod: str = field(repr=False)
    scheme: str | None = None
    country: str | None = None
    provider: str | None = None
    operator: str | None = None
    offers: tuple[str, ...] = ()
    code: str | None = None
    detail: str | None = None
    candidates: tuple[LocalisationCandidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Localised:
    """The answer for each line, in order."""

    places: tuple[Place, ...]

    def __iter__(self) -> Iterator[Place]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def unresolved(self) -> tuple[Place, ...]:
        """The lines of which no single enrolled provider is known, each with its code."""
        return tuple(place for place in self.places if place.provider is None)

    def lines(self, provider: str) -> list[Line]:
        """The lines whose POD a provider (access number) holds, each POD once, as `activate` takes them.

        A line keeps its country, without which some numbers fit several schemes.
        """
        found: dict[str, Line] = {}
        for place in self.places:
            if place.provider == provider:
                found.setdefault(place.pod, place.line)
        return list(found.values())

    @property
    def providers(self) -> tuple[str, ...]:
        """The access numbers of the providers that hold something, the one with most points first."""
        counts: dict[str, int] = {}
        for place in self.places:
            if place.provider:
                counts[place.provider] = counts.get(place.provider, 0) + 1
        return tuple(sorted(counts, key=lambda number: -counts[number]))

    @property
    def frame(self) -> pl.DataFrame:
        """One row a line: pod, scheme, country, provider, operator, offers, code, detail."""
        import polars as pl

        names = ("pod", "scheme", "country", "provider", "operator", "code", "detail")
        columns = {name: [getattr(place, name) for place in self.places] for name in names}
        frame = pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))
        return frame.with_columns(
            pl.Series("offers", [list(place.offers) for place in self.places], pl.List(pl.String))
        )


def localise(desk: Desk, source: Pods) -> Localised:
    """Test every POD here and ask the Market Place about what names its operator. Raises like `Line.call`."""
    found = examined(lines_of(source))
    questions: dict[LocalisationItem, list[int]] = {}
    for at, one in enumerate(found):
        item = question(one)
        if item is not None:
            questions.setdefault(item, []).append(at)
    places = [_unasked(one) for one in found]
    asked = list(questions)
    for first in range(0, len(asked), AT_A_TIME):
        some = asked[first : first + AT_A_TIME]
        for answer in _ask(desk, some).answers:
            for at in questions[some[answer.index]]:
                places[at] = _answered(found[at], answer)
        desk.tell("localise", min(first + AT_A_TIME, len(asked)), len(asked), "questions")
    return Localised(tuple(places))


def question(one: Examined) -> LocalisationItem | None:
    """What is asked of a line: its operator part; where the scheme has none, the bill's place; never the POD."""
    line, pod = one.line, one.pod
    if pod is None and line.written:
        return None
    country = pod.country if pod else line.country
    if pod is not None and pod.operator_part:
        return LocalisationItem(scheme=pod.scheme, operator_part=pod.operator_part)
    if country and (line.postcode or line.municipality):
        return LocalisationItem(country=country, postcode=line.postcode, municipality=line.municipality)
    return LocalisationItem(scheme=pod.scheme) if pod else None


def _ask(desk: Desk, items: Iterable[LocalisationItem]) -> LocalisationReply:
    request = LocalisationRequest(items=tuple(items))
    return desk.marketplace.call("POST", "/v1/localisations", request, LocalisationReply)


def _unasked(one: Examined) -> Place:
    scheme, country = (one.pod.scheme, one.pod.country) if one.pod else (None, one.line.country)
    detail = one.detail or "The line has neither a POD nor a place."
    return Place(one.line, one.value, scheme, country, code=one.code or NOT_SENT, detail=detail)


def _answered(one: Examined, answer: LocalisationAnswer) -> Place:
    enrolled = [candidate for candidate in answer.candidates if candidate.provider]
    known = answer.scheme, answer.country
    if len(enrolled) == 1:
        [only] = enrolled
        return Place(
            one.line, one.value, *known, only.provider, only.operator, only.offers, candidates=answer.candidates
        )
    code, detail = answer.code, answer.detail
    if answer.candidates:
        code = "several_providers" if enrolled else "operator_not_enrolled"
        names = ", ".join(sorted({candidate.operator for candidate in answer.candidates}))
        detail = f"It may be held by {names}."
    return Place(one.line, one.value, *known, code=code, detail=detail, candidates=answer.candidates)
