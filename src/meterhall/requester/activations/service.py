"""Commands about activations: ask for PODs, add and remove some, hear of consents that ended, and what is shown.

Talking to the provider is in `exchange`.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from pydantic import Field, ValidationInfo, field_validator

from meterhall.domain.errors import Conflict, InvalidInput, NotFound
from meterhall.domain.protocol.activations import ItemAnswer, Schedule, SubmittedPod
from meterhall.domain.protocol.agreements import SubscriptionView
from meterhall.domain.protocol.base import Assurance, Instant, Jws, Message, Period, SubscriptionId
from meterhall.domain.protocol.events import ConsentChanged
from meterhall.domain.protocol.offers import DataScope
from meterhall.requester.activations.models import Activation, ActivationItem, ConsentKnown, Refreshing
from meterhall.requester.partners.service import quit_subscription, subscription
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import state
from meterhall.web.platform import platform
from meterhall.web.sets import pieces
from meterhall.web.work.models import WorkState


class UnknownActivation(NotFound):
    code = "unknown_activation"
    title = "There is no such activation of ours."


class SubscriptionNotActive(Conflict):
    code = "subscription_not_active"
    title = "The contract is not in force."


class ActivationOver(Conflict):
    code = "activation_over"
    title = "The activation was refused or has ended."


class NothingToRefresh(InvalidInput):
    code = "nothing_to_refresh"
    title = "Name at least one POD to add or to remove."


class EvidenceIncomplete(InvalidInput):
    code = "evidence_incomplete"
    title = "Evidence comes with its assurance, and an item has either evidence or a consent."


class ItemIn(Message):
    """A POD with its proof: a consent id, or evidence to be brought, or neither: the provider asks the customer."""

    pod: SubmittedPod = Field(repr=False)
    consent_id: str | None = None
    assurance: Assurance | None = None
    evidence: Jws | None = Field(None, repr=False)


class ActivationIn(Message):
    """What the back office asks for."""

    subscription_id: SubscriptionId
    scope: DataScope
    schedule: Schedule | None = None
    items: tuple[ItemIn, ...] = Field(
        max_length=10_000, description="At least one, but for aggregates over the provider's own points."
    )

    @field_validator("items")
    @classmethod
    def _of_somebody(cls, items: tuple[ItemIn, ...], info: ValidationInfo) -> tuple[ItemIn, ...]:
        scope = info.data.get("scope")
        if not items and not (scope is not None and scope.kind == "aggregate"):
            raise ValueError("names at least one POD")
        return items


class RefreshIn(Message):
    """PODs to add to, and to remove from, a running activation."""

    add: tuple[ItemIn, ...] = Field((), max_length=10_000)
    remove: tuple[SubmittedPod, ...] = Field((), max_length=10_000, repr=False)


class ActivationView(Message):
    """An activation with its counts."""

    id: int
    remote_id: str | None
    subscription_id: str
    provider: str
    state: str
    code: str | None
    detail: str | None
    scope: DataScope
    schedule: Schedule | None
    accepted: int
    refused: int
    pending: int
    ended: int
    created_at: Instant


class ItemView(Message):
    """One POD and what was answered."""

    pod: str = Field(repr=False)
    state: str
    code: str | None
    detail: str | None
    proof: str | None
    pseudonym: str | None
    consent_id: str | None
    readings: Period | None
    access_until: Instant | None


def ask(body: ActivationIn) -> Activation:
    """Keep an activation to be sent by the worker (step 6). Raises `SubscriptionNotActive`, `EvidenceIncomplete`."""
    sub = subscription(body.subscription_id)
    if sub.state != "active":
        raise SubscriptionNotActive(f"The subscription is {sub.state}.", field="/subscription_id")
    _check(body.items, "/items")
    now = platform().now()
    with transaction.atomic():
        activation = Activation.objects.create(
            subscription=sub,
            scope=body.scope.document(),
            schedule=body.schedule.document() if body.schedule else None,
            created_at=now,
            due_at=now,
        )
        ActivationItem.objects.bulk_create(
            _item(activation, position, item) for position, item in enumerate(body.items)
        )
        state(
            "activation.requested",
            transaction_id=sub.subscription_id,
            subject=f"activation-{activation.pk}",
            parties=(my_access_number(), sub.provider),
            counts={"items": len(body.items)},
        )
    return activation


def _check(items: tuple[ItemIn, ...], where: str) -> None:
    for place, item in enumerate(items):
        if bool(item.evidence) != bool(item.assurance) or (item.evidence and item.consent_id):
            raise EvidenceIncomplete(field=f"{where}/{place}")


def _item(activation: Activation, position: int, item: ItemIn, refreshing: Refreshing | None = None) -> ActivationItem:
    proof = f"consent:{item.consent_id}" if item.consent_id else "" if item.evidence else "ask_customer"
    return ActivationItem(
        activation=activation,
        refreshing=refreshing,
        position=position,
        pod=item.pod,
        assurance=item.assurance or "",
        evidence=platform().seal(item.evidence.encode()) if item.evidence else None,
        proof=proof,
    )


def refresh(activation: Activation, body: RefreshIn) -> Refreshing:
    """Keep a change of the list to be sent by the worker. Raises `ActivationOver`, `NothingToRefresh`."""
    if activation.state in {"refused", "ended"}:
        raise ActivationOver
    if not body.add and not body.remove:
        raise NothingToRefresh(field="/add")
    _check(body.add, "/add")
    now, sub = platform().now(), activation.subscription
    with transaction.atomic():
        change = Refreshing.objects.create(activation=activation, remove=list(body.remove), created_at=now, due_at=now)
        first = activation.items.count()
        ActivationItem.objects.bulk_create(
            _item(activation, first + place, item, change) for place, item in enumerate(body.add)
        )
        state(
            "activation.refreshed",
            transaction_id=sub.subscription_id,
            subject=f"activation-{activation.pk}",
            parties=(my_access_number(), sub.provider),
            counts={"added": len(body.add), "removed": len(body.remove)},
        )
    return change


def wake(activation: Activation) -> None:
    """Have the worker fetch the answers."""
    Activation.objects.filter(pk=activation.pk).update(
        work_state=WorkState.PENDING, due_at=platform().now(), attempts=0
    )


def consent_changed(provider: str, data: ConsentChanged) -> None:
    """A consent was given, changed or ended at the provider: remember the newest word, look at the answers again.

    What another provider says of it changes nothing of that.
    """
    with transaction.atomic():
        known = ConsentKnown.objects.filter(consent_id=data.consent_id).first()
        if known is None or (known.provider == provider and known.at <= data.at):
            ConsentKnown.objects.update_or_create(
                consent_id=data.consent_id, defaults={"provider": provider, "state": data.state, "at": data.at}
            )
        mine = Activation.objects.filter(subscription__provider=provider)
        for activation in mine.filter(items__consent_id=data.consent_id).distinct():
            wake(activation)


def end_of(subscription_id: str) -> None:
    """The contract ended: nothing moves under its activations any more. What was collected stays."""
    running = Activation.objects.filter(subscription_id=subscription_id).exclude(state__in=["refused", "ended"])
    running.update(state="ended", code="subscription_quit", work_state=WorkState.DONE, leased_until=None)


def quit_service(subscription_id: str, reason: str) -> SubscriptionView:
    """End a subscription at the Market Place, and with it all that runs under it. Raises `UnknownSubscription`."""
    subscription(subscription_id)
    view = quit_subscription(subscription_id, reason)
    end_of(subscription_id)
    return view


def find(number: int) -> Activation:
    """Ours. Raises `UnknownActivation`."""
    found = Activation.objects.select_related("subscription").filter(pk=number).first()
    if found is None:
        raise UnknownActivation
    return found


def pod_of(pseudonym: str) -> str | None:
    """The POD a pseudonym stands for, from the provider's answer."""
    return ActivationItem.objects.filter(pseudonym=pseudonym).values_list("pod", flat=True).first()


