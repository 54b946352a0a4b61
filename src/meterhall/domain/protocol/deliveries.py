"""Deliveries: asking for data, the manifest and its parts, the receipt that says what arrived."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from meterhall.domain.protocol.base import (
    AccessNumber,
    Acknowledgement,
    ActivationId,
    Amount,
    Compression,
    DeliveryId,
    Digest,
    DirectionName,
    EachOnce,
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
from meterhall.domain.readings.granularity import CivilUnit

MANIFEST_TYP = "meterhall-manifest+jws"
RECEIPT_TYP = "meterhall-receipt+jws"
GATE_BLOCK_BYTES = 256 * 1024
"""A part is sent in blocks of this size; before each, the consent epoch is compared."""
MOST_PART_BYTES = 256 * 1024 * 1024
"""No part is larger; a repository takes none that is."""

Pseudonym = Annotated[str, StringConstraints(min_length=36, max_length=36)]


Measure = Literal["sum", "mean", "p10", "p25", "p50", "p75", "p90"]
"""What is told of a group in each slot; percentiles by nearest rank. There is no minimum and no maximum."""


class GroupOf(Message):
    """Points of the provider by what is kept of them: a grid area, of it one class of customer, or a postal code.

    Exactly one of `area` and `postal_code` is there; `usage_class` stands beside `area` only.
    """

    area: str | None = Field(
        None,
        min_length=1,
        max_length=120,
        description="The grid area: its EIC, or the provider's own code; absent: the group is of `postal_code`.",
    )
    postal_code: str | None = Field(
        None, min_length=1, max_length=12, description="The points of this postal code; absent: those of `area`."
    )
    usage_class: str | None = Field(
        None,
        min_length=1,
        max_length=40,
        description="Of that area the points of this class of customer, as the provider names it; absent: all of them.",
    )

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

    Of an activation of forecasts the period is the one day after today in the provider's zone.

    With `over` the members are the provider's own points, no consent is needed, and no `pseudonyms` are named. Neither
    `over` nor `measures` stands without `group`.
    """

    activation_id: ActivationId = Field(description="The activation whose data is asked for; it has not ended.")
    period: Period = Field(
        description="The days asked for, within the activation's: within 1970 to 2199, 3660 days (ten years) at most."
    )
    granularity: GranularityName = Field(
        description="How long a slot shall be: one of the activation's scope, a whole multiple of the meter's own."
    )
    format: FormatName = Field(description="The file format of the parts; one the contract's offer has.")
    directions: EachOnce[DirectionName] = Field(
        ("import",), description="Which way the energy flows, seen from the customer; within the activation's scope."
    )
    transmission: Transmission = Field(
        "pull",
        description="`pull`: the requester fetches; `push`: sent to the contract's repository, which must be there.",
    )
    compression: Compression = Field(
        "none",
        description="How each part shall be packed: not at all, by gzip, or by zstd; every provider does all three.",
    )
    pseudonyms: EachOnce[Pseudonym] = Field(
        (), max_length=10_000, description="Of which accepted PODs, by pseudonym; empty: of every one."
    )
    group: bool = Field(False, description="Whether one aggregate of the PODs is delivered instead of single curves.")
    over: GroupOf | None = Field(
        None, description="With `group`: over these points of the provider; absent: over PODs of the activation."
    )
    measures: tuple[Measure, ...] | None = Field(
        None,
        min_length=1,
        max_length=7,
        description="With `group`: what is told of each slot, each once; percentiles by nearest rank. Absent: the sum.",
    )

    @model_validator(mode="after")
    def _over_a_group(self) -> Self:
        check_over(self.group, self.over, self.pseudonyms, self.measures)
        return self


