"""In which zone a POD's days are: a delivery does not say it, its country does. Islands with a clock of their own are
shown in the zone of their mainland."""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from meterhall.domain.pods import InvalidPod, read
from meterhall.domain.pods.zones import zones_of_country
from meterhall.domain.readings import zone_of
from meterhall.requester.activations.service import pod_of, pods_of
from meterhall.web.platform import platform


def zone_of_country(country: str) -> ZoneInfo:
    """The zone of a country; of one that is not known, the portal's own."""
    return zone_of(next(iter(zones_of_country(country)), platform().config.zone))


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


def zones_of_pseudonyms(pseudonyms: Iterable[str]) -> dict[str, ZoneInfo]:
    """The same of many, in a query for all."""
    known = set(pseudonyms)
    zones = dict.fromkeys(known, zone_of_country(platform().config.country))
    return zones | {pseudonym: zone_of_pod(pod) for pseudonym, pod in pods_of(known).items()}
