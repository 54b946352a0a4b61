"""The customer's access log ((EU) 2023/1162): who had which readings, when, under which permission."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.deliveries.entitled import Entitled
from meterhall.provider.deliveries.models import AccessLog, Delivery, DeliveryPart, PartContent
from meterhall.web.platform import platform


def log_part(part: DeliveryPart, contents: Iterable[PartContent], kind: AccessLog.Kind, start: int = 0) -> None:
    """Note that a part is sent from byte `start` on. A resumed transfer, and a push that is tried again, is part of
    the access it resumes."""
    before = AccessLog.objects.filter(delivery=part.delivery, part=part.number)
    if start and before.exists():
        return
    if kind == AccessLog.Kind.PUSH and before.filter(kind=kind, version=part.delivery.version).exists():
        return
    delivery = part.delivery
    request = DataRequest.model_validate(delivery.request)
    AccessLog.objects.bulk_create(
        [
            _row(
                content.item, Period(first=content.first, until=content.until), kind, delivery.activation,
                granularity=request.granularity, directions=request.directions, is_sum=request.group,
                is_forecast=delivery.is_forecast, delivery=delivery, version=delivery.version, part=part.number,
            )
            for content in contents
        ]
    )  # fmt: skip


def log_live(activation: Activation, request: DataRequest, members: Iterable[Entitled]) -> None:
    """Note that curves are told at once."""
    AccessLog.objects.bulk_create(
        _row(
            one.item, days, AccessLog.Kind.LIVE, activation,
            granularity=request.granularity, directions=request.directions,
        )
        for one in members
        for days in one.days
    )  # fmt: skip


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
        [
            _row(one.item, one.days, kind, activation, granularity=one.granularity, directions=(one.direction,))
            for one in seen
        ]
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
    is_forecast: bool = False,
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
        is_forecast=is_forecast,
        delivery=delivery,
        version=version,
        part=part,
    )