class CurvesAsked(Message):
    """Ask for curves of an activation to be told at once, as parameters of the address; of one POD, or of every one."""

    first: date = Field(alias="from", description="The first day, within the activation's period.")
    until: date = Field(description="The day after the last one.")
    granularity: GranularityName = Field(
        description="How long a slot shall be: one of the activation's scope, a whole multiple of the meter's own."
    )
    format: FormatName = Field("arrow", description="The format of the answer; one the contract's offer has.")
    direction: DirectionName = Field("import", description="Which way the energy flows, seen from the customer.")
    pseudonym: Pseudonym | None = Field(
        None, description="Of which accepted POD; absent: of every one, 10,000 at most."
    )

    def request(self, activation_id: str) -> DataRequest:
        """The same as a data request."""
        return DataRequest(
            activation_id=activation_id,
            period=Period(first=self.first, until=self.until),
            granularity=self.granularity,
            format=self.format,
            directions=(self.direction,),
            pseudonyms=() if self.pseudonym is None else (self.pseudonym,),
        )


class DataRequested(Message):
    """The provider took the request; `delivery.ready` follows."""

    delivery_id: DeliveryId
    acknowledgement: Acknowledgement = Field(description="`data.acknowledged`; keep it.")


ForecastMethod = Literal["same_weekday", "last_day", "gradient_boosting"]
"""How a day is forecast; what each is stands with the member `method`."""


class ForecastMade(Message):
    """How one curve of a forecast was made, and how large its error was on the days before.

    Each day of the back-test is forecast from what was as old then as what this forecast is made from is now. The
    method with the smallest error there made the forecast. Errors are mean absolute errors of the slots in which there
    is a reading and either naive forecast.
    """

    pseudonym: Pseudonym = Field(description="Under which the part has the curve.")
    direction: DirectionName = Field(description="Which way the energy flows, seen from the customer.")
    method: ForecastMethod = Field(
        description="`same_weekday`: the day a week before, again; `last_day`: the last known day, again; "
        "`gradient_boosting`: learnt from the curve's own twelve weeks before, by gradient-boosted trees."
    )
    known_until: date = Field(description="The day after the last one it was made from.")
    tested: Period = Field(description="From the first to the last day of the back-test.")
    tested_days: int = Field(ge=1, description="On how many of these days it was tried.")
    error_wh: Amount = Field(description="The method's mean absolute error there, in Wh a slot: a decimal in text.")
    naive_error_wh: Amount = Field(
        description="That of the seasonal-naive forecast, `same_weekday`, in the same slots: a decimal in text."
    )
    error_ratio: Amount | None = Field(
        None, description="The first as a share of the second: below 1 it is better; absent: the second is zero."
    )


class NotForecast(Message):
    """A curve of which there is no forecast, and why; nothing is invented in its place."""

    pseudonym: Pseudonym = Field(description="The usage point, or the measure of a group.")
    direction: DirectionName = Field(description="Which way the energy flows, seen from the customer.")
    code: Literal["history_too_short", "history_too_old"] = Field(
        description="`history_too_short`: fewer than seven days could be tried, two weeks are needed; "
        "`history_too_old`: the last known day lies more than a week before the day asked for."
    )


class ForecastAnswer(Message):
    """What a delivery of a forecast was made from. How large its error was stands with the parts."""

    known_at: Instant = Field(description="It is made from readings as they were known then; a later one changes none.")
    absent: tuple[NotForecast, ...] = Field((), description="Of what there is no forecast, and why.")


class Part(Message):
    """One immutable file of a delivery."""

    number: int = Field(ge=1, description="Its name in the delivery; a number is never used for another file.")
    media_type: str = Field(description="The media type (RFC 6838) of the file unpacked; its `Content-Type`.")
    extension: str = Field(description="How the name of the file as sent ends, without the dot: `csv`, `csv.gz`.")
    compression: Compression = Field(
        "none",
        description="How the bytes are packed: not at all, as one gzip member (RFC 1952), or as one zstd frame "
        "(RFC 8878); no header says it.",
    )
    size_bytes: int = Field(ge=0, description="Length of the file as sent, in bytes.")
    digest: Digest = Field(description="Digest of the bytes as sent, before anything is unpacked; its `ETag` as well.")
    pseudonyms: tuple[Pseudonym, ...] = Field(
        description="Which usage points are in the file; of a group the names of its measures."
    )
    readings: int = Field(ge=0, description="Values in the file, missing slots not counted.")
    missing: int = Field(ge=0, description="Slots of the period without a value.")
    forecasts: tuple[ForecastMade, ...] | None = Field(
        None, description="Of a forecast how each curve in the file was made, and its error; absent: it is of readings."
    )


