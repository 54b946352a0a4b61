"""Scheduled deliveries: every day for the day before, as soon as that day is over in the POD's zone and its readings
are in, or half a day later with what there is; a correction follows what comes still later.

A schedule of forecasts goes by the same days: when one is over and in, the second day after it is forecast.
"""

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
from meterhall.provider.deliveries.forecasts import MOST_CURVES
from meterhall.provider.deliveries.service import create_delivery
from meterhall.provider.metering.service import series_of
from meterhall.provider.sets import pieces
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
        if frame.scope.timing == "forecast" and request.period.first <= _today():
            _deliver(activation, [], day)
            continue
        if not _over(day, may.values()):
            return count
        if may and not _is_due(day, may.values(), frame.scope):
            return count
        _deliver(activation, _requests(request, list(may.values()), frame.scope), day)
    return MOST_DAYS


def _next_day(activation: Activation, scope: DataScope) -> date | None:
    """The day after the last one delivered; at first the day before the activation. None when the period is over."""
    zone = ZoneInfo(platform().config.zone)
    day = activation.delivered_until or activation.created_at.astimezone(zone).date() - DAY
    if scope.period is None:
        return day
    ahead = _ahead(scope)
    day = max(day, scope.period.first - ahead)
    return day if day + ahead < scope.period.until else None


def _ahead(scope: DataScope) -> timedelta:
    """How far after the day that is over the day lies that is delivered."""
    return 2 * DAY if scope.timing == "forecast" else timedelta()


def _today() -> date:
    return platform().now().astimezone(ZoneInfo(platform().config.zone)).date()


def _request(activation: Activation, schedule: Schedule, scope: DataScope, day: date) -> DataRequest:
    first = day + _ahead(scope)
    return DataRequest(
        activation_id=activation.activation_id,
        period=Period(first=first, until=first + DAY),
        granularity=schedule.granularity,
        format=schedule.format,
        directions=scope.directions,
        transmission=schedule.transmission,
    )


def _requests(request: DataRequest, members: list[Entitled], scope: DataScope) -> list[DataRequest]:
    """None where there is no POD; of forecasts as many as it takes for so many PODs."""
    if scope.timing != "forecast" or len(members) * len(scope.directions) <= MOST_CURVES:
        return [request] if members else []
    names = [one.item.pseudonym for one in members]
    return [
        request.model_copy(update={"pseudonyms": tuple(some)})
        for some in pieces(names, MOST_CURVES // len(scope.directions))
    ]


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


def _deliver(activation: Activation, requests: list[DataRequest], day: date) -> None:
    """The deliveries and how far the schedule has come, in one transaction; a day without any is passed over."""
    with transaction.atomic():
        mine = Activation.objects.filter(pk=activation.pk, delivered_until=activation.delivered_until)
        for request in requests if mine.update(delivered_until=day + DAY) else []:
            create_delivery(request, activation, "scheduled")
    activation.delivered_until = day + DAY
