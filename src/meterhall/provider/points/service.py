"""Commands and questions about metering points. Who held one when, for many at once, is in `holders`."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction

from meterhall.domain.errors import InvalidInput, NotFound
from meterhall.domain.pods import BY_CODE, Pod, is_sandbox, read
from meterhall.domain.protocol.canonical import new_id
from meterhall.provider.consents.epoch import advance_epoch
from meterhall.provider.points.files import is_xml, read_document, read_points
from meterhall.provider.points.models import Meter, Occupancy, Point
from meterhall.provider.points.schemas import MeterIn, OccupancyIn, PointIn, PointsTaken
from meterhall.web.platform import platform
from meterhall.web.sets import among, pieces, write_back

COLUMNS = ["scheme", "zone", "area", "postal_code", "municipality", "address", "usage_class", "maximum_power_w"]


class BadZone(InvalidInput):
    code = "bad_zone"
    title = "A zone is an IANA time zone such as Europe/Rome."


class OverlappingHolders(InvalidInput):
    code = "overlapping_holders"
    title = "Two holders of one metering point overlap in time."


class EmptyStay(InvalidInput):
    code = "empty_stay"
    title = "A holder moves out after the day of moving in."


class OverlappingMeters(InvalidInput):
    code = "overlapping_meters"
    title = "Two meters of one metering point overlap in time, or one is removed before it was hung."


class NotReserved(InvalidInput):
    code = "pod_not_reserved"
    title = "A sandbox point has a POD of a range reserved for demonstration."


class AmbiguousPod(InvalidInput):
    code = "pod_ambiguous"
    title = "The POD fits several schemes; say the country."


class NoSuchPoint(NotFound):
    code = "no_such_point"
    title = "There is no metering point of this handle."


class RepeatedPod(InvalidInput):
    code = "pod_repeated"
    title = "The same POD stands in the list twice."


class SandboxFixed(InvalidInput):
    code = "sandbox_fixed"
    title = "Whether a metering point is fictitious does not change."


def one_pod(text: str, country: str | None, field: str) -> Pod:
    """The single POD the text stands for; one that fits several countries is taken for one of the provider's own.

    Raises `InvalidPod` or `AmbiguousPod` naming the field.
    """
    candidates = read(text, country=country, field=field)
    if len(candidates) > 1 and country is None:
        mine = platform().config.country
        candidates = tuple(one for one in candidates if one.pod.country == mine) or candidates
    if len(candidates) != 1:
        raise AmbiguousPod(field=field)
    return candidates[0].pod


def pod_key(text: str, country: str) -> str:
    """How the POD is written here, for comparing; empty where the text is none."""
    try:
        return one_pod(text, country, "/pod").value
    except InvalidInput:
        return ""


def fits_elsewhere(text: str) -> bool:
    """Whether a text that is no POD here is one of another country."""
    try:
        return bool(read(text))
    except InvalidInput:
        return False


def pod_of(point: Point) -> Pod:
    """The point's POD, which prints masked."""
    return BY_CODE[point.scheme].pod(point.pod)


def label_for_holder(point: Point) -> str:
    """What a holder recognises the meter by: the masked POD and its last four characters."""
    return f"{pod_of(point).masked}{point.pod[-4:]}"


@dataclass(slots=True)
class _Wanted:
    """A point as given, with its POD read."""

    given: PointIn
    pod: Pod
    field: str


def register_points(points: tuple[PointIn, ...], *, zone_of_new: bool = False) -> PointsTaken:
    """Create or update metering points with their holders and meters; all or none.

    Of a known point what is not said stays as it was; with `zone_of_new` its zone too.

    Where the holders of a known point change, whatever was delivered of days that are no longer the consenting
    holder's stops at once.
    """
    wanted = [_read(given, f"/points/{index}") for index, given in enumerate(points)]
    if len({one.pod.value for one in wanted}) < len(wanted):
        raise RepeatedPod(field="/points")
    created = 0
    with transaction.atomic():
        for some in pieces(wanted, 500):
            created += _write(list(some), {"zone"} if zone_of_new else set())
    return PointsTaken(created=created, updated=len(points) - created)


def import_points(path: Path) -> PointsTaken:
    """Register the points of a CSV file or a CIM AccountingPoint document (`points.files`), all or none; a refusal
    names the line, or the place of the point in the document.

    Raises `BadPointsFile`, `DecodeError` and whatever `register_points` refuses.
    """
    if is_xml(path):
        try:
            return register_points(read_document(path, platform().config.zone), zone_of_new=True)
        except InvalidInput as fault:
            raise type(fault)(
                fault.detail, field=(fault.field or "").replace("/points/", "/AccountingPoint/")
            ) from None
    points, lines = read_points(path)
    try:
        return register_points(points)
    except InvalidInput as fault:
        raise _on_line(fault, lines) from None


def _on_line(fault: InvalidInput, lines: tuple[int, ...]) -> InvalidInput:
    """The refusal of `/points/<index>/…` as one of the line that the point stands on."""
    parts = (fault.field or "").split("/", 3)
    if len(parts) < 3 or not parts[2].isdigit():
        return fault
    line = lines[int(parts[2])]
    rest = f"/{parts[3]}" if len(parts) > 3 else ""
    return type(fault)(f"Line {line}: {fault.detail}", field=f"/lines/{line}{rest}")


