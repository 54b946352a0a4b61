"""The customer's access log ((EU) 2023/1162): who had which readings, when, under which permission."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import F

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.deliveries.entitled import Entitled
from meterhall.provider.deliveries.models import AccessLog, DeliveryPart
from meterhall.web.platform import platform
from meterhall.web.sets import insert_from, pieces

WORTH_A_QUERY: Final = 20
"""Rows from which on it is quicker to have the database make them than to write them."""


def log_part(part: DeliveryPart, kind: AccessLog.Kind, start: int = 0) -> None:
    """Note that a part is sent from byte `start` on; the database makes the rows out of what is in the part.

    A resumed transfer, and a push that is tried again, is part of the access it resumes.
    """
    delivery = part.delivery
    before = AccessLog.objects.filter(delivery=delivery, part=part.number)
    if start and before.exists():
        return
    if kind == AccessLog.Kind.PUSH and before.filter(kind=kind, version=delivery.version).exists():
        return
    request = DataRequest.model_validate(delivery.request)
    alike = _alike(delivery.activation, kind, request.granularity, request.directions)
    alike |= {"is_sum": request.group, "is_forecast": delivery.is_forecast}
    alike |= {"delivery": delivery.pk, "version": delivery.version, "part": part.number}
    of_each = {"point": F("item__point"), "consent": F("item__consent_item__consent")}
    of_each |= {"first": F("first"), "until": F("until")}
    insert_from(part.contents.all(), AccessLog, alike | of_each)


def log_live(activation: Activation, request: DataRequest, members: Iterable[Entitled]) -> None:
    """Note that curves are told at once; the database makes the rows of those of which the same days are told."""
    alike = _alike(activation, AccessLog.Kind.LIVE, request.granularity, request.directions)
    told: dict[Period, list[ActivationItem]] = {}
    for one in members:
        for days in one.days:
            told.setdefault(days, []).append(one.item)
    few: list[AccessLog] = []
    for days, items in told.items():
        if len(items) < WORTH_A_QUERY:
            few += (_row(item, days, alike) for item in items)
            continue
        of_each = {"point": F("point"), "consent": F("consent_item__consent")}
        same = alike | {"first": days.first, "until": days.until}
        for some in pieces(item.pk for item in items):
            insert_from(ActivationItem.objects.filter(pk__in=some), AccessLog, same | of_each)
    AccessLog.objects.bulk_create(few)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page of the change feed showed of an item."""

    item: ActivationItem
    days: Period
    granularity: str
    direction: str


def log_feed(activation: Activation, seen: Iterable[Shown]) -> None:
    """Note what a page of the change feed showed."""
    kind = AccessLog.Kind.FEED
    AccessLog.objects.bulk_create(
        _row(one.item, one.days, _alike(activation, kind, one.granularity, (one.direction,))) for one in seen
    )


def _alike(
    activation: Activation, kind: AccessLog.Kind, granularity: str, directions: tuple[str, ...]
) -> dict[str, Any]:
    """What is the same of every row of an access."""
    return {
        "at": platform().now(),
        "kind": kind,
        "requester": activation.requester,
        "subscription_id": activation.subscription_id,
        "granularity": granularity,
        "directions": list(directions),
    }


def _row(item: ActivationItem, days: Period, alike: dict[str, Any]) -> AccessLog:
    consent = item.consent_item.consent_id if item.consent_item else None
    return AccessLog(point=item.point, consent_id=consent, first=days.first, until=days.until, **alike)
