"""Consents: what is asked of a customer, what the customer granted, and evidence a requester brings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meterhall.domain.protocol.base import (
    AccessNumber,
    Assurance,
    ConsentId,
    Digest,
    Instant,
    Jws,
    Message,
    SeenText,
    ShortText,
    SubscriptionId,
)
from meterhall.domain.protocol.offers import DataScope

EVIDENCE_TYP = "meterhall-consent+jws"
ConsentState = Literal["granted", "partly_revoked", "revoked", "terminated", "expired"]


class MeteringDataDetail(Message):
    """RFC 9396 authorization detail `metering_data`: one data need. Several may be asked in one consent."""

    type: Literal["metering_data"] = Field(
        "metering_data", description="The type of authorization detail (RFC 9396, section 2)."
    )
    need: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")] = Field(
        description="The requester's name of this data need; unique within the request."
    )
    subscription_id: SubscriptionId = Field(description="The subscription under which the data is asked for.")
    scope: DataScope = Field(description="Which data, within the contract's offer.")
    purpose: SeenText = Field(description="What for, as the customer reads it.")
    access_until: Instant = Field(
        description="Until when data may move, excluded; in the future, three years (1098 days) at most."
    )


class GrantedDetail(MeteringDataDetail):
    """A data need as the customer granted it: the PODs are the provider's opaque handles, never PODs."""

    points: tuple[str, ...] = Field(
        min_length=1, description="The provider's opaque handles of the metering points granted, `pt_…`; never PODs."
    )


class ConsentStatement(Message):
    """What a customer signs, or a requester states, outside the provider's page: one POD, one requester, one need."""

    pod: Annotated[str, StringConstraints(min_length=5, max_length=60)] = Field(
        repr=False, description="The POD the consent is for, as its scheme writes it."
    )
    requester: AccessNumber = Field(description="The player to which the customer consents; the one that brings it.")
    holder_reference: ShortText = Field(
        repr=False, description="The name by which the grid operator knows the holder, such as a customer number."
    )
    scope: DataScope = Field(description="Which data the customer agrees to.")
    purpose: SeenText = Field(description="What for, as the customer read it.")
    given_at: Instant = Field(
        description="When the customer consented; the holder had moved in by then. Not in the future."
    )
    access_until: Instant = Field(
        description="Until when data may move, excluded; three years (1098 days) after `given_at` at most."
    )


class Evidence(Message):
    """Proof of consent brought by a requester.

    `customer_signed`: `jws` is a JWS of `ConsentStatement` whose header carries the signer's certificate chain
    (`x5c`, RFC 7515 section 4.1.6) up to an authority on the provider's trust list; the certificate's subject
    serialNumber is the holder's reference. `requester_stated`: `jws` is signed by the requester's transport key.
    """

    assurance: Assurance = Field(
        description="How far it goes: `customer_signed` or `requester_stated`. `customer_confirmed` cannot be brought."
    )
    jws: Jws = Field(repr=False, description="Compact JWS of a ConsentStatement, of type `meterhall-consent+jws`.")


class EvidenceView(Message):
    """The evidence as taken: named by its digest in an activation item (`evidence:<digest>`)."""

    digest: Digest = Field(description="Digest of the JWS text, ASCII: its name in items, `evidence:<digest>`.")
    assurance: Assurance = Field(description="The assurance under which it was brought.")
    accepted: bool = Field(description="Whether it is believed and a consent stands for it now.")
    code: str | None = Field(None, description="Why it is not believed, a stable code; absent when it is.")


class ConsentView(Message):
    """A consent as its requester sees it."""

    consent_id: ConsentId
    state: ConsentState = Field(
        description="`granted`: it holds; `partly_revoked`: ended for some points or needs; `revoked`: withdrawn by "
        "the customer; `terminated`: given up by the requester; `expired`: its time is over."
    )
    epoch: int = Field(
        description="The provider's consent epoch, which grows whenever anything ends: the same number means that "
        "nothing has ended since."
    )
    assurance: Assurance = Field(
        description="`requester_stated`: the requester's word; `customer_signed`: the customer's signature; "
        "`customer_confirmed`: given on the provider's page."
    )
    granted_at: Instant = Field(description="When the customer consented.")
    access_until: Instant = Field(description="Until when data may move at most, excluded: the latest of its needs.")
    ended_at: Instant | None = Field(None, description="When all of it had ended; absent while any of it holds.")


class Termination(Message):
    """The requester says that it no longer needs the data (procedure 4 of (EU) 2023/1162)."""

    reason: Literal["fulfilled", "contract_ended", "other"] = Field(
        "fulfilled",
        description="`fulfilled`: the purpose is reached; `contract_ended`: the contract under which it was "
        "needed is over; `other`: anything else.",
    )
