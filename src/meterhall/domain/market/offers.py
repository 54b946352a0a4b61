"""What an offer must satisfy beyond its schema before it can become a contract."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from meterhall.domain.errors import InvalidInput
from meterhall.domain.identifiers import check_country
from meterhall.domain.market.durations import check_period, parse_duration
from meterhall.domain.market.texts import holds_pod
from meterhall.domain.pods import InvalidPod, read
from meterhall.domain.pods.coverage import FEWEST_FREE, check_coverage, is_narrow
from meterhall.domain.protocol.offers import CoverageArea, Offer
from meterhall.domain.readings import CivilUnit

_SHORTEST_POD: Final = 10


class InvalidOffer(InvalidInput):
    code = "offer_invalid"
    title = "The offer contradicts itself or lacks what its contract needs."


class CoverageIsPod(InvalidInput):
    code = "coverage_is_pod"
    title = "A coverage names many points of delivery by what they begin with, never a single one."


REGULATED: Final = frozenset({"metering_data", "forecast"})
"""The services of the regulated environment; the others are of the unregulated one."""


def check_offer(offer: Offer) -> None:
    """Refuse an offer no contract could be made of, naming the member at fault.

    Raises `InvalidOffer`, `EmptyDuration`, `PeriodEmpty`, `UnknownCountry`, `InvalidCoverage`, `CoverageIsPod`.
    """
    parse_duration(offer.duration, field="/duration")
    check_period(offer.scope.period, field="/scope/period")
    for at, country in enumerate(offer.countries):
        check_country(country, field=f"/countries/{at}")
    for at, area in enumerate(offer.coverage):
        _check_area(area, offer, f"/coverage/{at}")
    if offer.scope.kind == "aggregate" and offer.minimum_group is None:
        raise InvalidOffer("An aggregate names its minimum group.", field="/minimum_group")
    if (offer.price.per == "free") != (offer.price.value() == 0):
        raise InvalidOffer("A price of nothing is `free`, and only that is.", field="/price")
    if Decimal(offer.service_level.availability_percent) > 100:
        raise InvalidOffer("More than 100 percent cannot be promised.", field="/service_level/availability_percent")
    _check_forecast(offer)
    codes = [option.code for option in offer.options]
    for at, code in enumerate(codes):
        if code in codes[:at]:
            raise InvalidOffer("Two options have the same code.", field=f"/options/{at}/code")


def _check_forecast(offer: Offer) -> None:
    if (offer.service_type == "forecast") != (offer.scope.timing == "forecast"):
        raise InvalidOffer("A service of forecasts has the timing `forecast`, and only it has.", field="/scope/timing")
    if offer.scope.timing == "forecast" and set(CivilUnit) & set(offer.scope.granularities):
        raise InvalidOffer("A forecast is of the slots of a day, of an hour at most.", field="/scope/granularities")


def _check_area(area: CoverageArea, offer: Offer, where: str) -> None:
    if area.country not in offer.countries:
        raise InvalidOffer("The coverage lies in a country the offer does not name.", field=f"{where}/country")
    check_coverage(area.kind, area.value, field=f"{where}/value")
    if area.kind == "polygon":
        return
    if _is_pod(area.value, area.country) or holds_pod(area.value):
        raise CoverageIsPod(field=f"{where}/value")
    if is_narrow(area.kind, area.country, area.value, field=f"{where}/value"):
        raise CoverageIsPod(
            f"It leaves fewer than {FEWEST_FREE} characters open besides check characters: "
            "a coverage names many points of delivery.",
            field=f"{where}/value",
        )


def _is_pod(value: str, country: str) -> bool:
    if len(value) < _SHORTEST_POD:
        return False
    try:
        return bool(read(value, country=country))
    except InvalidPod:
        return False
