"""Commands about activations: ask for PODs, send, note the answers, hear of consents that ended."""

from __future__ import annotations

from django.db import transaction
from pydantic import Field

from meterhall.client.b2b import RemoteRefusal
from meterhall.domain.protocol.activations import Activated, ActivationRequest, ItemAnswer, PodText, Schedule
from meterhall.domain.protocol.activations import ActivationItem as ItemOut
from meterhall.domain.protocol.base import Assurance, Jws, Message, Page, SubscriptionId
from meterhall.domain.protocol.consents import Evidence, EvidenceView
from meterhall.domain.protocol.events import ConsentChanged
from meterhall.domain.protocol.offers import DataScope
from meterhall.requester.activations.models import Activation, ActivationItem, ConsentKnown
from meterhall.requester.partners.service import subscription
from meterhall.web.membership.service import attestation_for
from meterhall.web.messaging.clients import provider_client
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import state
from meterhall.web.platform import platform
from meterhall.web.work.models import WorkState

FINAL = frozenset({"accepted", "refused", "ended"})


class ItemIn(Message):
    """A POD with its proof: a consent id, or evidence to be brought, or neither: the provider asks the customer."""

    pod: PodText = Field(repr=False)
    consent_id: str | None = None
    assurance: Assurance | None = None
    evidence: Jws | None = Field(None, repr=False)


class ActivationIn(Message):
    """What the back office asks for."""

    subscription_id: SubscriptionId
    scope: DataScope
    schedule: Schedule | None = None
    items: tuple[ItemIn, ...] = Field(min_length=1, max_length=10_000)


def ask(body: ActivationIn) -> Activation:
    """Keep an activation to be sent by the worker (step 6)."""
    sub = subscription(body.subscription_id)
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


def _item(activation: Activation, position: int, item: ItemIn) -> ActivationItem:
    proof = f"consent:{item.consent_id}" if item.consent_id else "" if item.evidence else "ask_customer"
    return ActivationItem(
        activation=activation,
        position=position,
        pod=item.pod,
        assurance=item.assurance or "",
        evidence=platform().seal(item.evidence.encode()) if item.evidence else None,
        proof=proof,
    )


def send(activation: Activation) -> None:
    """Bring the evidence, then the list, to the provider. Safe to repeat: each call has its own fixed key."""
    client = provider_client(activation.subscription.provider, attestation_for)
    for item in activation.items.filter(proof="", state="pending"):
        _bring(activation, item)
    items = list(activation.items.exclude(proof=""))
    request = ActivationRequest(
        subscription_id=activation.subscription.subscription_id,
        scope=DataScope.model_validate(activation.scope),
        schedule=Schedule.model_validate(activation.schedule) if activation.schedule else None,
        items=tuple(ItemOut(pod=item.pod, proof=item.proof) for item in items),
    )
    taken = client.call("POST", "/v1/activations", request, Activated, key=f"activation-{activation.pk}")
    Activation.objects.filter(pk=activation.pk).update(remote_id=taken.activation_id, state="sent")


def _bring(activation: Activation, item: ActivationItem) -> None:
    """Bring one piece of evidence; what the provider does not even read refuses the item with the provider's code."""
    client = provider_client(activation.subscription.provider, attestation_for)
    evidence = Evidence(
        assurance=item.assurance,  # type: ignore[arg-type]
        jws=platform().unseal(bytes(item.evidence or b"")).decode(),
    )
    try:
        taken = client.call("POST", "/v1/evidence", evidence, EvidenceView, key=f"evidence-{item.pk}")
    except RemoteRefusal as refusal:
        if refusal.remote_status >= 500 or refusal.remote_status == 401:
            raise
        item.state, item.code, item.detail = "refused", refusal.remote_code[:40], refusal.remote_detail[:300]
    else:
        item.proof = f"evidence:{taken.digest}"
    item.save()


def fetch_answers(activation: Activation) -> None:
    """Fetch the provider's answer for each POD (step 7)."""
    client = provider_client(activation.subscription.provider, attestation_for)
    after: str | None = None
    while True:
        path = f"/v1/activations/{activation.remote_id}/answers"
        found = client.call("GET", path, None, Page[ItemAnswer], params={"after": after, "limit": 1000})
        with transaction.atomic():
            for answer in found.items:
                _note(activation, answer)
        after = found.next
        if after is None:
            break
    left = activation.items.exclude(state__in=FINAL).exists()
    Activation.objects.filter(pk=activation.pk).update(state="waiting" if left else "answered")


def _note(activation: Activation, answer: ItemAnswer) -> None:
    mine = activation.items.filter(pod=answer.pod)
    item = mine.exclude(state__in=FINAL).first() if answer.code == "pod_duplicate" else None
    item = item or mine.exclude(proof="").order_by("position").first()
    if item is None:
        return
    item.state, item.code, item.detail = answer.state, answer.code or "", answer.detail or ""
    item.pseudonym, item.consent_id = answer.pseudonym or "", answer.consent_id or ""
    item.answer = answer.document()
    item.save()


def wake(activation: Activation) -> None:
    """Have the worker fetch the answers."""
    Activation.objects.filter(pk=activation.pk).update(
        work_state=WorkState.PENDING, due_at=platform().now(), leased_until=None, attempts=0
    )


def consent_changed(provider: str, data: ConsentChanged) -> None:
    """A consent was given, changed or ended at the provider; an end stops our processing, and is stated."""
    with transaction.atomic():
        ConsentKnown.objects.update_or_create(
            consent_id=data.consent_id, defaults={"provider": provider, "state": data.state, "at": data.at}
        )
        if data.state == "granted":
            return
        touched = Activation.objects.filter(items__consent_id=data.consent_id).distinct()
        for activation in touched:
            wake(activation)
        state(
            "processing.ended",
            transaction_id=data.consent_id,
            subject=data.consent_id,
            parties=(my_access_number(), provider),
        )


def pod_of(pseudonym: str) -> str | None:
    """The POD a pseudonym stands for, from the provider's answer."""
    return ActivationItem.objects.filter(pseudonym=pseudonym).values_list("pod", flat=True).first()
