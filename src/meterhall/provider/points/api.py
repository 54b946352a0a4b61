"""Back-office calls about metering points, for the meter-data system."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.domain.pods import InvalidPod
from meterhall.provider.points.schemas import PointsIn, PointsTaken
from meterhall.provider.points.service import AmbiguousPod, BadZone, NotReserved, OverlappingHolders, register_points
from meterhall.web.api import endpoint
from meterhall.web.staff.service import StaffAuth


def add_points(api: NinjaAPI) -> None:
    """Publish the calls."""

    @endpoint(api, "PUT", "/points", response=PointsTaken, auth=StaffAuth(), step="points",
              refuses=(InvalidPod, AmbiguousPod, BadZone, NotReserved, OverlappingHolders))  # fmt: skip
    def put_points(request: HttpRequest, body: PointsIn) -> PointsTaken:
        """Create or update metering points with their holders; all or none."""
        return register_points(body.points)
