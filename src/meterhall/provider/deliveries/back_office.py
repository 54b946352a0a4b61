"""Back-office calls about deliveries and about messages that could not be delivered."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.domain.errors import NotFound
from meterhall.domain.protocol.base import Instant, Message, Page, Period
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.provider.deliveries.models import Delivery, DeliveryVersion
from meterhall.web.api import endpoint, page
from meterhall.web.messaging.models import Outbox
from meterhall.web.messaging.service import redeliver
from meterhall.web.staff.service import StaffAuth
from meterhall.web.work.models import WorkState


class NoDeadLetter(NotFound):
    code = "no_dead_letter"
    title = "There is no undeliverable message of this id."


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


class DeadLetter(Message):
    """A message that was tried as often as is set, in vain."""

    id: str
    kind: str
    type: str
    recipient: str
    created_at: Instant
    attempts: int
    error: str


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


def dead_letters() -> QuerySet[Outbox]:
    """The messages that could not be delivered."""
    found: QuerySet[Outbox] = Outbox.objects.filter(work_state=WorkState.DEAD)
    return found


def letter_view(row: Outbox) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        kind=row.kind,
        type=row.type,
        recipient=row.recipient,
        created_at=row.created_at,
        attempts=row.attempts,
        error=row.last_error,
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

    @endpoint(api, "GET", "/dead-letters", response=Page[DeadLetter], auth=staff, step="messages")
    def get_dead_letters(request: HttpRequest, after: str | None = None, limit: int = 100) -> Page[DeadLetter]:
        """The messages that could not be delivered."""
        return page(dead_letters(), letter_view, after=after, limit=limit)

    @endpoint(api, "POST", "/dead-letters/{letter}/redelivery", response=DeadLetter, status=202, auth=staff,
              step="messages", refuses=(NoDeadLetter,))  # fmt: skip
    def post_redelivery(request: HttpRequest, letter: str) -> DeadLetter:
        """Try to deliver a message once more."""
        row = dead_letters().filter(pk=letter).first()
        if row is None or not redeliver(letter):
            raise NoDeadLetter
        return letter_view(row)
