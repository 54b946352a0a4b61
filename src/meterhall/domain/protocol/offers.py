"""Offers: what a provider serves, how fine, how fast and for how much; searching and wishing for them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints

from meterhall.domain.protocol.base import (
    AccessNumber,
    Amount,
    Assurance,
    CertificationId,
    Country,
    Digest,
    DirectionName,
    EachOnce,
    FormatName,
    GranularityName,
    Instant,
    LongText,
    Message,
    OfferId,
    Period,
    SeenLines,
    SeenText,
    ShortText,
    WishId,
)

ServiceType = Literal["metering_data", "forecast", "energy_monitoring", "local_energy_control", "flexibility"]
Timing = Literal["historical", "near_real_time", "forecast"]
Transmission = Literal["pull", "push"]
IsoPeriod = Annotated[str, StringConstraints(pattern=r"^P(\d+Y)?(\d+M)?(\d+D)?$", min_length=3)]


class DataScope(Message):
    """Which data: of an offer what can be had, of an activation or consent what may be had.

    `period` bounds the reading period (absent: no bound of its own).
    """

    kind: Literal["individual", "aggregate"] = Field(
        "individual",
        description="`individual`: curves of single PODs, under pseudonyms; `aggregate`: measures of groups only.",
    )
    timing: Timing = Field(
        "historical",
        description="`historical`: readings of days past; `near_real_time`: readings soon after they are taken; "
        "`forecast`: values expected of the next civil day.",
    )
    directions: EachOnce[DirectionName] = Field(
        ("import",),
        min_length=1,
        description="Which way the energy flows, seen from the customer. `import`: taken from the grid; "
        "`export`: fed into it.",
    )
    granularities: EachOnce[GranularityName] = Field(
        min_length=1,
        description="How long a slot of a curve is (ISO 8601 duration). `PT15M`, `PT30M` and `PT1H` are counted from "
        "midnight UTC; `P1D`, `P7D` and `P1M` are civil days, weeks (which begin on Mondays) and months in the POD's "
        "zone.",
    )
    period: Period | None = Field(
        None,
        description="The reading period: of which days data can or may be had; absent: no bound of its own. An "
        "activation of historical data needs one.",
    )

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

    amount: Amount = Field(description="How much, in the currency's main unit: a decimal in text, never negative.")
    currency: Literal["EUR"] = Field("EUR", description="The currency, ISO 4217.")
    per: Literal["pod_month", "pod_year", "delivery", "subscription_year", "free"] = Field(
        description="What is paid for: a POD and month, a POD and year, a delivery, a year of the subscription; "
        "`free` with an amount of 0, and only then."
    )

    def value(self) -> Decimal:
        return Decimal(self.amount)


CORRECTIONS: Final = "corrections"
"""The code of the one option that the platforms go by."""


class ServiceOption(Message):
    """What a requester may choose besides, when it subscribes."""

    code: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = Field(
        description="The provider's name of the option; unique in the offer. Subscriptions choose by it. "
        "`corrections`: what is corrected after it was delivered is delivered anew; where an offer has no such "
        "option, in any case."
    )
    title: SeenText = Field(description="What the option is, for people.")
    price: Price | None = Field(None, description="What it costs on top; absent: it is included.")


class ServiceLevel(Message):
    """Promises that both sides' statements measure (MP-18)."""

    answer_within_s: int = Field(
        86_400, gt=0, description="Seconds from the activation request to an answer for every POD."
    )
    delivery_within_s: int = Field(86_400, gt=0, description="Seconds from the data request to a published delivery.")
    scheduled_within_s: int = Field(
        86_400,
        gt=0,
        description="Seconds from the end of a day, week or month to its scheduled delivery; half of them are spent "
        "waiting for readings that are missing.",
    )
    stop_within_s: int = Field(60, gt=0, description="Seconds from a revocation to the last byte under it.")
    availability_percent: Annotated[str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,3})?$")] = Field(
        "99.0", description="Share of the time in which the B2B interface answers, in percent: a decimal in text."
    )


