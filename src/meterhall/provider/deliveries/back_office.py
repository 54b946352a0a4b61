"""Back-office calls about deliveries."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.domain.protocol.base import Instant, Message, Page, Period
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.provider.deliveries.models import Delivery, DeliveryVersion
from meterhall.web.api import endpoint, page
from meterhall.web.staff.service import StaffAuth


class StaffDelivery(Message):
    """A delivery, its newest version and what the requester said of it."""

    delivery_id: str
    activation_id: str
    requester: str
    state: str
    version: int
    reason: str
    created_at: Instant
    published_at: Instant | None = None
    period: Period
    granularity: str
    format: str
    readings: int
    missing: int
    parts: int
    outcome: str | None = None
    code: str | None = None


def with_newest() -> QuerySet[Delivery]:
    """Deliveries with their versions at hand, newest first."""
    versions = DeliveryVersion.objects.order_by("-version")
    return Delivery.objects.prefetch_related(Prefetch("versions", versions))


def view(delivery: Delivery) -> StaffDelivery:
    """A delivery out of `with_newest`."""
    newest = next(iter(delivery.versions.all()), None)
    parts = newest.manifest["parts"] if newest else []
    request = DataRequest.model_validate(delivery.request)
    return StaffDelivery(
        delivery_id=delivery.delivery_id,
        activation_id=delivery.activation_id,
        requester=delivery.requester,
        state=delivery.state,
        version=delivery.version,
        reason=newest.manifest["reason"] if newest else delivery.reason,
        created_at=delivery.created_at,
        published_at=newest.published_at if newest else None,
        period=request.period,
        granularity=request.granularity,
        format=request.format,
        readings=sum(part["readings"] for part in parts),
        missing=sum(part["missing"] for part in parts),
        parts=len(parts),
        outcome=(newest.outcome or None) if newest else None,
        code=delivery.code or (newest.code if newest else "") or None,
    )


def add_delivery_list(api: NinjaAPI) -> None:
    """Publish the calls."""
    staff = StaffAuth()

    @endpoint(api, "GET", "/deliveries", response=Page[StaffDelivery], auth=staff, step="9 delivery")
    def get_deliveries(
        request: HttpRequest, state: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[StaffDelivery]:
        """The deliveries to all requesters, each with its newest version."""
        rows = with_newest().filter(state=state) if state else with_newest()
        return page(rows, view, after=after, limit=limit)
