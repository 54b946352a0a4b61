"""When a consent ends: take nothing more in, erase what was collected where the customer revoked it, and say so."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from meterhall.domain.protocol.deliveries import Manifest
from meterhall.domain.protocol.events import ConsentChanged
from meterhall.requester.activations.exchange import fetch_answers
from meterhall.requester.activations.models import Activation, ActivationItem
from meterhall.requester.activations.service import consent_changed
from meterhall.requester.collection.manifests import activation_of
from meterhall.requester.collection.models import Withdrawal
from meterhall.requester.collection.store import withdraw
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import state
from meterhall.web.platform import platform
from meterhall.web.sets import pieces
from meterhall.web.work.engine import NotYet

REVOKED = "consent_revoked"
"""The answer's code of a POD whose customer took the consent back; of no other end is anything erased."""
PATIENCE = timedelta(minutes=1)
"""How long the provider's answer which PODs a partial revocation means is waited for."""


def hear(provider: str, data: ConsentChanged) -> None:
    """A consent was given, changed or ended at its provider; an end is worked off, and said when it is done."""
    with transaction.atomic():
        consent_changed(provider, data)
        if data.state == "granted":
            return
        known = Withdrawal.objects.filter(consent_id=data.consent_id, state=data.state, heard_at=data.at)
        if not known.exists():
            now = platform().now()
            Withdrawal.objects.create(
                provider=provider, consent_id=data.consent_id, state=data.state, heard_at=data.at, due_at=now
            )


def end_processing(withdrawal: Withdrawal) -> None:
    """Erase what the customer took back, then state it. Safe to repeat."""
    mine = ActivationItem.objects.filter(activation__subscription__provider=withdrawal.provider)
    items = mine.filter(consent_id=withdrawal.consent_id).exclude(pseudonym="")
    if withdrawal.state == "partly_revoked":
        for activation in Activation.objects.filter(items__in=items).distinct():
            fetch_answers(activation)
        if not items.filter(code=REVOKED).exists() and platform().now() < withdrawal.heard_at + PATIENCE:
            raise NotYet(1)
        items = items.filter(code=REVOKED)
    elif withdrawal.state != "revoked":
        items = items.none()
    erased = withdraw(withdrawal.provider, items.values_list("pseudonym", flat=True), withdrawal.heard_at)
    with transaction.atomic():
        if not Withdrawal.objects.filter(pk=withdrawal.pk, erased=None).update(erased=erased):
            return
        state(
            "processing.ended",
            transaction_id=withdrawal.consent_id,
            subject=withdrawal.consent_id,
            parties=(my_access_number(), withdrawal.provider),
            counts={"erased": erased},
        )


def withdrawn_in(manifest: Manifest) -> None:
    """Erase the PODs a newer manifest leaves out, where the provider's answer says that the customer revoked."""
    if not manifest.withdrawn:
        return
    activation = activation_of(manifest)
    fetch_answers(activation)
    named = (
        row
        for some in pieces(manifest.withdrawn)
        for row in ActivationItem.objects.filter(pseudonym__in=some).values_list("pseudonym", "activation", "code")
    )
    revoked = [pseudonym for pseudonym, of, code in named if of == activation.pk and code == REVOKED]
    withdraw(manifest.provider, revoked, platform().now())
