"""Scheduled deliveries: every day for the day before, as soon as that day is over in the POD's zone and its readings
are in, or half a day later with what there is; a correction follows what comes still later."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from django.db import transaction

from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.activations import Schedule
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings.civil import midnight
from meterhall.provider.activations.models import Activation
from meterhall.provider.activations.service import frame_of
from meterhall.provider.deliveries.entitled import Entitled, accepted_items, entitled
from meterhall.provider.deliveries.service import create_delivery
from meterhall.provider.metering.service import series_of
from meterhall.web.platform import platform

log = structlog.get_logger(__name__)
PATIENCE: Final = timedelta(hours=12)
"""How long after midnight a day's missing readings are waited for."""
MOST_DAYS: Final = 31
"""Days caught up with at a time, after a standstill."""
DAY: Final = timedelta(days=1)


def run_schedules() -> int:
    """Create the deliveries that are due; how many. A refused activation does not hold up the others."""
    created = 0
    due = Activation.objects.exclude(schedule=None).filter(state="answered", is_sandbox=False)
    for activation in due.order_by("pk"):
        try:
            created += _catch_up(activation)
        except MeterhallError as refusal:
            log.info("schedule.skipped", activation=activation.pk, code=refusal.code)
    return created


def _catch_up(activation: Activation) -> int:
    frame = frame_of(activation)
    schedule = Schedule.model_validate(activation.schedule)
    for count in range(MOST_DAYS):
        day = _next_day(activation, frame.scope)
        if day is None:
            return count
        request = _request(activation, schedule, frame.scope, day)
        may = entitled(frame, accepted_items(activation, request), request.period)
        if not _over(day, may.values()):
            return count
        if may and not _is_due(day, may.values(), frame.scope):
            return count
        _deliver(activation, request, day, there=bool(may))
    return MOST_DAYS


def _next_day(activation: Activation, scope: DataScope) -> date | None:
    """The day after the last one delivered; at first the day before the activation. None when the period is over."""
    zone = ZoneInfo(platform().config.zone)
    day = activation.delivered_until or activation.created_at.astimezone(zone).date() - DAY
    if scope.period is None:
        return day
    day = max(day, scope.period.first)
    return day if day < scope.period.until else None


def _request(activation: Activation, schedule: Schedule, scope: DataScope, day: date) -> DataRequest:
    return DataRequest(
        activation_id=activation.activation_id,
        period=Period(first=day, until=day + DAY),
        granularity=schedule.granularity,
        format=schedule.format,
        directions=scope.directions,
        transmission=schedule.transmission,
    )


def _over(day: date, members: Iterable[Entitled]) -> bool:
    """Whether the civil day has ended at every point; where there is none, in the provider's zone."""
    return _end(day, members) <= platform().now()


def _end(day: date, members: Iterable[Entitled]) -> datetime:
    zones = {one.point.zone for one in members} or {platform().config.zone}
    return max(midnight(ZoneInfo(zone), day + DAY) for zone in zones)


def _is_due(day: date, members: Iterable[Entitled], scope: DataScope) -> bool:
    """Whether the day's readings are in, or have been waited for long enough."""
    known = list(members)
    if platform().now() >= _end(day, known) + PATIENCE:
        return True
    series = series_of(one.point.pk for one in known)
    return all(
        one.until_day is not None and one.until_day > day
        for several in series.values()
        for one in several
        if one.direction in scope.directions
    )


def _deliver(activation: Activation, request: DataRequest, day: date, *, there: bool) -> None:
    """The delivery and how far the schedule has come, in one transaction; a day without any POD is passed over."""
    with transaction.atomic():
        mine = Activation.objects.filter(pk=activation.pk, delivered_until=activation.delivered_until)
        if mine.update(delivered_until=day + DAY) and there:
            create_delivery(request, activation, "scheduled")
    activation.delivered_until = day + DAY