class CoverageArea(Message):
    """Which points of delivery a provider answers for."""

    kind: Literal["operator_code", "identifier_prefix", "postcode", "municipality", "polygon"] = Field(
        description="What `value` is. `operator_code`: the operator part of PODs; `identifier_prefix`: how PODs begin; "
        "`postcode`, `municipality`: a place; `polygon`: an area of the map."
    )
    country: Country = Field(description="The country it lies in, ISO 3166-1 alpha-2; the offer names it too.")
    value: Annotated[str, StringConstraints(min_length=1, max_length=20_000)] = Field(
        description="The code, prefix or name, compared without case; it names many PODs, never one. Of a `polygon`: "
        "GeoJSON text, a ring or a Polygon (RFC 7946, section 3.1.6), longitude before latitude in degrees (WGS 84)."
    )
    name: SeenText | None = Field(None, description="The grid operator's name, where it is not the provider's own.")


class Offer(Message):
    """A Business Service Offer: everything needed to generate the contract."""

    title: SeenText = Field(description="What the catalogue shows as its name.")
    summary: SeenLines = Field("", description="What is served, for people; searched together with the title.")
    service_type: ServiceType = Field(
        "metering_data",
        description="`metering_data`: readings and their sums; `forecast`: what is expected of the next day, with a "
        "scope of that timing; `energy_monitoring`, `local_energy_control`, `flexibility`: services of the unregulated "
        "environment.",
    )
    scope: DataScope = Field(description="Which data can be had.")
    formats: EachOnce[FormatName] = Field(min_length=1, description="The file formats a delivery can be asked in.")
    transmission: EachOnce[Transmission] = Field(
        ("pull",),
        min_length=1,
        description="`pull`: the requester fetches; `push`: the provider sends to the repository of the contract.",
    )
    options: tuple[ServiceOption, ...] = Field((), description="What may be chosen besides; each code once.")
    duration: IsoPeriod = Field(
        "P1Y",
        description="How long a contract gives access (ISO 8601 years, months and days): more than nothing, ten years "
        "at most.",
    )
    price: Price = Field(description="What the service costs.")
    service_level: ServiceLevel = Field(ServiceLevel(), description="What is promised of its quality.")
    countries: EachOnce[Country] = Field(
        min_length=1, description="Where it is offered: countries of the EU or the EEA, ISO 3166-1 alpha-2."
    )
    coverage: tuple[CoverageArea, ...] = Field(
        min_length=1, max_length=5000, description="The PODs the provider answers for: what localisation goes by."
    )
    minimum_group: int | None = Field(
        None, ge=5, description="Fewest PODs in an aggregate; needed of kind `aggregate`. Absent: the provider's own."
    )
    accepted_assurance: EachOnce[Assurance] = Field(
        ("customer_signed", "customer_confirmed"),
        min_length=1,
        description="Which proof of consent counts. `requester_stated`: the requester's word; `customer_signed`: the "
        "customer's own signature; `customer_confirmed`: given on the provider's page.",
    )
    notice_days: int = Field(30, ge=0, description="Days of notice given before a change reaches running contracts.")


class OfferView(Message):
    """A version of an offer as the catalogue shows it."""

    offer_id: OfferId
    version: int = Field(ge=1, description="Counts the offer's versions from 1; a version never changes.")
    status: Literal["draft", "published", "withdrawn"] = Field(
        description="`draft`: seen by its provider only; `published`: in the catalogue; `withdrawn`: taken off, or "
        "replaced by a newer version. Running contracts keep running."
    )
    provider: AccessNumber = Field(description="Whose offer it is.")
    provider_name: str = Field(description="That player's organisation.")
    offer: Offer = Field(description="The offer itself.")
    digest: Digest = Field(description="Digest of `offer` in canonical form (RFC 8785).")
    published_at: Instant | None = Field(None, description="When it was published; absent: it never was.")
    certified_until: Instant | None = Field(
        None, description="The end of the provider's certificate; absent: it has none now, and the offer is hidden."
    )


class Profile(Message):
    """What a provider asks to be certified for: the conformance run activates these sandbox PODs."""

    sandbox_pods: tuple[Annotated[str, StringConstraints(max_length=40)], ...] = Field(
        min_length=1,
        max_length=5,
        repr=False,
        description="PODs of a range reserved for tests, as their scheme writes them, which have readings.",
    )
    period: Period = Field(description="The days to be delivered in the run, 1 to 31; readings must be there.")
    granularity: GranularityName = Field(description="The granularity to be delivered in the run.")
    format: FormatName = Field(description="The format to be delivered in the run.")


