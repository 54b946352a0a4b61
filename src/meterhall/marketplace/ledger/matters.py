"""Whose matter a statement is about: a contract's or a consent's two parties, and who saw what it acknowledges."""

from __future__ import annotations

import re

from django.db.models import Q

from meterhall.domain.errors import InvalidInput, NotPermitted
from meterhall.domain.protocol.statements import MADE_BY, Statement
from meterhall.marketplace.agreements.models import Subscription
from meterhall.marketplace.ledger.models import KeptStatement
from meterhall.marketplace.players.attestations import CERTIFIER_NUMBER
from meterhall.web.messaging.peers import my_access_number, peer

_SUBSCRIPTION = re.compile(r"sub_[0-9a-f]{24}", re.ASCII)
_CONSENT = re.compile(r"con_[0-9a-f]{24}", re.ASCII)


class ForeignMatter(NotPermitted):
    code = "foreign_matter"
    title = "A statement about a contract or a consent is made by one of its two parties, and names nobody else."


class UnknownMatter(InvalidInput):
    code = "matter_unknown"
    title = "There is no such subscription at this Market Place."


class UnknownAbout(InvalidInput):
    code = "about_unknown"
    title = "The statement it acknowledges is not in the log yet, or its maker is not a party of it."


def check_matter(statement: Statement) -> None:
    """Refuse a statement about what is another pair's, or that acknowledges what its maker cannot have seen.

    What only a contract's provider, or only its requester, can know is taken from that one.
    A contract's parties are known here. A consent's are those of the first statement about it. Raises `ForeignMatter`,
    `UnknownMatter`, `UnknownAbout`.
    """
    for name in ("transaction", "subject"):
        allowed = _parties_of(statement, name)
        if allowed and not set(statement.parties) <= {*allowed, my_access_number()}:
            raise ForeignMatter(field=f"/statement/{name}")
    if not _may_state(statement):
        raise ForeignMatter("This type of statement is made by the other side.", field="/statement/type")
    if statement.about is not None and not _saw(statement.by, statement.about):
        raise UnknownAbout(field="/statement/about")


def _may_state(statement: Statement) -> bool:
    """Whether its maker is on the side that states such a thing: of the contract where that is known, else by role."""
    side = MADE_BY.get(statement.type)
    if side is None:
        return True
    contract = Subscription.objects.filter(subscription_id=statement.transaction).first()
    if contract is not None:
        return str(getattr(contract, side)) == statement.by
    return side in peer(statement.by).document.get("roles", ())


def _parties_of(statement: Statement, name: str) -> tuple[str, ...]:
    matter = getattr(statement, name)
    if _SUBSCRIPTION.fullmatch(matter):
        contract = Subscription.objects.filter(subscription_id=matter).first()
        if contract is not None:
            return contract.requester, contract.provider
        if CERTIFIER_NUMBER not in statement.parties:  # which makes up a subscription for its run
            raise UnknownMatter(field=f"/statement/{name}")
    if _CONSENT.fullmatch(matter):
        first = KeptStatement.objects.filter(transaction_id=matter).order_by("entry_id").first()
        return (first.first_party, first.second_party) if first else ()
    return ()


def _saw(party: str, statement_id: str) -> bool:
    seen = Q(first_party=party) | Q(second_party=party)
    return KeptStatement.objects.filter(seen, statement_id=statement_id).exists()
