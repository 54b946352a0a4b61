"""In which zone a POD's days are: a delivery does not say it, its country does. Islands with a clock of their own are
shown in the zone of their mainland."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from meterhall.domain.pods import InvalidPod, read
from meterhall.domain.readings import zone_of
from meterhall.requester.activations.service import pod_of
from meterhall.web.platform import platform

CAPITALS: Final = {
    "AT": "Vienna", "BE": "Brussels", "BG": "Sofia", "CY": "Nicosia", "CZ": "Prague", "DE": "Berlin",
    "DK": "Copenhagen", "EE": "Tallinn", "ES": "Madrid", "FI": "Helsinki", "FR": "Paris", "GR": "Athens",
    "HR": "Zagreb", "HU": "Budapest", "IE": "Dublin", "IT": "Rome", "LI": "Vaduz", "LT": "Vilnius",
    "LU": "Luxembourg", "LV": "Riga", "MT": "Malta", "NL": "Amsterdam", "NO": "Oslo", "PL": "Warsaw", "PT": "Lisbon",
    "RO": "Bucharest", "SE": "Stockholm", "SI": "Ljubljana", "SK": "Bratislava",
}  # fmt: skip
"""The IANA city of each EEA country that is in Europe/."""


def zone_of_country(country: str) -> ZoneInfo:
    """The zone of a country; of one that is not known, the portal's own."""
    if country == "IS":
        return zone_of("Atlantic/Reykjavik")
    city = CAPITALS.get(country)
    return zone_of(f"Europe/{city}" if city else platform().config.zone)


def zone_of_pod(pod: str) -> ZoneInfo:
    """The zone of the country the POD is of."""
    try:
        country = read(pod)[0].pod.country
    except InvalidPod:
        country = platform().config.country
    return zone_of_country(country)


def zone_of_pseudonym(pseudonym: str) -> ZoneInfo:
    """The zone of the POD behind a pseudonym; of a group, our own country's."""
    pod = pod_of(pseudonym)
    return zone_of_pod(pod) if pod else zone_of_country(platform().config.country)
