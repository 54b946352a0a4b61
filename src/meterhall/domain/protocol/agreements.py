"""Agreements: the general contract, the service contract generated from an offer, and the signatures over them."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from meterhall.domain.protocol.base import (
    AccessNumber,
    Digest,
    Environment,
    Instant,
    Jws,
    LongText,
    Message,
    OfferId,
    SeenLines,
    ShortText,
    SubscriptionId,
)
from meterhall.domain.protocol.offers import Offer
from meterhall.domain.protocol.players import LegalIdentifier

SIGNATURE_TYP = "meterhall-signature+jws"
ACCEPTANCE_TYP = "meterhall-acceptance+jws"
SIGNED_BY = frozenset({"signer", "auth_time", "amr", "acceptance"})
"""What the header of a contract signature says besides: who released the key and how, or under which acceptance."""
COUNTERSIGNATURE_TYP = "meterhall-countersignature+jws"
QUIT_TYP = "meterhall-quit+jws"
SIGNER_FRESH_S = 300
"""A contract key is released by a second factor at most this old."""

RepositoryUrl = Annotated[str, StringConstraints(pattern=r"^(https|sftp|s3)://[^\s#]+$", max_length=500)]
PLAIN_FOLDER: Final = re.compile(r"(?:sftp|s3)://[A-Za-z0-9.-]+(?::\d{1,5})?(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._=+-]+)*/?")

SubscriptionState = Literal["drafted", "requester_signed", "active", "quit", "refused", "suspended", "expired"]


class Article(Message):
    """One numbered article of the general contract."""

    number: int = Field(description="Its place, from 1 without a gap.")
    heading: ShortText = Field(description="What the article is about.")
    text: LongText = Field(description="What is agreed, as plain text.")


class GeneralContract(Message):
    """The general terms every player signs once with the Market Place (level 1); its digest is what is signed."""

    version: int = Field(description="Counts the versions of the terms from 1; the highest is in force.")
    environment: Environment = Field(description="The environment it is for: `regulated` or `unregulated`.")
    marketplace: str = Field(description="The name of the Market Place, the other party.")
    articles: tuple[Article, ...] = Field(description="The terms, in order.")


class Party(Message):
    """One party of a service contract as it was when the contract was drawn up."""

    access_number: AccessNumber = Field(description="The player.")
    organisation: str = Field(description="Its name.")
    legal_id: LegalIdentifier = Field(description="Its legal id, verified.")


class Repository(Message):
    """Where pushed deliveries go; fixed in the contract, so that nothing is ever sent elsewhere."""

    kind: Literal["https", "sftp", "s3"] = Field(
        "https",
        description="How it is reached: by `PUT` over HTTPS; `sftp`, `s3`: as files, for which the provider must have "
        "been given a way in.",
    )
    url: RepositoryUrl = Field(
        description="Base URL of that kind: `https://…`, `sftp://host/folder`, `s3://bucket/folder`, the latter two "
        "without name, password, query or `..`; parts go to `<url>/<delivery id>/<version>/parts/<number>`, the "
        "manifest after them to `<url>/<delivery id>/<version>/manifest`."
    )

    @field_validator("url")
    @classmethod
    def _of_its_kind(cls, url: str, known: ValidationInfo) -> str:
        kind = known.data.get("kind", url.partition(":")[0])
        if url.partition(":")[0] != kind:
            raise ValueError("the address is not of this kind")
        if kind != "https" and not PLAIN_FOLDER.fullmatch(url):
            raise ValueError("a folder is named plainly, without name, password, query or ..")
        return url


class ServiceContract(Message):
    """The service contract (level 2), generated from one version of an offer; its digest is what is signed."""

    subscription_id: SubscriptionId
    environment: Environment = Field(description="The environment it is for: `regulated` or `unregulated`.")
    general_contract: Digest = Field(description="Digest of the general contract it is made under.")
    offer_id: OfferId
    offer_version: int = Field(description="The version it was generated from; a newer one does not change it.")
    offer: Offer = Field(description="The offer as it stood in that version.")
    options: tuple[str, ...] = Field((), description="The codes of the options chosen, of those the offer has.")
    provider: Party = Field(description="Who serves.")
    requester: Party = Field(description="Who asks.")
    repository: Repository | None = Field(
        None, description="Where pushed deliveries go, and nowhere else; absent: nothing is pushed."
    )
    access_from: Instant = Field(description="From when on data may move, included; when it was drawn up.")
    access_until: Instant = Field(
        description="Until when data may move, excluded: `access_from` and the offer's `duration`, counted in UTC. It "
        "says nothing of which days' readings."
    )
    drafted_at: Instant = Field(description="When it was drawn up; one not signed by both within 30 days is over.")


class ContractSignature(Message):
    """What a party signs: the digest of a contract. The header adds `signer`, `auth_time`, `amr`."""

    subject: ShortText = Field(description="`general_contract` or the subscription's id.")
    digest: Digest = Field(description="Digest of the contract in canonical form (RFC 8785): what is agreed to.")
    party: AccessNumber = Field(description="The player that signs.")
    signed_at: Instant = Field(
        description="When it was signed: at most five minutes after the second factor (`auth_time` in the header)."
    )


class Countersigned(Message):
    """The Market Place's signature over a party's signature: a JWS of `Countersignature`."""

    countersignature: Jws = Field(description="Compact JWS of a Countersignature by the Market Place's transport key.")


class Countersignature(Message):
    """What the Market Place signs: that these signatures over this digest reached it and hold."""

    subject: ShortText = Field(
        description="What was signed: `general_contract`, a subscription's id or `standing_acceptance`."
    )
    digest: Digest = Field(description="Digest of the document signed, in canonical form (RFC 8785).")
    signatures: tuple[Digest, ...] = Field(
        description="Digests of the parties' signatures, each of the compact JWS text; the requester's before the "
        "provider's."
    )
    signed_at: Instant = Field(description="When the Market Place signed.")


class StandingAcceptance(Message):
    """A provider's one-time consent that its transport key may sign single contracts within these limits."""

    party: AccessNumber = Field(description="The provider that signs it.")
    offers: tuple[Annotated[str, StringConstraints(pattern=r"^off_[0-9a-f]{24}:\d+$")], ...] = Field(
        min_length=1, description="The offer versions it is for, as `<offer id>:<version>`; its own, none withdrawn."
    )
    most_subscriptions: int = Field(
        ge=1, description="How many subscriptions, active or suspended, may be in force under it at once."
    )
    until: Instant = Field(description="Until when contracts may be signed under it, excluded.")
    transport_kid: ShortText = Field(
        description="The `kid` of the transport key that may sign; one of the provider's present ones."
    )
    signed_at: Instant = Field(
        description="When it was signed: at most five minutes after the second factor (`auth_time` in the header)."
    )


