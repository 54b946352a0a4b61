"""Answering who holds which point. Works in memory only: a question leaves no trace but its counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from meterhall.domain.pods.coverage import Coverage, CoverageIndex
from meterhall.domain.pods.errors import InvalidPod
from meterhall.domain.pods.localise import UNRESOLVED, Localisation, Located, Question, localise_one
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.localisation import (
    LocalisationAnswer,
    LocalisationCandidate,
    LocalisationItem,
    LocalisationReply,
    LocalisationRequest,
)
from meterhall.domain.protocol.offers import Offer
from meterhall.marketplace.catalogue.models import OfferVersion
from meterhall.marketplace.catalogue.search import catalogue
from meterhall.marketplace.players.models import Player
from meterhall.marketplace.players.service import admitted
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import state


@dataclass(frozen=True, slots=True)
class Ground:
    """What answers stand on: the coverage of all visible offers, and each provider's offers by country."""

    index: CoverageIndex
    offers: Mapping[tuple[str, str], tuple[str, ...]]


def answer(number: str, request: LocalisationRequest) -> LocalisationReply:
    """The candidates for each item (step 4), or why there is none. Raises `PlayerNotAdmitted`."""
    admitted(number)
    ground = _ground(tuple(catalogue().visible().order_by("pk").values_list("pk", "digest")))
    answers = tuple(_answer(at, item, ground) for at, item in enumerate(request.items))
    resolved = sum(bool(one.candidates) for one in answers)
    state(
        "localisation.answered",
        transaction_id=new_id("loc"),
        parties=(number, my_access_number()),
        counts={"items": len(answers), "resolved": resolved, "unresolved": len(answers) - resolved},
    )
    return LocalisationReply(answers=answers, resolved=resolved, unresolved=len(answers) - resolved)


@lru_cache(maxsize=2)
def _ground(visible: tuple[tuple[int, str], ...]) -> Ground:
    """Built once for a set of visible versions, named by row and digest; a version never changes."""
    rows = OfferVersion.objects.filter(pk__in=[pk for pk, _ in visible]).select_related("offer").order_by("pk")
    names = dict(Player.objects.filter(is_provider=True).values_list("access_number", "organisation"))
    coverage: list[Coverage] = []
    offers: dict[tuple[str, str], tuple[str, ...]] = {}
    for row in rows:
        document, number = Offer.model_validate(row.document), row.offer.provider
        for area in document.coverage:
            coverage.append(Coverage(number, area.country, area.kind, area.value, area.name or names[number]))
        for country in document.countries:
            offers[number, country] = (*offers.get((number, country), ()), row.offer.offer_id)
    return Ground(CoverageIndex(dict.fromkeys(coverage)), offers)


def _answer(at: int, item: LocalisationItem, ground: Ground) -> LocalisationAnswer:
    found = localise_one(_question(item), ground.index)
    return LocalisationAnswer(
        index=at,
        ref=item.ref,
        scheme=found.scheme,
        country=found.country,
        level=found.level,
        candidates=tuple(_candidate(one, ground) for one in found.candidates),
        code=found.code,
        detail=_detail(found),
        warnings=found.warnings,
    )


def _question(item: LocalisationItem) -> Question:
    has_position = item.longitude is not None and item.latitude is not None
    return Question(
        pod=item.pod,
        scheme=item.scheme,
        operator_part=item.operator_part,
        country=item.country,
        postcode=item.postcode,
        municipality=item.municipality,
        position=(item.longitude, item.latitude) if has_position else None,  # type: ignore[arg-type]
    )


def _candidate(found: Located, ground: Ground) -> LocalisationCandidate:
    return LocalisationCandidate(
        provider=found.provider,
        operator=found.operator,
        operator_code=found.operator_code,
        scheme=found.scheme,
        country=found.country,
        reason=found.reason,
        confidence=found.confidence,
        offers=ground.offers.get((found.provider or "", found.country), ()),
    )


_SENTENCES = UNRESOLVED | {error.code: error.title for error in InvalidPod.__subclasses__()}


def _detail(found: Localisation) -> str | None:
    return _SENTENCES.get(found.code) if found.code else None
