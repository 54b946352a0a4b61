"""Answering activations in the background."""

from __future__ import annotations

from meterhall.provider.activations.models import Activation
from meterhall.provider.activations.service import answer
from meterhall.provider.contracts.service import NoContract
from meterhall.web.work.engine import works_on


@works_on(Activation)
def answer_items(activation: Activation) -> None:
    """Decide the pending items; an activation whose contract ended meanwhile is left as it is."""
    try:
        answer(activation)
    except NoContract:
        Activation.objects.filter(pk=activation.pk).update(state="ended")
