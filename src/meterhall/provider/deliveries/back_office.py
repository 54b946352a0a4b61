"""Back-office calls about deliveries."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

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
    """Deliveries with their versions at hand, newest first; what a version says is read where it is wanted."""
    versions = DeliveryVersion.objects.order_by("-version").defer("manifest", "jws", "receipt", "acknowledgement")
    return Delivery.objects.prefetch_related(Prefetch("versions", versions))


class Said(NamedTuple):
    """What lists show of a manifest."""

    reason: str
    readings: int = 0
    missing: int = 0
    parts: int = 0


def said_by(version: DeliveryVersion) -> Said:
    """What lists show of it; read once, since it never changes and may name a million PODs."""
    return _said(version.pk, version.digest)


@lru_cache(maxsize=1000)
def _said(version: int, digest: str) -> Said:
    manifest = DeliveryVersion.objects.values_list("manifest", flat=True).get(pk=version)
    readings, missing = (sum(part[name] for part in manifest["parts"]) for name in ("readings", "missing"))
    return Said(manifest["reason"], readings, missing, len(manifest["parts"]))


def view(delivery: Delivery) -> StaffDelivery:
    """A delivery out of `with_newest`."""
    newest = next(iter(delivery.versions.all()), None)
    said = said_by(newest) if newest else Said(delivery.reason)
    request = DataRequest.model_validate(delivery.request)
    return StaffDelivery(
        delivery_id=delivery.delivery_id,
        activation_id=delivery.activation_id,
        requester=delivery.requester,
        state=delivery.state,
        version=delivery.version,
        reason=said.reason,
        created_at=delivery.created_at,
        published_at=newest.published_at if newest else None,
        period=request.period,
        granularity=request.granularity,
        format=request.format,
        readings=said.readings,
        missing=said.missing,
        parts=said.parts,
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