def _read(given: PointIn, field: str) -> _Wanted:
    pod = one_pod(given.pod, given.country, f"{field}/pod")
    if given.sandbox and not is_sandbox(pod):
        raise NotReserved(field=f"{field}/pod")
    _check_zone(given.zone, f"{field}/zone")
    _check_holders(given.occupancies, f"{field}/occupancies")
    _check_meters(given.meters, f"{field}/meters")
    return _Wanted(given, pod, field)


def _write(wanted: list[_Wanted], of_new: set[str]) -> int:
    """Write some points; how many are new."""
    known = {point.pod: point for point in Point.objects.filter(pod__in=[one.pod.value for one in wanted])}
    fresh, changed = [], []
    for one in wanted:
        point = known.get(one.pod.value)
        said = COLUMNS if point is None else one.given.model_fields_set - of_new
        values = {"scheme": one.pod.scheme} | {name: getattr(one.given, name) for name in COLUMNS[1:] if name in said}
        if point is None:
            point = Point(pod=one.pod.value, handle=new_id("pt"), is_sandbox=one.given.sandbox, **values)
            fresh.append(point)
            known[one.pod.value] = point
            continue
        if "sandbox" in one.given.model_fields_set and point.is_sandbox != one.given.sandbox:
            raise SandboxFixed(field=f"{one.field}/sandbox")
        for name, value in values.items():
            setattr(point, name, value)
        changed.append(point)
    Point.objects.bulk_create(fresh)
    write_back(changed, COLUMNS)
    _write_holders([(known[one.pod.value], one.given.occupancies) for one in wanted if one.given.occupancies])
    _write_meters([(known[one.pod.value], one.given.meters) for one in wanted if one.given.meters])
    return len(fresh)


def _write_holders(stays: list[tuple[Point, tuple[OccupancyIn, ...]]]) -> None:
    before: dict[int, set[tuple[object, ...]]] = {}
    for one in Occupancy.objects.filter(point__in=[point.pk for point, _ in stays]):
        before.setdefault(one.point_id, set()).add((one.holder_reference, one.first, one.until))
    moved = [(point, held) for point, held in stays if {_stay(one) for one in held} != before.get(point.pk, set())]
    Occupancy.objects.filter(point__in=[point.pk for point, _ in moved]).delete()
    Occupancy.objects.bulk_create(
        Occupancy(point=point, holder_reference=one.holder_reference, first=one.first, until=one.until)
        for point, held in moved
        for one in held
    )
    known = [point.pk for point, _ in moved if point.pk in before]
    if known:
        Point.objects.filter(pk__in=known).update(holders_epoch=advance_epoch())


def _write_meters(hung: list[tuple[Point, tuple[MeterIn, ...]]]) -> None:
    Meter.objects.filter(point__in=[point.pk for point, _ in hung]).delete()
    Meter.objects.bulk_create(
        Meter(point=point, number=one.number, first=one.first, until=one.until) for point, all_ in hung for one in all_
    )


def _stay(held: OccupancyIn) -> tuple[object, ...]:
    return held.holder_reference, held.first, held.until


def _check_zone(zone: str, field: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadZone(field=field) from None


def _check_holders(holders: tuple[OccupancyIn, ...], field: str) -> None:
    for index, held in enumerate(holders):
        if held.until is not None and held.until <= held.first:
            raise EmptyStay(field=f"{field}/{index}/until")
    ordered = sorted(enumerate(holders), key=lambda pair: pair[1].first)
    for (_, earlier), (index, later) in itertools.pairwise(ordered):
        if earlier.until is None or earlier.until > later.first:
            raise OverlappingHolders(field=f"{field}/{index}")


def _check_meters(meters: tuple[MeterIn, ...], field: str) -> None:
    ordered = sorted(enumerate(meters), key=lambda pair: pair[1].first)
    for index, one in ordered:
        if one.until is not None and one.until <= one.first:
            raise OverlappingMeters(field=f"{field}/{index}/until")
    for (_, earlier), (index, later) in itertools.pairwise(ordered):
        if earlier.until is None or earlier.until > later.first:
            raise OverlappingMeters(field=f"{field}/{index}")


def find_point(pod: Pod) -> Point | None:
    """The metering point of a POD, if the provider holds it."""
    return Point.objects.filter(pod=pod.value).first()


def point_of(handle: str) -> Point:
    """The point of a handle. Raises `NoSuchPoint`."""
    found = Point.objects.filter(handle=handle).first()
    if found is None:
        raise NoSuchPoint
    return found


def points_by_pod(values: set[str]) -> dict[str, Point]:
    """The points of these PODs, by POD."""
    return {point.pod: point for point in Point.objects.filter(among("pod", values))}


def keys_by_pod(values: set[str]) -> dict[str, tuple[int, int | None]]:
    """The primary keys of the points of these PODs and what their connections can carry, in W or None where that is not
    known, by POD: of many, half of what whole points take."""
    found = Point.objects.filter(among("pod", values)).values_list("pod", "pk", "maximum_power_w")
    return {pod: (pk, power_w) for pod, pk, power_w in found}


def holder_points(holder_reference: str) -> list[Point]:
    """The points a holder holds or held."""
    return list(Point.objects.filter(occupancies__holder_reference=holder_reference).distinct().order_by("handle"))
