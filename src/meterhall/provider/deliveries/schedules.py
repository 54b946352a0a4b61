"""Scheduled deliveries: every day for the day before, or every month for the month before, as soon as it is over in the
POD's zone and its readings are in, or with what there is when half the promised time is over; a correction follows what
comes still later.

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
from meterhall.domain.readings.civil_numbers import days_around
from meterhall.domain.readings.granularity import parse_granularity
from meterhall.provider.activations.models import Activation
from meterhall.provider.activations.service import frame_of
from meterhall.provider.contracts.service import contract_in_force
from meterhall.provider.deliveries.entitled import Entitled, accepted_items, entitled
from meterhall.provider.deliveries.forecasts import MOST_CURVES
from meterhall.provider.deliveries.service import create_delivery
from meterhall.provider.metering.serving import serving_points
from meterhall.web.platform import platform
from meterhall.web.sets import pieces

log = structlog.get_logger(__name__)
PATIENCE: Final = 0.5
"""The share of the promised time in which missing readings are waited for."""
MOST_TURNS: Final = 31
"""Days or months caught up with at a time, after a standstill."""
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
    waits = PATIENCE * promised(activation)
    for count in range(MOST_TURNS):
        turn = next_turn(activation, frame.scope)
        if turn is None:
            return count
        request = _request(activation, schedule, frame.scope, turn)
        may = entitled(frame, accepted_items(activation, request), request.period)
        if frame.scope.timing == "forecast" and request.period.first <= _today():
            _deliver(activation, [], turn)
            continue
        end = _end(turn, may.values())
        if end > platform().now():
            return count
        if may and platform().now() < end + waits and not _are_in(turn, may.values(), request):
            return count
        _deliver(activation, _requests(request, list(may.values()), frame.scope), turn)
    return MOST_TURNS


def promised(activation: Activation) -> timedelta:
    """How soon after the end of a day, week or month its delivery is promised."""
    level = contract_in_force(activation.subscription_id, activation.requester).offer.service_level
    return timedelta(seconds=level.scheduled_within_s)


def next_turn(activation: Activation, scope: DataScope) -> Period | None:
    """The day, week or month after the last one delivered; at first the one before the activation. None when the
    period is over."""
    zone = ZoneInfo(platform().config.zone)
    every = parse_granularity(Schedule.model_validate(activation.schedule).every)
    taken = activation.created_at.astimezone(zone).date()
    first = activation.delivered_until or days_around(every, days_around(every, taken)[0] - DAY)[0]
    bound, ahead = scope.period, _ahead(scope)
    first = max(first, bound.first - ahead) if bound else first
    until = days_around(every, first)[1]
    if bound is None:
        return Period(first=first, until=until)
    until = min(until, bound.until - ahead)
    return Period(first=first, until=until) if first < until else None


def _ahead(scope: DataScope) -> timedelta:
    """How far after the day that is over the day lies that is delivered."""
    return 2 * DAY if scope.timing == "forecast" else timedelta()


def _today() -> date:
    return platform().now().astimezone(ZoneInfo(platform().config.zone)).date()


def _request(activation: Activation, schedule: Schedule, scope: DataScope, turn: Period) -> DataRequest:
    ahead = _ahead(scope)
    return DataRequest(
        activation_id=activation.activation_id,
        period=Period(first=turn.first + ahead, until=turn.until + ahead),
        granularity=schedule.granularity,
        format=schedule.format,
        directions=scope.directions,
        transmission=schedule.transmission,
        compression=schedule.compression,
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


def _end(turn: Period, members: Iterable[Entitled]) -> datetime:
    """When the day, week or month has ended at every point; where there is none, in the provider's zone."""
    zones = {one.point.zone for one in members} or {platform().config.zone}
    return max(midnight(ZoneInfo(zone), turn.until) for zone in zones)


def _are_in(turn: Period, members: Iterable[Entitled], request: DataRequest) -> bool:
    """Whether the readings of the day, week or month are in, of each point from one of the series that serve it."""
    points, wanted = [one.point for one in members], parse_granularity(request.granularity)
    return all(
        any(one.until_day is not None and one.until_day >= turn.until for one in several)
        for direction in request.directions
        for several in serving_points(points, direction, wanted).values()
    )


def _deliver(activation: Activation, requests: list[DataRequest], turn: Period) -> None:
    """The deliveries and how far the schedule has come, in one transaction; a turn without any is passed over."""
    with transaction.atomic():
        mine = Activation.objects.filter(pk=activation.pk, delivered_until=activation.delivered_until)
        for request in requests if mine.update(delivered_until=turn.until) else []:
            create_delivery(request, activation, "scheduled")
    activation.delivered_until = turn.until
