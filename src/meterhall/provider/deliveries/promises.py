"""Which promises of our offers are at risk: answers, deliveries, schedules whose time is nearly, or already, over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from meterhall.domain.protocol.agreements import SubscriptionView
from meterhall.domain.protocol.offers import DataScope, ServiceLevel
from meterhall.domain.readings.civil import midnight
from meterhall.provider.activations.models import Activation
from meterhall.provider.contracts.models import Contract
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.deliveries.schedules import next_turn
from meterhall.web.platform import platform

SHARE = 0.8
"""A promise is at risk when this share of its time is over."""


@dataclass(frozen=True, slots=True)
class Risk:
    """A promise that is nearly or already broken."""

    kind: str
    subject: str
    since: datetime
    due: datetime


def at_risk() -> list[Risk]:
    """The risks, the most urgent first."""
    return sorted(_risks(), key=lambda risk: risk.due)


def _risks() -> Iterator[Risk]:
    levels = {row.pk: _level(row) for row in Contract.objects.filter(state="active")}
    now = platform().now()
    for activation in Activation.objects.filter(state="requested", is_sandbox=False):
        level = levels.get(activation.subscription_id)
        if level is not None and _is_late(activation.created_at, level.answer_within_s, now):
            due = activation.created_at + timedelta(seconds=level.answer_within_s)
            yield Risk("activation", activation.pk, activation.created_at, due)
    for delivery in Delivery.objects.filter(state="preparing").select_related("activation"):
        level = levels.get(delivery.activation.subscription_id)
        if level is not None and _is_late(delivery.created_at, level.delivery_within_s, now):
            due = delivery.created_at + timedelta(seconds=level.delivery_within_s)
            yield Risk("delivery", delivery.pk, delivery.created_at, due)
    yield from _behind(levels, now)


def _behind(levels: Mapping[str, ServiceLevel], now: datetime) -> Iterator[Risk]:
    """Schedules whose day, week or month ended, in the provider's zone, and has not been delivered."""
    scheduled = Activation.objects.exclude(schedule=None).filter(state="answered", is_sandbox=False)
    for activation in scheduled.filter(subscription_id__in=levels):
        turn = next_turn(activation, DataScope.model_validate(activation.scope))
        if turn is None:
            continue
        end = midnight(ZoneInfo(platform().config.zone), turn.until)
        within_s = levels[activation.subscription_id].scheduled_within_s
        if _is_late(end, within_s, now):
            yield Risk("activation", activation.pk, end, end + timedelta(seconds=within_s))


def _level(row: Contract) -> ServiceLevel:
    return SubscriptionView.model_validate(row.document).contract.offer.service_level


def _is_late(since: datetime, within_s: int, now: datetime) -> bool:
    return (now - since).total_seconds() >= SHARE * within_s
