"""Deliveries: asking for data, the manifest and its parts, the receipt that says what arrived."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

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


Measure = Literal["sum", "mean", "p10", "p25", "p50", "p75", "p90"]
"""What is told of a group in each slot; percentiles by nearest rank. There is no minimum and no maximum."""


class GroupOf(Message):
    """Points of the provider by what is kept of them: a grid area, of it one class of customer, or a postal code."""

    area: str | None = Field(None, min_length=1, max_length=120, description="The provider's grid area.")
    postal_code: str | None = Field(None, min_length=1, max_length=12)
    usage_class: str | None = Field(None, min_length=1, max_length=40, description="Class of customer, in the area.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.area is None) == (self.postal_code is None):
            raise ValueError("a group is of a grid area or of a postal code")
        if self.usage_class is not None and self.area is None:
            raise ValueError("a class of customer is taken in a grid area")
        return self


def check_over(
    group: bool, over: GroupOf | None, pseudonyms: tuple[str, ...], measures: tuple[str, ...] | None
) -> None:
    """Whether the members of a request that speak of a group fit each other. Raises `ValueError`."""
    if over is not None and (not group or pseudonyms):
        raise ValueError("over needs group, and names no pseudonyms")
    if measures is not None and (not group or not 0 < len(set(measures)) == len(measures)):
        raise ValueError("measures are those of a group, each once")


class DataRequest(Message):
    """Ask for data of an activation (step 8). With `group` the sum of the members is delivered, never a member.

    With `over` the members are the provider's own points, and no consent is needed.
    """

    activation_id: ActivationId
    period: Period
    granularity: GranularityName
    format: FormatName
    directions: tuple[DirectionName, ...] = ("import",)
    transmission: Transmission = "pull"
    pseudonyms: tuple[Pseudonym, ...] = Field((), max_length=10_000, description="Empty: every accepted POD.")
    group: bool = Field(False, description="Deliver one aggregate of the PODs instead of individual curves.")
    over: GroupOf | None = Field(None, description="With `group`: over these points of the provider, not over PODs.")
    measures: tuple[Measure, ...] | None = Field(
        None, min_length=1, max_length=7, description="With `group`: what is told of each slot; absent: the sum."
    )

    @model_validator(mode="after")
    def _over_a_group(self) -> Self:
        check_over(self.group, self.over, self.pseudonyms, self.measures)
        return self


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


class GroupCurveName(Message):
    """Under which name one measure of a group stands in the parts."""

    measure: Measure
    pseudonym: Pseudonym


class GroupMonth(Message):
    """How many PODs were in a group in one month and direction, and how complete and how open the answer is.

    Of a list of PODs there is one for each direction, over the whole period.
    """

    month: date = Field(description="Its first day; of a list of PODs the first day of the period.")
    direction: DirectionName
    pods: int = Field(ge=0)
    values: int = Field(ge=0, description="Values there are, of all PODs and slots.")
    expected: int = Field(ge=0, description="PODs times slots.")
    withheld: int = Field(ge=0, description="Complete slots not shown, since one POD is too much of the total.")


class GroupAnswer(Message):
    """What a delivery with `group` is about."""

    over: GroupOf | None = None
    curves: tuple[GroupCurveName, ...]
    months: tuple[GroupMonth, ...]


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
    group_size: int | None = Field(None, description="Of a group: how many PODs; of `over`, the fewest of a month.")
    group: GroupAnswer | None = None
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
