"""Sending activations and fetching their answers."""

from __future__ import annotations

from meterhall.domain.protocol.events import ActivationAnswered, ConsentChanged, Event
from meterhall.requester.activations.models import Activation
from meterhall.requester.activations.service import consent_changed, fetch_answers, send, wake
from meterhall.web.messaging.handlers import on
from meterhall.web.work.engine import NotYet, works_on


@works_on(Activation)
def send_or_fetch(activation: Activation) -> None:
    """Send what was not sent; fetch answers of what was."""
    if activation.remote_id:
        fetch_answers(activation)
    else:
        send(activation)


@on("activation.answered", ActivationAnswered)
def answered(event: Event, data: ActivationAnswered) -> None:
    """A provider answered."""
    activation = Activation.objects.filter(remote_id=data.activation_id).first()
    if activation is None:
        raise NotYet(0.5)
    wake(activation)


@on("consent.granted", ConsentChanged)
def granted(event: Event, data: ConsentChanged) -> None:
    """A customer consented."""
    consent_changed(event.sender, data)


@on("consent.revoked", ConsentChanged)
def revoked(event: Event, data: ConsentChanged) -> None:
    """A customer withdrew, wholly or in part, or the time ran out."""
    consent_changed(event.sender, data)
