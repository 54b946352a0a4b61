"""Back-office calls about activations: who waits for what. PODs are masked."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from ninja import NinjaAPI
from pydantic import Field

from meterhall.domain.protocol.base import Instant, Message, Page
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import UnknownActivation
from meterhall.provider.points.service import pod_of
from meterhall.web.api import endpoint, page
from meterhall.web.staff.service import StaffAuth


class StaffActivation(Message):
    """An activation with its counts."""

    activation_id: str
    requester: str
    subscription_id: str
    state: str
    sandbox: bool
    created_at: Instant
    ended_at: Instant | None = None
    accepted: int
    refused: int
    pending: int
    ended: int


class StaffItem(Message):
    """One POD of an activation, masked, and its answer."""

    position: int
    pod: str | None = Field(None, description="Masked; absent where no metering point of ours was meant.")
    point: str | None = Field(None, description="The metering point's handle.")
    state: str
    code: str | None = None
    detail: str | None = None


def counted() -> QuerySet[Activation]:
    """The activations with how many items stand how."""
    numbers = {name: Count("items", filter=Q(items__state=name)) for name in ("accepted", "refused", "pending")}
    return Activation.objects.annotate(**numbers, over=Count("items", filter=Q(items__state="ended")))


def waiting() -> QuerySet[Activation]:
    """The running activations with an item that waits for its answer, as `counted` gives them."""
    return (
        counted()
        .filter(pk__in=ActivationItem.objects.filter(state="pending").values("activation"))
        .exclude(state="ended")
    )


def view(activation: Activation) -> StaffActivation:
    """An activation out of `counted`."""
    return StaffActivation(
        activation_id=activation.activation_id,
        requester=activation.requester,
        subscription_id=activation.subscription_id,
        state=activation.state,
        sandbox=activation.is_sandbox,
        created_at=activation.created_at,
        ended_at=activation.ended_at,
        accepted=activation.accepted,  # type: ignore[attr-defined]
        refused=activation.refused,  # type: ignore[attr-defined]
        pending=activation.pending,  # type: ignore[attr-defined]
        ended=activation.over,  # type: ignore[attr-defined]
    )


def item_view(item: ActivationItem) -> StaffItem:
    return StaffItem(
        position=item.position,
        pod=pod_of(item.point).masked if item.point else None,
        point=item.point.handle if item.point else None,
        state=item.state,
        code=item.code or None,
        detail=item.detail or None,
    )


def add_activation_list(api: NinjaAPI) -> None:
    """Publish the calls."""
    staff = StaffAuth()

    @endpoint(api, "GET", "/activations", response=Page[StaffActivation], auth=staff, step="6 activation")
    def get_activations(
        request: HttpRequest, state: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[StaffActivation]:
        """The activations of all requesters; `state=requested` are those not answered yet."""
        rows = counted().filter(state=state) if state else counted()
        return page(rows, view, after=after, limit=limit)

    @endpoint(api, "GET", "/activations/{activation_id}/items", response=Page[StaffItem], auth=staff,
              step="6 activation", refuses=(UnknownActivation,))  # fmt: skip
    def get_activation_items(
        request: HttpRequest, activation_id: str, after: str | None = None, limit: int = 100
    ) -> Page[StaffItem]:
        """The items of an activation, with the code of each refusal."""
        found = Activation.objects.filter(pk=activation_id).first()
        if found is None:
            raise UnknownActivation
        return page(found.items.select_related("point"), item_view, after=after, limit=limit, by="position")
