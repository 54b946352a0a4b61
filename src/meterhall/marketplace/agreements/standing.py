"""Questions and changes other apps need of agreements: who has signed, who deals with whom, what rests meanwhile."""

from __future__ import annotations

from django.db.models import Q

from meterhall.domain.market import SUBSCRIPTION, advance, general_contract
from meterhall.marketplace.agreements.models import GeneralSignature, GeneralTerms, Subscription
from meterhall.web.platform import platform

LIVE = ("requester_signed", "active", "suspended")
"""States in which both parties know of the contract and it has not ended."""


def general_contract_signed(access_number: str) -> bool:
    """Whether a player has signed a version of the general contract."""
    return GeneralSignature.objects.filter(player=access_number).exists()


def of_party(access_number: str) -> Q:
    """Subscriptions one of whose parties this player is."""
    return Q(requester=access_number) | Q(provider=access_number)


def partners_of(access_number: str) -> list[str]:
    """The players with whom this one has a contract that has not ended, in order."""
    pairs = Subscription.objects.filter(of_party(access_number), state__in=LIVE).values_list("requester", "provider")
    return sorted({number for pair in pairs for number in pair} - {access_number})


def suspend_subscriptions(access_number: str) -> None:
    """A party is suspended: its contracts in force rest."""
    for row in Subscription.objects.select_for_update().filter(of_party(access_number), state="active"):
        row.state = advance(SUBSCRIPTION, row.state, "suspend")
        row.save(update_fields=["state"])


def resume_subscriptions(access_number: str, still_suspended: set[str]) -> None:
    """A party is back: its contracts run on, but for those whose other party is suspended too."""
    for row in Subscription.objects.select_for_update().filter(of_party(access_number), state="suspended"):
        if still_suspended & {row.requester, row.provider}:
            continue
        row.state = advance(SUBSCRIPTION, row.state, "reinstate")
        row.save(update_fields=["state"])


def issue_first_terms() -> None:
    """The first version of the general contract, once."""
    config = platform().config
    first = general_contract(1, config.environment, config.name)
    GeneralTerms.objects.get_or_create(
        version=1,
        defaults={"document": first.document(), "digest": first.fingerprint(), "issued_at": platform().now()},
    )
