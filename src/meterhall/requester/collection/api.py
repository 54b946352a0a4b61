"""Back-office calls about data asked for and delivered; and the repository deliveries are pushed to."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.client.manifests import BadManifest
from meterhall.domain.protocol.base import DeliveryId, Message, Page
from meterhall.domain.protocol.deliveries import MOST_PART_BYTES, ManifestView
from meterhall.domain.protocol.keys import BadSignature
from meterhall.requester.activations.service import UnknownActivation, find
from meterhall.requester.collection.models import DataAsked, Delivery
from meterhall.requester.collection.repository import (
    MOST_MANIFEST_BYTES,
    NoPushAgreed,
    PartDiffers,
    PushMismatch,
    PushTooLarge,
    put_manifest,
    put_part,
    received,
)
from meterhall.requester.collection.service import (
    DataRequestIn,
    DataRequestView,
    DeliveryView,
    NotSent,
    UnknownDataRequest,
    UnknownDelivery,
    delivery_view,
    find_delivery,
    find_request,
    request_data,
    request_view,
)
from meterhall.web.api import Body, endpoint, page
from meterhall.web.staff.service import StaffAuth

PUSH_REFUSALS = (BadSignature, NoPushAgreed, PushTooLarge)


class Put(Message):
    """A part or a manifest was taken."""

    delivery_id: DeliveryId
    version: int
    part: int | None = None


def add_repository(api: NinjaAPI) -> None:
    """Publish the repository; a signed PUT repeated is a PUT done once, so it takes no key."""

    @endpoint(api, "PUT", "/repository/{delivery_id}/{version}/parts/{number}", response=Put, status=201,
              idempotent=False, step="9 push", takes=Body("application/octet-stream"),
              refuses=(*PUSH_REFUSALS, PartDiffers))  # fmt: skip
    def put_repository_part(request: HttpRequest, delivery_id: DeliveryId, version: int, number: int) -> Put:
        """Put a part of a delivery, signed (RFC 9421) by its provider."""
        put_part(received(request, MOST_PART_BYTES), delivery_id, number)
        return Put(delivery_id=delivery_id, version=version, part=number)

    @endpoint(api, "PUT", "/repository/{delivery_id}/{version}/manifest", response=Put, status=201,
              idempotent=False, step="9 push", takes=Body("application/json", ManifestView),
              refuses=(*PUSH_REFUSALS, BadManifest, PushMismatch))  # fmt: skip
    def put_repository_manifest(request: HttpRequest, delivery_id: DeliveryId, version: int) -> Put:
        """Put the manifest, after its parts; verification, storing and the receipt follow."""
        put_manifest(received(request, MOST_MANIFEST_BYTES), delivery_id, version)
        return Put(delivery_id=delivery_id, version=version)


def add_collection(api: NinjaAPI) -> None:
    """Publish the back-office calls."""
    staff = StaffAuth()

    @endpoint(api, "POST", "/data-requests", response=DataRequestView, status=202, auth=staff, step="8 data request",
              refuses=(UnknownActivation, NotSent))  # fmt: skip
    def post_data_request(request: HttpRequest, body: DataRequestIn) -> DataRequestView:
        """Ask for data of an activation; what the provider answers is shown with the request."""
        return request_view(request_data(find(body.activation), body))

    @endpoint(api, "GET", "/data-requests", response=Page[DataRequestView], auth=staff, step="8 data request")
    def get_data_requests(request: HttpRequest, after: str | None = None, limit: int = 100) -> Page[DataRequestView]:
        """What was asked for."""
        return page(DataAsked.objects.all(), request_view, after=after, limit=limit)

    @endpoint(api, "GET", "/data-requests/{number}", response=DataRequestView, auth=staff, step="8 data request",
              refuses=(UnknownDataRequest,))  # fmt: skip
    def get_data_request(request: HttpRequest, number: int) -> DataRequestView:
        """A data request: taken, with its delivery, or refused with the provider's code."""
        return request_view(find_request(number))

    @endpoint(api, "GET", "/deliveries", response=Page[DeliveryView], auth=staff, step="10 collection")
    def get_deliveries(
        request: HttpRequest, state: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[DeliveryView]:
        """What was delivered, with its state and whether both sides' statements match."""
        rows = Delivery.objects.all()
        return page(rows.filter(state=state) if state else rows, delivery_view, after=after, limit=limit)

    @endpoint(api, "GET", "/deliveries/{delivery_id}", response=DeliveryView, auth=staff, step="10 collection",
              refuses=(UnknownDelivery,))  # fmt: skip
    def get_delivery(request: HttpRequest, delivery_id: DeliveryId) -> DeliveryView:
        """One delivery."""
        return delivery_view(find_delivery(delivery_id))
