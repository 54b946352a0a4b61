"""The customer's access log ((EU) 2023/1162): who had which readings, when, under which permission."""

from __future__ import annotations

from collections.abc import Iterable

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.deliveries.models import AccessLog, Delivery, DeliveryPart, PartContent
from meterhall.web.platform import platform


def log_part(part: DeliveryPart, contents: Iterable[PartContent], kind: AccessLog.Kind, start: int = 0) -> None:
    """Note that a part is sent from byte `start` on. A resumed transfer is part of the access it resumes."""
    if start and AccessLog.objects.filter(delivery=part.delivery, part=part.number).exists():
        return
    delivery = part.delivery
    request = DataRequest.model_validate(delivery.request)
    AccessLog.objects.bulk_create(
        [
            _row(
                content.item, Period(first=content.first, until=content.until), kind, delivery.activation,
                granularity=request.granularity, directions=request.directions, is_sum=request.group,
                delivery=delivery, version=delivery.version, part=part.number,
            )
            for content in contents
        ]
    )  # fmt: skip


def log_feed(
    activation: Activation, seen: Iterable[tuple[ActivationItem, Period]], granularity: str, directions: tuple[str, ...]
) -> None:
    """Note what a page of the change feed showed."""
    kind = AccessLog.Kind.FEED
    AccessLog.objects.bulk_create(
        [_row(item, days, kind, activation, granularity=granularity, directions=directions) for item, days in seen]
    )


def _row(
    item: ActivationItem,
    days: Period,
    kind: AccessLog.Kind,
    activation: Activation,
    *,
    granularity: str,
    directions: tuple[str, ...],
    is_sum: bool = False,
    delivery: Delivery | None = None,
    version: int = 0,
    part: int = 0,
) -> AccessLog:
    return AccessLog(
        at=platform().now(),
        kind=kind,
        requester=activation.requester,
        point=item.point,
        consent_id=item.consent_item.consent_id if item.consent_item else None,
        subscription_id=activation.subscription_id,
        first=days.first,
        until=days.until,
        granularity=granularity,
        directions=list(directions),
        is_sum=is_sum,
        delivery=delivery,
        version=version,
        part=part,
    )
