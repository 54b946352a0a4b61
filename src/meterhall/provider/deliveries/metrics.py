"""Figures of deliveries: in which state they are, how their versions were answered, and what the gate broke off."""

from __future__ import annotations

from django.db.models import Count

from meterhall.provider.deliveries.models import Delivery, DeliveryVersion
from meterhall.web.metrics import at_scrape, counter, gauge

STATES = ("preparing", "published", "refused", "ended")
OUTCOMES = {"": "none", "received": "received", "rejected": "rejected"}

DELIVERIES = gauge("meterhall_deliveries", "Deliveries by state.", "state")
VERSIONS = gauge("meterhall_delivery_versions", "Published manifests by the requester's answer, or `none`.", "outcome")
ABORTS = counter("meterhall_gate_aborts", "Bodies broken off because a consent behind them ended.")


@at_scrape
def deliveries() -> None:
    states = dict(Delivery.objects.values_list("state").annotate(Count("pk")))
    for state in STATES:
        DELIVERIES.labels(state).set(states.get(state, 0))
    outcomes = dict(DeliveryVersion.objects.values_list("outcome").annotate(Count("pk")))
    for outcome, shown in OUTCOMES.items():
        VERSIONS.labels(shown).set(outcomes.get(outcome, 0))
