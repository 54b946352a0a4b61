"""Commands and questions about metering points."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction

from meterhall.domain.errors import InvalidInput
from meterhall.domain.pods import Pod, is_sandbox, read
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import new_id
from meterhall.provider.points.models import Occupancy, Point
from meterhall.provider.points.schemas import OccupancyIn, PointIn, PointsTaken


class BadZone(InvalidInput):
    code = "bad_zone"
    title = "A zone is an IANA time zone such as Europe/Rome."


class OverlappingHolders(InvalidInput):
    code = "overlapping_holders"
    title = "Two holders of one metering point overlap in time."


class NotReserved(InvalidInput):
    code = "pod_not_reserved"
    title = "A sandbox point has a POD of a range reserved for demonstration."


class AmbiguousPod(InvalidInput):
    code = "pod_ambiguous"
    title = "The POD fits several schemes; say the country."


def one_pod(text: str, country: str | None, field: str) -> Pod:
    """The single POD the text stands for. Raises `InvalidPod` or `AmbiguousPod` naming the field."""
    candidates = read(text, country=country, field=field)
    if len(candidates) != 1:
        raise AmbiguousPod(field=field)
    return candidates[0].pod


def register_points(points: tuple[PointIn, ...]) -> PointsTaken:
    """Create or update metering points with their holders; all or none."""
    created = 0
    with transaction.atomic():
        for index, given in enumerate(points):
            created += _register(given, f"/points/{index}")
    return PointsTaken(created=created, updated=len(points) - created)


def _register(given: PointIn, field: str) -> bool:
    pod = one_pod(given.pod, given.country, f"{field}/pod")
    if given.sandbox and not is_sandbox(pod):
        raise NotReserved(field=f"{field}/pod")
    _check_zone(given.zone, f"{field}/zone")
    _check_holders(given.occupancies, f"{field}/occupancies")
    values = {"scheme": pod.scheme, "zone": given.zone, "area": given.area, "usage_class": given.usage_class}
    point, created = Point.objects.update_or_create(
        pod=pod.value,
        defaults=values,
        create_defaults=values | {"handle": new_id("pt"), "is_sandbox": given.sandbox},
    )
    if given.occupancies:
        point.occupancies.all().delete()
        Occupancy.objects.bulk_create(
            Occupancy(point=point, holder_reference=held.holder_reference, first=held.first, until=held.until)
            for held in given.occupancies
        )
    return created


def _check_zone(zone: str, field: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise BadZone(field=field) from None


def _check_holders(holders: tuple[OccupancyIn, ...], field: str) -> None:
    ordered = sorted(holders, key=lambda held: held.first)
    for index, (earlier, later) in enumerate(itertools.pairwise(ordered)):
        if earlier.until is None or earlier.until > later.first:
            raise OverlappingHolders(field=f"{field}/{index}")


@dataclass(frozen=True, slots=True)
class Held:
    """The days of a period during which one holder held a point."""

    occupancy: Occupancy
    days: Period


def held_days(point: Point, holder_reference: str, period: Period) -> Held | None:
    """The last stretch of `period` in which the holder held the point, or None."""
    for occupancy in point.occupancies.filter(holder_reference=holder_reference).order_by("-first"):
        first = max(period.first, occupancy.first)
        until = min(period.until, occupancy.until or date.max)
        if first < until:
            return Held(occupancy, Period(first=first, until=until))
    return None


def find_point(pod: Pod) -> Point | None:
    """The metering point of a POD, if the provider holds it."""
    return Point.objects.filter(pod=pod.value).first()