def pods_of(pseudonyms: Iterable[str]) -> dict[str, str]:
    """The PODs that pseudonyms stand for, in a query for many."""
    found: dict[str, str] = {}
    for some in pieces(set(pseudonyms)):
        items = ActivationItem.objects.filter(pseudonym__in=some).order_by("-pk")
        found |= dict(items.values_list("pseudonym", "pod"))
    return found


def activation_view(activation: Activation) -> ActivationView:
    """The activation as the back office sees it."""
    states = list(activation.items.values_list("state", flat=True))
    return ActivationView(
        id=activation.pk,
        remote_id=activation.remote_id or None,
        subscription_id=activation.subscription_id,
        provider=activation.subscription.provider,
        state=activation.state,
        code=activation.code or None,
        detail=activation.detail or None,
        scope=DataScope.model_validate(activation.scope),
        schedule=Schedule.model_validate(activation.schedule) if activation.schedule else None,
        accepted=states.count("accepted"),
        refused=states.count("refused"),
        pending=states.count("pending"),
        ended=states.count("ended"),
        created_at=activation.created_at,
    )


def item_view(item: ActivationItem) -> ItemView:
    """One POD as the back office sees it."""
    answer = ItemAnswer.model_validate(item.answer) if item.answer else None
    return ItemView(
        pod=item.pod,
        state=item.state,
        code=item.code or None,
        detail=item.detail or None,
        proof=item.proof or None,
        pseudonym=item.pseudonym or None,
        consent_id=item.consent_id or None,
        readings=answer.readings if answer else None,
        access_until=answer.access_until if answer else None,
    )
