"""Building, pushing and superseding deliveries in the background."""

from __future__ import annotations

from django.db import transaction

from meterhall.domain.errors import MeterhallError
from meterhall.provider.activations.models import ActivationItem
from meterhall.provider.consents.service import epoch
from meterhall.provider.deliveries.build import build
from meterhall.provider.deliveries.models import Delivery, Follower, PushJob
from meterhall.provider.deliveries.push import push_version
from meterhall.provider.deliveries.service import covers_day, supersede
from meterhall.provider.metering.service import lake
from meterhall.web.platform import platform
from meterhall.web.work.engine import NotYet, every, works_on


@works_on(Delivery, lease_s=900)
def build_delivery(delivery: Delivery) -> None:
    """Build the next version; a refusal ends the delivery with its code."""
    try:
        build(delivery)
    except MeterhallError as refusal:
        if refusal.status >= 500:
            raise
        Delivery.objects.filter(pk=delivery.pk).update(state="refused", code=refusal.code)
        return
    if _has_news(delivery):
        Delivery.objects.filter(pk=delivery.pk).update(reason="correction")
        raise NotYet(0.1)


@works_on(PushJob, lease_s=900)
def push(job: PushJob) -> None:
    """Put a version into the contract's repository."""
    push_version(job)


@every(1)
def follow_consents() -> None:
    """When a consent has ended: end its items, and supersede what was delivered under it."""
    follower, _ = Follower.objects.get_or_create(pk=1)
    now = epoch()
    if now == follower.epoch:
        return
    ended = ActivationItem.objects.filter(state="accepted").exclude(consent_item=None)
    for item in ended.select_related("consent_item"):
        consent_item = item.consent_item
        if consent_item is None or (consent_item.ended_at is None and consent_item.access_until > platform().now()):
            continue
        with transaction.atomic():
            item.state, item.code = "ended", "consent_revoked" if consent_item.ended_at else "consent_expired"
            item.answered_at = platform().now()
            item.save(update_fields=["state", "code", "answered_at"])
            for delivery in Delivery.objects.filter(parts__items=item, parts__replaced_reason="").distinct():
                supersede(delivery, "revocation")
    Follower.objects.filter(pk=1).update(epoch=now)


@every(2)
def follow_readings() -> None:
    """When delivered values changed: supersede those deliveries, so that the requester gets the correction."""
    follower, _ = Follower.objects.get_or_create(pk=1)
    changed, cursor = lake().changes(follower.lake_cursor or None)
    if cursor == follower.lake_cursor:
        return
    with transaction.atomic():
        days: dict[int, set[object]] = {}
        for series, day in changed:
            days.setdefault(series, set()).add(day)
        touched = Delivery.objects.filter(
            state="published", parts__replaced_reason="", parts__items__point__series__in=list(days)
        ).distinct()
        for delivery in touched:
            if _has_news(delivery):
                supersede(delivery, "correction")
        Follower.objects.filter(pk=1).update(lake_cursor=cursor)


def _has_news(delivery: Delivery) -> bool:
    """Whether anything inside the delivery's period changed since it was built."""
    series = delivery.parts.filter(replaced_reason="").values_list("items__point__series", flat=True)
    changed, _ = lake().changes(delivery.lake_cursor or None, series_ids=[one for one in series if one])
    return any(covers_day(delivery, day) for _, day in changed)
