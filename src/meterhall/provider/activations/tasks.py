"""Answering activations in the background."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from meterhall.domain.protocol.events import Event, PlayerChanged
from meterhall.provider.activations.models import Activation
from meterhall.provider.activations.service import ActivationEnded, answer, wake_waiting
from meterhall.provider.contracts.service import NoContract
from meterhall.web.messaging.handlers import on
from meterhall.web.work.engine import works_on


@works_on(Activation, gettext_lazy("answer an activation"))
def answer_items(activation: Activation) -> None:
    """Decide the pending items; an activation that ended meanwhile, or whose contract did, is left as it is."""
    try:
        answer(activation.pk)
    except (NoContract, ActivationEnded):
        return


@on("player.admitted", PlayerChanged)
def admitted(event: Event, data: PlayerChanged) -> None:
    """A requester was let in again: what was left while it was suspended is answered now."""
    wake_waiting(data.player.access_number)