class CertificationCheck(Message):
    """One check of the conformance run; never a reading, digests at most."""

    name: ShortText = Field(description="Which check, such as `token` or `parts`; they run in a fixed order.")
    passed: bool = Field(description="Whether it held; after the first that does not, none follows.")
    detail: LongText = Field("", description="What was found, in a sentence for people.")
    digest: Digest | None = Field(
        None, description="Digest of what was looked at: the manifest, or the first part; absent with other checks."
    )


class CertificationView(Message):
    """A conformance run as its provider sees it, and the certificate it earned."""

    certification_id: CertificationId
    status: Literal["pending", "running", "passed", "failed", "lapsed"] = Field(
        description="`pending`: asked for; `running`: the certifier is announced; `passed`, `failed`: it is over; "
        "`lapsed`: it had passed, and the certificate has run out."
    )
    requested_at: Instant = Field(description="When the run was asked for.")
    finished_at: Instant | None = Field(None, description="When the run was over; absent before that.")
    valid_until: Instant | None = Field(
        None, description="From when on the certificate is void; absent: the run has not passed."
    )
    checks: tuple[CertificationCheck, ...] = Field(
        (), description="What was checked, in order, up to the first check that failed; empty before the end."
    )


class Wish(Message):
    """What a requester needs, for how many customers, where (step 3)."""

    text: SeenLines = Field("", description="What is needed, in words for people; it is not matched.")
    countries: EachOnce[Country] = Field(
        min_length=1, description="Where the customers are, ISO 3166-1 alpha-2; an offer in one of them may fit."
    )
    customers: int = Field(ge=1, description="For how many customers, about.")
    scope: DataScope = Field(description="Which data is needed; an offer that fits serves all of it.")
    formats: EachOnce[FormatName] = Field(
        (), description="The formats the requester reads, of which one is enough; empty: any."
    )
    highest_price: Price | None = Field(None, description="What it may cost at most; absent: whatever it costs.")
    until: Instant | None = Field(
        None, description="When to stop looking: the wish is closed then; absent: it stays open until it is closed."
    )


class WishMatch(Message):
    """An offer held against a wish."""

    offer_id: OfferId
    version: int = Field(description="The version that was compared, from 1; one that is published now.")
    fits: bool = Field(description="Whether the offer serves everything wished for.")
    reasons: tuple[str, ...] = Field(
        (),
        description="Why it does not fit wholly; empty when it does. Each is a code, a colon and a sentence; codes are "
        "`country`, `kind`, `timing`, `direction`, `granularity`, `format`, `period`, `price`, `price_unit`.",
    )


class WishView(Message):
    """A wish as its requester sees it, with what was found."""

    wish_id: WishId
    wish: Wish = Field(description="What was wished for.")
    status: Literal["open", "matched", "closed"] = Field(
        description="`open`: nothing fits yet; `matched`: something did, and the search goes on; `closed`: it is over."
    )
    matches: tuple[WishMatch, ...] = Field(
        (), description="Offers published now that were compared: those that fit first, of the others fifty at most."
    )


class ProviderView(Message):
    """A provider in the Market Place's list: who, where, what it covers, until when it is certified."""

    access_number: AccessNumber = Field(description="The provider.")
    organisation: str = Field(description="The organisation's name as it enrolled.")
    country: Country = Field(description="Where it is established, ISO 3166-1 alpha-2.")
    b2b: str = Field(description="Base URL of its B2B interface; also its OAuth issuer.")
    portal: str | None = Field(None, description="Base URL of its pages for people; absent: it named none.")
    contact: str = Field(description="Whom to turn to.")
    coverage: tuple[CoverageArea, ...] = Field(description="What its published offers cover, each area once.")
    offers: tuple[OfferId, ...] = Field(description="Its offers in the catalogue; empty while it is not certified.")
    certified_until: Instant | None = Field(
        None, description="From when on its certificate is void; absent: it has none now."
    )
