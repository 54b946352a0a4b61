"""Deliveries of forecasts: what may be asked for, what they are made from, the curves and what is said of them.

A forecast may be one of the days it is made from again. So whatever guards readings of those days guards it: only the
consenting holder's days are looked at, and of a group it is held against what was told as if those days were told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from meterhall.domain.errors import InvalidInput
from meterhall.domain.forecasting import Forecast, NoForecast, day_ahead, history_before
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest, ForecastMade, NotForecast
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import Curve, GranularityUnavailable, LoadCurve, parse_granularity
from meterhall.provider.activations.models import Activation
from meterhall.provider.consents.models import Consent
from meterhall.provider.deliveries.curves import whole_curves
from meterhall.provider.deliveries.entitled import Entitled
from meterhall.provider.deliveries.learner import boosted, require_library
from meterhall.provider.points.holders import Holders
from meterhall.web.platform import platform
from meterhall.web.sets import pieces

MOST_CURVES: Final = 500
"""Single curves of one delivery: each is tried and learnt, which takes a good part of a second."""
DAY: Final = timedelta(days=1)


class ForecastDay(InvalidInput):
    code = "forecast_day"
    title = "A forecast is of the civil day after today, that day alone."


class ForecastTooMany(InvalidInput):
    code = "forecast_too_many"
    title = f"One delivery has forecasts of {MOST_CURVES} curves at most; name fewer pseudonyms."


@dataclass(slots=True)
class Made:
    """Forecast curves, how each was made, and of what there is none."""

    curves: list[Curve] = field(default_factory=list)
    said: list[ForecastMade] = field(default_factory=list)
    absent: list[NotForecast] = field(default_factory=list)

    def add(self, curve: Curve, request: DataRequest, zone: ZoneInfo, known_at: datetime) -> bool:
        """Forecast the request's day from a curve that ends before it; whether there is a forecast."""
        name, direction = curve.series.usage_point, curve.series.direction
        if not isinstance(curve, LoadCurve):
            raise GranularityUnavailable(field="/granularity")
        try:
            found = day_ahead(curve, zone, request.period.first, boosted)
        except NoForecast as reason:
            said = {"pseudonym": name, "direction": direction.value, "code": reason.code}
            self.absent.append(NotForecast.model_validate(said))
            return False
        self.curves.append(replace(found.curve, available_at=known_at))
        self.said.append(_said(found))
        return True


def is_forecast(activation: Activation) -> bool:
    """Whether an activation is of forecasts: then it is of no readings at all."""
    return DataScope.model_validate(activation.scope).timing == "forecast"


def told_by(request: DataRequest, forecast: bool) -> DataRequest:
    """The request about the days it may tell of: those asked for, of a forecast those it is made from."""
    return request.model_copy(update={"period": history_before(request.period.first)}) if forecast else request


def check_forecast(request: DataRequest) -> None:
    """Refuse what no forecast is made of. Raises `ForecastMissing`, `ForecastDay` and `GranularityUnavailable`."""
    require_library()
    tomorrow = platform().now().astimezone(ZoneInfo(platform().config.zone)).date() + DAY
    if request.period != Period(first=tomorrow, until=tomorrow + DAY):
        raise ForecastDay(f"A forecast is of the civil day after today, {tomorrow} alone.", field="/period")
    if parse_granularity(request.granularity).civil:
        raise GranularityUnavailable("A forecast is of the slots of a day, of an hour at most.", field="/granularity")


def check_count(request: DataRequest, members: int) -> None:
    """Refuse, with `ForecastTooMany`, more single curves than are made in good time."""
    if members * len(request.directions) > MOST_CURVES:
        raise ForecastTooMany(field="/pseudonyms")


def forecast_each(request: DataRequest, some: Sequence[Entitled], known_at: datetime) -> tuple[list[Entitled], Made]:
    """Forecasts of single points from what was known then; and which of the items have one."""
    made, having = Made(), set()
    past = with_history(request, some)
    for direction in request.directions:
        for one, curve in whole_curves(told_by(request, True), past, direction, known_at):
            if made.add(curve, request, ZoneInfo(one.point.zone), known_at):
                having.add(one.item.pk)
    return [one for one in some if one.item.pk in having], made


def forecast_all(curves: Iterable[Curve], request: DataRequest, zone: ZoneInfo, known_at: datetime) -> Made:
    """Forecasts of the measures of a group."""
    made = Made()
    for curve in curves:
        made.add(curve, request, zone, known_at)
    return made


def with_history(request: DataRequest, some: Sequence[Entitled]) -> list[Entitled]:
    """The items with the days their forecast is made from: the consenting holder's, before the day asked for."""
    history = history_before(request.period.first)
    holders = Holders(one.point.pk for one in some)
    consents = {one.item.consent_item.consent_id for one in some if one.item.consent_item}
    who: dict[str, str] = {}
    for names in pieces(consents):
        who.update(Consent.objects.filter(pk__in=names).values_list("pk", "holder_reference"))

    def days(one: Entitled) -> tuple[Period, ...]:
        given = one.item.consent_item
        return holders.held(one.point.pk, who[given.consent_id], history) if given else (history,)

    return [replace(one, days=days(one)) for one in some]


def _said(found: Forecast) -> ForecastMade:
    series, tested = found.curve.series, found.back_test
    ratio = None if tested.ratio is None else _decimal(tested.ratio)
    return ForecastMade(
        pseudonym=series.usage_point,
        direction=series.direction.value,
        method=found.method.value,
        known_until=found.known_until,
        tested=tested.period,
        tested_days=tested.days,
        error_wh=_decimal(tested.error * 10.0**series.scale),
        naive_error_wh=_decimal(tested.naive_error * 10.0**series.scale),
        error_ratio=ratio,
    )


def _decimal(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")
