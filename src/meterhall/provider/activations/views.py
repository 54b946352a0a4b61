"""Activations and their answers as their requester sees them."""

from __future__ import annotations

from meterhall.domain.protocol.activations import ActivationView, ItemAnswer
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import count


def item_answer(item: ActivationItem) -> ItemAnswer:
    """The answer for one POD."""
    accepted = item.state == "accepted" and item.first is not None and item.until is not None
    consent = item.consent_item.consent if item.consent_item else None
    stretches = tuple(Period.model_validate(one) for one in item.stretches) if accepted else ()
    return ItemAnswer(
        pod=item.pod,
        state=item.state,
        code=item.code or None,
        detail=item.detail or None,
        pseudonym=item.pseudonym or None,
        consent_id=consent.consent_id if consent else None,
        assurance=consent.assurance if consent else None,
        readings=Period(first=item.first, until=item.until) if accepted else None,
        stretches=stretches if len(stretches) > 1 else (),
        access_until=item.access_until,
    )


def activation_view(activation: Activation) -> ActivationView:
    """The activation with its counts."""
    counts = count(activation)
    return ActivationView(
        activation_id=activation.activation_id,
        subscription_id=activation.subscription_id,
        state=activation.state,
        scope=DataScope.model_validate(activation.scope),
        accepted=counts.accepted,
        refused=counts.refused,
        pending=counts.pending,
    )
