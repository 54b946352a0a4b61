"""Offers: what a provider serves, how fine, how fast and for how much; searching and wishing for them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints

from meterhall.domain.protocol.base import (
    AccessNumber,
    Amount,
    Assurance,
    CertificationId,
    Country,
    Digest,
    DirectionName,
    FormatName,
    GranularityName,
    Instant,
    LongText,
    Message,
    OfferId,
    Period,
    ShortText,
    WishId,
)

ServiceType = Literal["metering_data", "energy_monitoring", "local_energy_control", "flexibility"]
Timing = Literal["historical", "near_real_time", "forecast"]
Transmission = Literal["pull", "push"]
IsoPeriod = Annotated[str, StringConstraints(pattern=r"^P(\d+Y)?(\d+M)?(\d+D)?$", min_length=3)]


class DataScope(Message):
    """Which data: of an offer what can be had, of an activation or consent what may be had.

    `period` bounds the reading period (absent: no bound of its own).
    """

    kind: Literal["individual", "aggregate"] = "individual"
    timing: Timing = "historical"
    directions: tuple[DirectionName, ...] = Field(("import",), min_length=1)
    granularities: tuple[GranularityName, ...] = Field(min_length=1)
    period: Period | None = None

    def within(self, wider: Self) -> bool:
        """Whether nothing here goes beyond `wider`."""
        return (
            self.kind == wider.kind
            and self.timing == wider.timing
            and set(self.directions) <= set(wider.directions)
            and set(self.granularities) <= set(wider.granularities)
            and (wider.period is None or (self.period is not None and self.period.within(wider.period)))
        )


class Price(Message):
    """A price as a decimal in text, never a binary float."""

    amount: Amount
    currency: Literal["EUR"] = "EUR"
    per: Literal["pod_month", "pod_year", "delivery", "subscription_year", "free"]

    def value(self) -> Decimal:
        return Decimal(self.amount)


class ServiceOption(Message):
    code: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    title: ShortText
    price: Price | None = None


class ServiceLevel(Message):
    """Promises that both sides' statements measure (MP-18)."""

    answer_within_s: int = Field(86_400, gt=0, description="From activation request to an answer for every POD.")
    delivery_within_s: int = Field(86_400, gt=0, description="From data request to a published delivery.")
    stop_within_s: int = Field(60, gt=0, description="From a revocation to the last byte under it.")
    availability_percent: Annotated[str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,3})?$")] = "99.0"


class CoverageArea(Message):
    """Which points of delivery a provider answers for."""

    kind: Literal["operator_code", "identifier_prefix", "postcode", "municipality", "polygon"]
    country: Country
    value: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
    name: ShortText | None = Field(None, description="The grid operator's name, where it is not the provider's own.")


class Offer(Message):
    """A Business Service Offer: everything needed to generate the contract."""

    title: ShortText
    summary: LongText = ""
    service_type: ServiceType = "metering_data"
    scope: DataScope
    formats: tuple[FormatName, ...] = Field(min_length=1)
    transmission: tuple[Transmission, ...] = Field(("pull",), min_length=1)
    options: tuple[ServiceOption, ...] = ()
    duration: IsoPeriod = "P1Y"
    price: Price
    service_level: ServiceLevel = ServiceLevel()
    countries: tuple[Country, ...] = Field(min_length=1)
    coverage: tuple[CoverageArea, ...] = Field(min_length=1, max_length=5000)
    minimum_group: int | None = Field(None, ge=5, description="Fewest PODs in an aggregate.")
    accepted_assurance: tuple[Assurance, ...] = Field(("customer_signed", "customer_confirmed"), min_length=1)
    notice_days: int = Field(30, ge=0, description="Notice given before a change reaches running contracts.")


class OfferView(Message):
    """A version of an offer as the catalogue shows it."""

    offer_id: OfferId
    version: int = Field(ge=1)
    status: Literal["draft", "published", "withdrawn"]
    provider: AccessNumber
    provider_name: str
    offer: Offer
    digest: Digest
    published_at: Instant | None = None
    certified_until: Instant | None = None


class Profile(Message):
    """What a provider asks to be certified for: the conformance run activates these sandbox PODs."""

    sandbox_pods: tuple[Annotated[str, StringConstraints(max_length=40)], ...] = Field(
        min_length=1, max_length=5, repr=False
    )
    period: Period
    granularity: GranularityName
    format: FormatName


class CertificationCheck(Message):
    """One check of the conformance run; never a reading, digests at most."""

    name: ShortText
    passed: bool
    detail: LongText = ""
    digest: Digest | None = None


class CertificationView(Message):
    certification_id: CertificationId
    status: Literal["pending", "running", "passed", "failed", "lapsed"]
    requested_at: Instant
    finished_at: Instant | None = None
    valid_until: Instant | None = None
    checks: tuple[CertificationCheck, ...] = ()


class Wish(Message):
    """What a requester needs, for how many customers, where (step 3)."""

    text: LongText = ""
    countries: tuple[Country, ...] = Field(min_length=1)
    customers: int = Field(ge=1)
    scope: DataScope
    formats: tuple[FormatName, ...] = ()
    highest_price: Price | None = None
    until: Instant | None = None


class WishMatch(Message):
    offer_id: OfferId
    version: int
    fits: bool
    reasons: tuple[str, ...] = Field((), description="Why it does not fit wholly; empty when it does.")


class WishView(Message):
    wish_id: WishId
    wish: Wish
    status: Literal["open", "matched", "closed"]
    matches: tuple[WishMatch, ...] = ()


class ProviderView(Message):
    """A provider in the Market Place's list: who, where, what it covers, until when it is certified."""

    access_number: AccessNumber
    organisation: str
    country: Country
    b2b: str
    portal: str | None = None
    contact: str
    coverage: tuple[CoverageArea, ...]
    offers: tuple[OfferId, ...]
    certified_until: Instant | None = None
