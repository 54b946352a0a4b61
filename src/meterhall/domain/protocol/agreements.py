"""Agreements: the general contract, the service contract generated from an offer, and the signatures over them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meterhall.domain.protocol.base import (
    AccessNumber,
    Digest,
    Environment,
    Instant,
    Jws,
    LongText,
    Message,
    OfferId,
    ShortText,
    SubscriptionId,
    Url,
)
from meterhall.domain.protocol.offers import Offer
from meterhall.domain.protocol.players import LegalIdentifier

SIGNATURE_TYP = "meterhall-signature+jws"
ACCEPTANCE_TYP = "meterhall-acceptance+jws"
COUNTERSIGNATURE_TYP = "meterhall-countersignature+jws"
QUIT_TYP = "meterhall-quit+jws"
SIGNER_FRESH_S = 300
"""A contract key is released by a second factor at most this old."""

SubscriptionState = Literal["drafted", "requester_signed", "active", "quit", "refused", "suspended", "expired"]


class Article(Message):
    number: int
    heading: ShortText
    text: LongText


class GeneralContract(Message):
    """The general terms every player signs once with the Market Place (level 1)."""

    version: int
    environment: Environment
    marketplace: str
    articles: tuple[Article, ...]


class Party(Message):
    access_number: AccessNumber
    organisation: str
    legal_id: LegalIdentifier


class Repository(Message):
    """Where pushed deliveries go; fixed in the contract, so that nothing is ever sent elsewhere."""

    kind: Literal["https"] = "https"
    url: Url


class ServiceContract(Message):
    """The service contract (level 2), generated from one version of an offer; its digest is what is signed."""

    subscription_id: SubscriptionId
    environment: Environment
    general_contract: Digest
    offer_id: OfferId
    offer_version: int
    offer: Offer
    options: tuple[str, ...] = ()
    provider: Party
    requester: Party
    repository: Repository | None = None
    access_from: Instant
    access_until: Instant
    drafted_at: Instant


class ContractSignature(Message):
    """What a party signs: the digest of a contract. The header adds `signer`, `auth_time`, `amr`."""

    subject: ShortText = Field(description="`general_contract` or the subscription's id.")
    digest: Digest
    party: AccessNumber
    signed_at: Instant


class Countersigned(Message):
    """The Market Place's signature over a party's signature: a JWS of `Countersignature`."""

    countersignature: Jws


class Countersignature(Message):
    """What the Market Place signs: that these signatures over this digest reached it and hold."""

    subject: ShortText
    digest: Digest
    signatures: tuple[Digest, ...] = Field(description="Digests of the parties' signatures.")
    signed_at: Instant


class StandingAcceptance(Message):
    """A provider's one-time consent that its transport key may sign single contracts within these limits."""

    party: AccessNumber
    offers: tuple[Annotated[str, StringConstraints(pattern=r"^off_[0-9a-f]{24}:\d+$")], ...] = Field(min_length=1)
    most_subscriptions: int = Field(ge=1)
    until: Instant
    transport_kid: ShortText
    signed_at: Instant


class SubscriptionRequest(Message):
    """Ask for a subscription under one version of an offer (step 5)."""

    offer_id: OfferId
    offer_version: int = Field(ge=1)
    options: tuple[str, ...] = ()
    repository: Repository | None = None


class SubscriptionView(Message):
    """A subscription with its contract and signatures, as its two parties see it."""

    subscription_id: SubscriptionId
    state: SubscriptionState
    contract: ServiceContract
    digest: Digest
    signatures: dict[Literal["requester", "provider", "marketplace"], Jws]
    ended_at: Instant | None = None


class Quit(Message):
    """A requester's end of a subscription."""

    subscription_id: SubscriptionId
    party: AccessNumber
    reason: LongText = ""
    quit_at: Instant