class SubscriptionRequest(Message):
    """Ask for a subscription under one version of an offer (step 5)."""

    offer_id: OfferId
    offer_version: int = Field(ge=1, description="The version wanted; it is published now.")
    options: tuple[str, ...] = Field((), description="The codes of the options wanted, each once; empty: none.")
    repository: Repository | None = Field(
        None,
        description="Where deliveries shall be pushed; absent: they are fetched. Needed where an offer only pushes.",
    )


class SubscriptionView(Message):
    """A subscription with its contract and signatures, as its two parties see it."""

    subscription_id: SubscriptionId
    state: SubscriptionState = Field(
        description="`drafted`: nobody has signed; `requester_signed`: the provider is next; `active`: in force; "
        "`quit`: ended by the requester; `refused`: by the provider; `suspended`: while a party is; `expired`: run out."
    )
    contract: ServiceContract = Field(description="What is signed.")
    digest: Digest = Field(description="Digest of `contract` in canonical form (RFC 8785); compute it yourself.")
    signatures: dict[Literal["requester", "provider", "marketplace"], Jws] = Field(
        description="By party, those there are: compact JWS of a ContractSignature, under `marketplace` of a "
        "Countersignature."
    )
    ended_at: Instant | None = Field(
        None, description="When it was quit, was refused or ran out; absent: it has not ended."
    )


class Quit(Message):
    """A requester's end of a subscription."""

    subscription_id: SubscriptionId
    party: AccessNumber = Field(description="The requester that quits.")
    reason: SeenLines = Field("", description="Why, for people; no POD may stand in it.")
    quit_at: Instant = Field(
        description="When the requester quits by its own clock; nothing moves from when the Market Place takes it."
    )
