"""Deliveries: asking for data, the manifest and its parts, the receipt that says what arrived."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meterhall.domain.protocol.base import (
    AccessNumber,
    Acknowledgement,
    ActivationId,
    DeliveryId,
    Digest,
    DirectionName,
    FormatName,
    GranularityName,
    Instant,
    LongText,
    Message,
    Period,
    Salt,
    SubscriptionId,
)
from meterhall.domain.protocol.offers import Transmission

MANIFEST_TYP = "meterhall-manifest+jws"
RECEIPT_TYP = "meterhall-receipt+jws"
GATE_BLOCK_BYTES = 256 * 1024
"""A part is sent in blocks of this size; before each, the consent epoch is compared."""

Pseudonym = Annotated[str, StringConstraints(min_length=36, max_length=36)]


class DataRequest(Message):
    """Ask for data of an activation (step 8). With `group` the sum of the members is delivered, never a member."""

    activation_id: ActivationId
    period: Period
    granularity: GranularityName
    format: FormatName
    directions: tuple[DirectionName, ...] = ("import",)
    transmission: Transmission = "pull"
    pseudonyms: tuple[Pseudonym, ...] = Field((), max_length=10_000, description="Empty: every accepted POD.")
    group: bool = Field(False, description="Deliver one aggregate of the PODs instead of individual curves.")


class DataRequested(Message):
    """The provider took the request; `delivery.ready` follows."""

    delivery_id: DeliveryId
    acknowledgement: Acknowledgement


class Part(Message):
    """One immutable file of a delivery."""

    number: int = Field(ge=1)
    media_type: str
    extension: str
    compression: Literal["none", "gzip"] = "none"
    size_bytes: int = Field(ge=0)
    digest: Digest
    pseudonyms: tuple[Pseudonym, ...]
    readings: int = Field(ge=0, description="Values in the file, missing slots not counted.")
    missing: int = Field(ge=0, description="Slots of the period without a value.")


class Manifest(Message):
    """What a delivery consists of; a later version supersedes an earlier one and leaves untouched parts as they are."""

    delivery_id: DeliveryId
    version: int = Field(ge=1)
    supersedes: Digest | None = None
    reason: Literal["requested", "scheduled", "correction", "revocation"] = "requested"
    activation_id: ActivationId
    subscription_id: SubscriptionId
    provider: AccessNumber
    requester: AccessNumber
    created_at: Instant
    period: Period
    granularity: GranularityName
    format: FormatName
    group_size: int | None = None
    commitment_salt: Salt
    parts: tuple[Part, ...]
    withdrawn: tuple[Pseudonym, ...] = Field((), description="PODs of the earlier version that are no longer in.")

    @property
    def readings(self) -> int:
        return sum(part.readings for part in self.parts)


class ManifestView(Message):
    """A manifest with the provider's signature over it."""

    manifest: Manifest
    jws: str


class Receipt(Message):
    """What the requester verified and stored, or why it rejects; signed with its transport key (step 10)."""

    delivery_id: DeliveryId
    version: int
    manifest: Digest
    received_at: Instant
    outcome: Literal["received", "rejected"]
    readings: int = Field(ge=0)
    code: Literal["digest_mismatch", "format_invalid", "incomplete", "unreadable"] | None = None
    detail: LongText = ""


class ReceiptTaken(Message):
    acknowledgement: Acknowledgement


class ChangedValues(Message):
    """New or corrected values of one usage point and UTC day."""

    pseudonym: Pseudonym
    direction: DirectionName
    start: Instant
    resolution: str
    unit: Literal["Wh"] = "Wh"
    scale: int
    values: tuple[int | None, ...]
    quality: tuple[int | None, ...]
    available_at: Instant


class Changes(Message):
    """A page of the change feed; `cursor` is opaque, hand it back as `since`."""

    items: tuple[ChangedValues, ...]
    cursor: str
    more: bool
