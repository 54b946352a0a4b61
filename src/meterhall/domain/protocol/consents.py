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
    ShortText,
    SubscriptionId,
)
from meterhall.domain.protocol.offers import DataScope

EVIDENCE_TYP = "meterhall-consent+jws"
ConsentState = Literal["granted", "partly_revoked", "revoked", "terminated", "expired"]


class MeteringDataDetail(Message):
    """RFC 9396 authorization detail `metering_data`: one data need. Several may be asked in one consent."""

    type: Literal["metering_data"] = "metering_data"
    need: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")] = Field(
        description="The requester's name of this data need; unique within the request."
    )
    subscription_id: SubscriptionId
    scope: DataScope
    purpose: ShortText
    access_until: Instant


class GrantedDetail(MeteringDataDetail):
    """A data need as the customer granted it: the PODs are the provider's opaque handles, never PODs."""

    points: tuple[str, ...] = Field(min_length=1)


class ConsentStatement(Message):
    """What a customer signs, or a requester states, outside the provider's page: one POD, one requester, one need."""

    pod: Annotated[str, StringConstraints(min_length=5, max_length=60)] = Field(repr=False)
    requester: AccessNumber
    holder_reference: ShortText = Field(repr=False, description="The holder's reference at the grid operator.")
    scope: DataScope
    purpose: ShortText
    given_at: Instant
    access_until: Instant


class Evidence(Message):
    """Proof of consent brought by a requester.

    `customer_signed`: `jws` is a JWS of `ConsentStatement` whose header carries the signer's certificate chain
    (`x5c`, RFC 7515 section 4.1.6) up to an authority on the provider's trust list; the certificate's subject
    serialNumber is the holder's reference. `requester_stated`: `jws` is signed by the requester's transport key.
    """

    assurance: Assurance
    jws: Jws = Field(repr=False)


class EvidenceView(Message):
    """The evidence as taken: named by its digest in an activation item (`evidence:<digest>`)."""

    digest: Digest
    assurance: Assurance
    accepted: bool
    code: str | None = None


class ConsentView(Message):
    """A consent as its requester sees it."""

    consent_id: ConsentId
    state: ConsentState
    epoch: int
    assurance: Assurance
    granted_at: Instant
    access_until: Instant
    ended_at: Instant | None = None


class Termination(Message):
    """The requester says that it no longer needs the data (procedure 4 of (EU) 2023/1162)."""

    reason: Literal["fulfilled", "contract_ended", "other"] = "fulfilled"
