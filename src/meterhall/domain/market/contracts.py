"""Contracts made from what was agreed: the general contract, the service contract of an offer, and readable documents.

What is signed is the digest of the contract's canonical document; the readable form is made from it and adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from meterhall.domain.market.durations import add_duration
from meterhall.domain.market.terms import ARTICLES
from meterhall.domain.protocol.agreements import Article, GeneralContract, Party, Repository, ServiceContract
from meterhall.domain.protocol.base import Environment
from meterhall.domain.protocol.offers import CORRECTIONS, DataScope, OfferView, Price
from meterhall.domain.protocol.players import PlayerView

_UNITS = {
    "pod_month": "a point of delivery and month",
    "pod_year": "a point of delivery and year",
    "delivery": "a delivery",
    "subscription_year": "a year of the subscription",
}


def general_contract(version: int, environment: Environment, marketplace: str) -> GeneralContract:
    """The general terms of a Market Place (level 1)."""
    articles = tuple(
        Article(number=at, heading=heading, text=text.format(marketplace=marketplace, environment=environment))
        for at, (heading, text) in enumerate(ARTICLES, start=1)
    )
    return GeneralContract(version=version, environment=environment, marketplace=marketplace, articles=articles)


def service_contract(
    subscription_id: str,
    offer: OfferView,
    provider: PlayerView,
    requester: PlayerView,
    *,
    general: GeneralContract,
    options: tuple[str, ...],
    repository: Repository | None,
    drafted_at: datetime,
) -> ServiceContract:
    """The service contract (level 2) under one version of an offer; access begins at once and lasts as offered."""
    return ServiceContract(
        subscription_id=subscription_id,
        environment=general.environment,
        general_contract=general.fingerprint(),
        offer_id=offer.offer_id,
        offer_version=offer.version,
        offer=offer.offer,
        options=options,
        provider=_party(provider),
        requester=_party(requester),
        repository=repository,
        access_from=drafted_at,
        access_until=add_duration(drafted_at, offer.offer.duration),
        drafted_at=drafted_at,
    )


def _party(player: PlayerView) -> Party:
    return Party(access_number=player.access_number, organisation=player.organisation, legal_id=player.legal_id)


def readable_terms(contract: GeneralContract) -> str:
    """The general contract as plain Markdown."""
    parts = [f"# General contract of {_plain(contract.marketplace)}, version {contract.version}"]
    parts += [f"## {article.number}. {article.heading}\n\n{_plain(article.text)}" for article in contract.articles]
    return "\n\n".join([*parts, f"Digest: `{contract.fingerprint()}`"]) + "\n"


def readable_contract(contract: ServiceContract) -> str:
    """The service contract as plain Markdown, every agreed member in it."""
    offer = contract.offer
    parts = [
        f"# Service contract {contract.subscription_id}",
        _lines(
            ("Provider", _party_line(contract.provider)),
            ("Requester", _party_line(contract.requester)),
            ("Drafted", _moment(contract.drafted_at)),
            ("Market", contract.environment),
        ),
        "## What is agreed\n\n"
        f"The provider serves the requester under its offer *{_plain(offer.title)}* ({contract.offer_id}, version "
        f"{contract.offer_version}), for the points of delivery the requester activates and whose holders consent. The "
        f"general contract with digest `{contract.general_contract}`, signed by both, is part of this contract.",
        _plain(offer.summary),
        "## Data\n\n" + _lines(*_data(contract)),
        "## Duration\n\n"
        + _lines(("Access from", _moment(contract.access_from)), ("Access until", _moment(contract.access_until)))
        + "\n\nThe requester may quit at any time. The dates say when data moves, not which readings can be had.",
        "## Price\n\n" + _lines(("Price", _price(offer.price)), *_options(contract)),
        "## Service levels\n\n" + _lines(*_levels(contract)),
        "## Area\n\n" + "\n".join(_areas(contract)),
        f"Digest: `{contract.fingerprint()}`",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _data(contract: ServiceContract) -> Iterator[tuple[str, str]]:
    offer = contract.offer
    yield "Service", offer.service_type.replace("_", " ")
    yield from _scope(offer.scope)
    if offer.minimum_group is not None:
        yield "Fewest points in an aggregate", str(offer.minimum_group)
    yield "Formats", ", ".join(offer.formats)
    yield "Transmission", ", ".join(offer.transmission)
    yield "Corrections of what was delivered", "delivered anew" if redelivers(contract) else "not delivered anew"
    if contract.repository is not None:
        yield "Pushed to", f"`{contract.repository.url}` and nowhere else"
    yield "Accepted proof of consent", ", ".join(level.replace("_", " ") for level in offer.accepted_assurance)
    yield "Notice of changes", f"{offer.notice_days} days"


def _scope(scope: DataScope) -> Iterator[tuple[str, str]]:
    yield "Kind", f"{scope.kind}, {scope.timing.replace('_', ' ')}"
    yield "Directions", ", ".join(scope.directions)
    yield "Granularities", ", ".join(scope.granularities)
    if scope.period is not None:
        yield "Readings", f"from {scope.period.first} until {scope.period.until} (excluded)"


def redelivers(contract: ServiceContract) -> bool:
    """Whether what is corrected after it was delivered is delivered anew: where the offer makes that an option, only if
    it was chosen."""
    is_option = any(option.code == CORRECTIONS for option in contract.offer.options)
    return not is_option or CORRECTIONS in contract.options


def _options(contract: ServiceContract) -> Iterator[tuple[str, str]]:
    chosen = {option.code: option for option in contract.offer.options}
    for code in contract.options:
        option = chosen[code]
        yield f"Option {_plain(option.title)}", _price(option.price) if option.price else "included"


def _levels(contract: ServiceContract) -> Iterator[tuple[str, str]]:
    level = contract.offer.service_level
    yield "Answer to an activation", f"within {level.answer_within_s} s"
    yield "Delivery", f"within {level.delivery_within_s} s of the request"
    yield "Scheduled delivery", f"within {level.scheduled_within_s} s of the end of its day, week or month"
    yield "Stop after a withdrawal of consent", f"within {level.stop_within_s} s"
    yield "Availability", f"{level.availability_percent} %"


_MOST_SHOWN = 50
_LONGEST_VALUE = 60


def _areas(contract: ServiceContract) -> Iterator[str]:
    areas = contract.offer.coverage
    for area in areas[:_MOST_SHOWN]:
        value = area.value if len(area.value) <= _LONGEST_VALUE else f"{area.value[:_LONGEST_VALUE]}…"
        name = f" ({_plain(area.name)})" if area.name else ""
        yield f"- {area.country}, {area.kind.replace('_', ' ')}: `{value.replace('`', '')}`{name}"
    if len(areas) > _MOST_SHOWN:
        yield f"- and {len(areas) - _MOST_SHOWN} more, listed in the offer"


def _party_line(party: Party) -> str:
    legal = party.legal_id
    return f"{_plain(party.organisation)}, {legal.kind} {_plain(legal.value)}, access number {party.access_number}"


def _price(price: Price) -> str:
    return "free of charge" if price.per == "free" else f"{price.amount} {price.currency} for {_UNITS[price.per]}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _lines(*pairs: tuple[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in pairs)


_SPECIAL = str.maketrans({letter: "\\" + letter for letter in "\\`*_[]<>#|"} | {"\n": " ", "\r": " "})


def _plain(text: str) -> str:
    """Text of a player as text: nothing in it can become a heading, a link or HTML."""
    return text.translate(_SPECIAL)