class GroupCurveName(Message):
    """Under which name one measure of a group stands in the parts."""

    measure: Measure = Field(description="`sum`, `mean`, or a percentile by nearest rank: `p50` is the median.")
    pseudonym: Pseudonym = Field(description="The UUID under which the parts have it as a usage point.")


class GroupMonth(Message):
    """How many PODs were in a group in one month and direction, and how complete and how open the answer is.

    Of a list of PODs there is one for each direction, over the whole period.
    """

    month: date = Field(description="Its first day; of a list of PODs the first day of the period.")
    direction: DirectionName = Field(description="Which way the energy flows, seen from the customer.")
    pods: int = Field(ge=0, description="How many PODs were in the group.")
    values: int = Field(ge=0, description="Values there are, of all PODs and slots.")
    expected: int = Field(ge=0, description="Values there would be if none were missing: PODs times slots.")
    withheld: int = Field(ge=0, description="Complete slots not shown, since one POD is too much of the total.")


class GroupAnswer(Message):
    """What a delivery with `group` is about."""

    over: GroupOf | None = Field(None, description="The points it is over; absent: a list of PODs.")
    curves: tuple[GroupCurveName, ...] = Field(description="The measures in the parts and their names, each once.")
    months: tuple[GroupMonth, ...] = Field(
        description="How many PODs and how complete, by month and direction; of a forecast, in what it was made from."
    )


class Manifest(Message):
    """What a delivery consists of; a later version supersedes an earlier one and leaves untouched parts as they are."""

    delivery_id: DeliveryId
    version: int = Field(ge=1, description="Counts the manifests of the delivery from 1; the highest is valid.")
    supersedes: Digest | None = Field(
        None, description="Digest of the manifest one version earlier; absent: this is the first."
    )
    reason: Literal["requested", "scheduled", "correction", "revocation"] = Field(
        "requested",
        description="`requested`: a data request; `scheduled`: the activation's schedule; `correction`: values "
        "changed; `revocation`: a consent or a stay ended, so that something had to go.",
    )
    activation_id: ActivationId = Field(description="The activation it is of.")
    subscription_id: SubscriptionId = Field(description="The subscription it is under.")
    provider: AccessNumber = Field(description="Who delivers, and signs this.")
    requester: AccessNumber = Field(description="For whom it is: refuse one that is not for you.")
    created_at: Instant = Field(description="When this version was made.")
    period: Period = Field(description="The days asked for, civil days in each POD's zone.")
    granularity: GranularityName = Field(description="How long the slots in the parts are.")
    format: FormatName = Field(description="The file format of all parts.")
    group_size: int | None = Field(
        None, description="Of a group how many PODs; with `over`, the fewest of a month. Absent: it is of no group."
    )
    group: GroupAnswer | None = Field(
        None, description="Of a group what its curves are, and how complete. Absent: single curves, or nothing is left."
    )
    forecast: ForecastAnswer | None = Field(
        None, description="Of a forecast what it was made from; every value is marked as projected. Absent: readings."
    )
    commitment_salt: Salt = Field(
        description="Salt of the commitments to this manifest in both sides' statements: 16 random bytes in hex, the "
        "same for all versions."
    )
    parts: tuple[Part, ...] = Field(
        description="The files by number, those of the earlier version that stay among them; empty: nothing is left."
    )
    withdrawn: tuple[Pseudonym, ...] = Field((), description="PODs of the earlier version that are no longer in.")

    @property
    def readings(self) -> int:
        return sum(part.readings for part in self.parts)


