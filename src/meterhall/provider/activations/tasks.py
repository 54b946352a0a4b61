"""Answering activations in the background."""

from __future__ import annotations

from meterhall.provider.activations.models import Activation
from meterhall.provider.activations.service import ActivationEnded, answer
from meterhall.provider.contracts.service import NoContract
from meterhall.web.work.engine import works_on


@works_on(Activation)
def answer_items(activation: Activation) -> None:
    """Decide the pending items; an activation that ended meanwhile, or whose contract did, is left as it is."""
    try:
        answer(activation.pk)
    except (NoContract, ActivationEnded):
        return
