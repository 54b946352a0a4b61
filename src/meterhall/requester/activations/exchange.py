"""Talking to a provider about an activation: bring evidence, send the list and its changes, fetch the answers.

A refusal that will not pass by itself ends what was asked, with the provider's own code and sentence.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from meterhall.client.b2b import B2BClient, RemoteRefusal
from meterhall.domain.protocol.activations import Activated, ActivationRequest, ItemAnswer, Refresh, Schedule
from meterhall.domain.protocol.activations import ActivationItem as ItemOut
from meterhall.domain.protocol.base import Page
from meterhall.domain.protocol.consents import Evidence, EvidenceView
from meterhall.domain.protocol.offers import DataScope
from meterhall.requester.activations.models import Activation, ActivationItem, Refreshing
from meterhall.requester.activations.service import wake
from meterhall.web.membership.service import attestation_for
from meterhall.web.messaging.clients import provider_client
from meterhall.web.platform import platform
from meterhall.web.work.engine import NotYet
from meterhall.web.work.models import WorkState

FINAL = frozenset({"accepted", "refused", "ended"})


def client_of(activation: Activation) -> B2BClient:
    """The client for the activation's provider."""
    return provider_client(activation.subscription.provider, attestation_for)


def send(activation: Activation) -> None:
    """Bring the evidence, then the list, to the provider. Safe to repeat: each call has its own fixed key."""
    client = client_of(activation)
    first = activation.items.filter(refreshing=None)
    _bring_all(client, first)
    items = list(first.exclude(proof=""))
    if not items:
        _end(activation, "refused", "nothing_to_send", "The provider accepted none of the evidence.")
        return
    request = ActivationRequest(
        subscription_id=activation.subscription.subscription_id,
        scope=DataScope.model_validate(activation.scope),
        schedule=Schedule.model_validate(activation.schedule) if activation.schedule else None,
        items=_out(items),
    )
    try:
        taken = client.call("POST", "/v1/activations", request, Activated, key=f"activation-{activation.pk}")
    except RemoteRefusal as refusal:
        if not refusal.is_final:
            raise
        _end(activation, "refused", refusal.remote_code, refusal.remote_detail)
        return
    with transaction.atomic():
        _place(activation, items)
        Activation.objects.filter(pk=activation.pk).update(remote_id=taken.activation_id, state="sent")


def _out(items: list[ActivationItem]) -> tuple[ItemOut, ...]:
    return tuple(ItemOut(pod=item.pod, proof=item.proof) for item in items)


def _place(activation: Activation, items: list[ActivationItem]) -> None:
    """The provider appended these items to its list, in this order."""
    first = activation.items.exclude(place=None).count()
    for place, item in enumerate(items, first):
        if item.place is None:
            ActivationItem.objects.filter(pk=item.pk).update(place=place)


def _end(activation: Activation, how: str, code: str, detail: str) -> None:
    Activation.objects.filter(pk=activation.pk).update(state=how, code=code[:60], detail=detail[:300])


def _bring_all(client: B2BClient, items: QuerySet[ActivationItem]) -> None:
    for item in items.filter(proof="", state="pending"):
        _bring(client, item)


def _bring(client: B2BClient, item: ActivationItem) -> None:
    """Bring one piece of evidence; what the provider does not even read refuses the item with the provider's code."""
    evidence = Evidence(
        assurance=item.assurance,
        jws=platform().unseal(bytes(item.evidence or b"")).decode(),
    )
    try:
        taken = client.call("POST", "/v1/evidence", evidence, EvidenceView, key=f"evidence-{item.pk}")
    except RemoteRefusal as refusal:
        if not refusal.is_final:
            raise
        item.state, item.code, item.detail = "refused", refusal.remote_code[:40], refusal.remote_detail[:300]
    else:
        item.proof = f"evidence:{taken.digest}"
    item.save(update_fields=["proof", "state", "code", "detail"])


def send_refresh(change: Refreshing) -> None:
    """Send a change of the list, after the list itself and earlier changes. Safe to repeat."""
    activation = change.activation
    earlier = activation.refreshes.filter(pk__lt=change.pk, work_state=WorkState.PENDING)
    if activation.state == "sending" or earlier.exists():
        raise NotYet(0.5)
    if not activation.remote_id:
        _refused(change, activation.code, activation.detail)
        return
    client = client_of(activation)
    _bring_all(client, change.items.all())
    items = list(change.items.exclude(proof=""))
    body = Refresh(add=_out(items), remove=tuple(change.remove))
    path = f"/v1/activations/{activation.remote_id}/items"
    try:
        client.call("POST", path, body, Activated, key=f"refresh-{change.pk}")
    except RemoteRefusal as refusal:
        if not refusal.is_final:
            raise
        _refused(change, refusal.remote_code, refusal.remote_detail)
        return
    with transaction.atomic():
        _place(activation, items)
        Refreshing.objects.filter(pk=change.pk).update(state="sent")
        wake(activation)


def _refused(change: Refreshing, code: str, detail: str) -> None:
    with transaction.atomic():
        Refreshing.objects.filter(pk=change.pk).update(state="refused", code=code[:60], detail=detail[:300])
        change.items.filter(state="pending").update(state="refused", code=code[:40], detail=detail[:300])


def fetch_answers(activation: Activation) -> None:
    """Fetch the provider's answer for each POD (step 7)."""
    client = client_of(activation)
    path = f"/v1/activations/{activation.remote_id}/answers"
    after: str | None = None
    place = 0
    while True:
        try:
            found = client.call("GET", path, None, Page[ItemAnswer], params={"after": after, "limit": 1000})
        except RemoteRefusal as refusal:
            if not refusal.is_final:
                raise
            _end(activation, "ended", refusal.remote_code, refusal.remote_detail)
            return
        with transaction.atomic():
            for answer in found.items:
                _note(activation, place, answer)
                place += 1
        after = found.next
        if after is None:
            break
    left = activation.items.exclude(state__in=FINAL).exists()
    answered = Activation.objects.filter(pk=activation.pk).exclude(state__in=["refused", "ended"])
    answered.update(state="waiting" if left else "answered", code="", detail="")


def _note(activation: Activation, place: int, answer: ItemAnswer) -> None:
    item = activation.items.filter(place=place, pod=answer.pod).first()
    if item is None:
        return
    item.state, item.code, item.detail = answer.state, answer.code or "", answer.detail or ""
    item.pseudonym, item.consent_id = answer.pseudonym or "", answer.consent_id or ""
    item.answer = answer.document()
    item.save()