class ManifestView(Message):
    """A manifest with the provider's signature over it."""

    manifest: Manifest = Field(description="The manifest for reading; what counts is the one that is signed.")
    jws: str = Field(description="Compact JWS of the manifest by the provider's transport key.")


class Receipt(Message):
    """What the requester verified and stored, or why it rejects; signed with its transport key (step 10)."""

    delivery_id: DeliveryId
    version: int = Field(description="The version of the manifest it answers, from 1.")
    manifest: Digest = Field(description="Digest of that manifest in canonical form (RFC 8785).")
    received_at: Instant = Field(
        description="When the requester had verified and stored it, or rejected it: "
        "after the manifest was published, and not in the future."
    )
    outcome: Literal["received", "rejected"] = Field(
        description="`received`: all of it is verified and stored, which is final; `rejected`: nothing is stored."
    )
    readings: int = Field(
        ge=0, description="Values stored, gaps not counted: of a receipt all the manifest announces, of a rejection 0."
    )
    code: Literal["digest_mismatch", "format_invalid", "incomplete", "unreadable"] | None = Field(
        None,
        description="Why it is rejected; absent of a receipt. `digest_mismatch`: a part is another file; `unreadable`: "
        "it does not decode; `format_invalid`: it is not what the manifest says; `incomplete`: there is less in it.",
    )
    detail: LongText = Field("", description="The same as a sentence for people.")


class ReceiptTaken(Message):
    """The provider took the receipt or rejection."""

    acknowledgement: Acknowledgement = Field(description="`receipt.acknowledged`; keep it.")


class ChangedValues(Message):
    """New or corrected values of one usage point: of one UTC day, or of civil days, weeks or months that follow
    each other."""

    pseudonym: Pseudonym = Field(description="The usage point, by the pseudonym of the activation's answer.")
    direction: DirectionName = Field(description="Which way the energy flows, seen from the customer.")
    start: Instant = Field(
        description="The start of the first slot; the others follow without a gap. Of slots of one length none lies "
        "beyond the end of the UTC day."
    )
    resolution: str = Field(
        description="How long a slot is (ISO 8601 duration): the finest granularity of the scope that the measured "
        "series can be had in, as `PT15M`; `P1D`, `P7D` and `P1M` are civil days, weeks and months of the POD's zone."
    )
    unit: Literal["Wh"] = Field("Wh", description="Watt-hours of the slot: energy, not mean power.")
    scale: int = Field(description="Power of ten of the values: a value is `values[i]` times 10 to this power, in Wh.")
    values: tuple[int | None, ...] = Field(
        description="One whole number a slot; null: there is no value. Zero is a value."
    )
    quality: tuple[int | None, ...] = Field(
        description="The ESPI 4.0 quality code of each value, in the same order; null where there is no value."
    )
    available_at: Instant = Field(description="When the youngest of these values became known to the provider.")
    edges: tuple[Instant, ...] | None = Field(
        None,
        description="Of `P1D`, `P7D` and `P1M`, whose slots differ in length, where they begin and end: one more than "
        "the values, the first of them `start`. Absent: the slots are of one length.",
    )

    @model_validator(mode="after")
    def _edges_of_civil_slots(self) -> Self:
        if (self.edges is None) == (self.resolution in set(CivilUnit)):
            raise ValueError("edges are those of civil days, weeks and months, which need them")
        if self.edges is not None and (len(self.edges) != len(self.values) + 1 or self.edges[0] != self.start):
            raise ValueError("edges are one more than the values, and begin with start")
        if len(self.quality) != len(self.values):
            raise ValueError("values and qualities have one entry a slot each")
        return self


class Changes(Message):
    """A page of the change feed; `cursor` is opaque, hand it back as `since`."""

    items: tuple[ChangedValues, ...] = Field(
        description="What is new or corrected, of 500 days of series at most; a later item for the same slots replaces "
        "an earlier one, and for the same civil day one of another resolution."
    )
    cursor: str = Field(description="Where this page ends, opaque: keep it and hand it back as `since`.")
    more: bool = Field(description="Whether more is there already: ask again at once; else ask later.")
