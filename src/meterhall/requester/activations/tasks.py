"""Sending activations and their changes, and fetching answers. Consents that change are heard in `collection`."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy

from meterhall.domain.protocol.events import ActivationAnswered, Event
from meterhall.requester.activations.exchange import fetch_answers, send, send_refresh
from meterhall.requester.activations.models import Activation, Refreshing
from meterhall.requester.activations.service import wake
from meterhall.web.messaging.handlers import on, overtaken
from meterhall.web.platform import platform
from meterhall.web.work.engine import every, works_on


@works_on(Activation, gettext_lazy("send an activation, or fetch its answers"))
def send_or_fetch(activation: Activation) -> None:
    """Send what was not sent; fetch answers of what was."""
    if activation.remote_id:
        fetch_answers(activation)
    elif activation.state == "sending":
        send(activation)


@works_on(Refreshing, gettext_lazy("send a change of an activation"))
def send_change(change: Refreshing) -> None:
    """Send PODs to add and to remove."""
    send_refresh(change)


@on("activation.answered", ActivationAnswered)
def answered(event: Event, data: ActivationAnswered) -> None:
    """A provider answered."""
    activation = Activation.objects.filter(remote_id=data.activation_id, subscription__provider=event.sender).first()
    if activation is None:
        raise overtaken(event, data.activation_id)
    wake(activation)


@every(3600)
def look_again() -> None:
    """Ask for the answers of what was sent an hour ago or earlier, of which nothing was heard."""
    for activation in Activation.objects.filter(state="sent", created_at__lt=platform().now() - timedelta(hours=1)):
        wake(activation)


@every(86_400)
def look_again_daily() -> None:
    """Ask once a day for the answers that are still open: customers decide when they like, and news can be lost."""
    for activation in Activation.objects.filter(state="waiting"):
        wake(activation)
