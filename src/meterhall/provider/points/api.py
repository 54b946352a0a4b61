"""Back-office calls about metering points, for the meter-data system. PODs come in; only masked ones go out."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI
from pydantic import Field

from meterhall.domain.pods import InvalidPod
from meterhall.domain.protocol.base import Message, Page
from meterhall.provider.points.models import Point
from meterhall.provider.points.schemas import PointsIn, PointsTaken
from meterhall.provider.points.service import (
    AmbiguousPod,
    BadZone,
    EmptyStay,
    NoSuchPoint,
    NotReserved,
    OverlappingHolders,
    OverlappingMeters,
    RepeatedPod,
    SandboxFixed,
    pod_of,
    point_of,
    register_points,
)
from meterhall.web.api import endpoint, page
from meterhall.web.staff.service import StaffAuth

REFUSES = (
    InvalidPod, AmbiguousPod, BadZone, NotReserved, OverlappingHolders, OverlappingMeters, EmptyStay, RepeatedPod,
    SandboxFixed,
)  # fmt: skip


class PointView(Message):
    """A metering point; its POD masked."""

    handle: str
    pod: str = Field(description="Masked: what names the grid operator, at most.")
    scheme: str
    zone: str
    area: str
    postal_code: str
    municipality: str
    usage_class: str
    maximum_power_w: int | None = Field(description="What its connection can carry, in W; null where not known.")
    sandbox: bool
    holders: int = Field(description="How many stays are known.")
    meters: int = Field(description="How many meters have hung there.")
    series: tuple[str, ...] = Field(description="The directions that are measured.")


def view(point: Point) -> PointView:
    """The point as the back office sees it."""
    return PointView(
        handle=point.handle,
        pod=pod_of(point).masked,
        scheme=point.scheme,
        zone=point.zone,
        area=point.area,
        postal_code=point.postal_code,
        municipality=point.municipality,
        usage_class=point.usage_class,
        maximum_power_w=point.maximum_power_w,
        sandbox=point.is_sandbox,
        holders=len(point.occupancies.all()),
        meters=len(point.meters.all()),
        series=tuple(sorted({one.direction for one in point.series.all()})),
    )


def add_points(api: NinjaAPI) -> None:
    """Publish the calls."""
    staff = StaffAuth()

    @endpoint(api, "PUT", "/points", response=PointsTaken, auth=staff, step="points", refuses=REFUSES)
    def put_points(request: HttpRequest, body: PointsIn) -> PointsTaken:
        """Create or update metering points with their holders; all or none."""
        return register_points(body.points)

    @endpoint(api, "GET", "/points", response=Page[PointView], auth=staff, step="points")
    def get_points(request: HttpRequest, after: str | None = None, limit: int = 100) -> Page[PointView]:
        """The metering points, their PODs masked."""
        points = Point.objects.prefetch_related("occupancies", "meters", "series")
        return page(points, view, after=after, limit=limit, by="handle")

    @endpoint(api, "GET", "/points/{handle}", response=PointView, auth=staff, step="points", refuses=(NoSuchPoint,))
    def get_point(request: HttpRequest, handle: str) -> PointView:
        """One metering point."""
        return view(point_of(handle))
