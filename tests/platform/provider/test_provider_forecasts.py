"""Forecasts of the day to come: as parts, with their error; nothing else under such an activation; and of groups."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from meterhall.domain.errors import MeterhallError
from meterhall.domain.privacy import GroupTooSmall
from meterhall.domain.protocol.activations import Schedule
from meterhall.domain.protocol.base import FormatName, Period
from meterhall.domain.protocol.deliveries import GroupOf
from meterhall.domain.protocol.offers import CoverageArea, DataScope, Offer, Price
from meterhall.domain.readings import GranularityUnavailable, Quality
from meterhall.formats import FORMATS
from meterhall.provider.activations.models import Activation
from meterhall.provider.activations.service import ScopeExceedsOffer
from meterhall.provider.consents.models import ConsentItem
from meterhall.provider.consents.service import BadNeed
from meterhall.provider.consents.words import what
from meterhall.provider.deliveries import forecasts, learner
from meterhall.provider.deliveries.access import log_part
from meterhall.provider.deliveries.changes import changes_since
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.forecasts import ForecastDay, ForecastTooMany
from meterhall.provider.deliveries.learner import ForecastMissing
from meterhall.provider.deliveries.models import AccessLog, Delivery, GroupAnswered
from meterhall.provider.deliveries.schedules import run_schedules
from meterhall.provider.deliveries.service import OutsideActivation, live_parts
from meterhall.provider.metering.service import take_readings
from meterhall.provider.offers.service import draft_offer
from meterhall.provider.points.models import Point
from tests.platform.provider.conftest import HOLDER, OTHER, REQUESTER, World
from tests.platform.provider.people import signed_in
from tests.platform.provider.test_provider_deliveries import manifest

ROME = ZoneInfo("Europe/Rome")
TODAY, TOMORROW = date(2026, 4, 1), Period(first=date(2026, 4, 2), until=date(2026, 4, 3))
SCOPE = DataScope(timing="forecast", granularities=("PT1H",))
OF_GROUPS = SCOPE.model_copy(update={"kind": "aggregate"})
READINGS = DataScope(kind="aggregate", granularities=("PT1H",), period=Period(
    first=date(2026, 1, 1), until=date(2026, 5, 1)))  # fmt: skip
DAY = timedelta(days=1)


def measured(world: World, points: list[Point], days: int = 28, until: date = TODAY) -> None:
    """Hours that repeat each week, of each point on a level of its own."""
    start = datetime.combine(until - days * DAY, datetime.min.time(), ROME).astimezone(ZoneInfo("UTC"))
    end = datetime.combine(until, datetime.min.time(), ROME).astimezone(ZoneInfo("UTC"))
    lines = ["pod,start,energy_wh"]
    for level, point in enumerate(points):
        at = start
        while at < end:
            lines.append(f"{point.pod},{at.isoformat()},{wh(at.astimezone(ROME), level)}")
            at += timedelta(hours=1)
    take_readings("\n".join(lines).encode(), "PT1H")
    world.work()


def wh(at: datetime, level: int = 0) -> int:
    return 400 + level + 50 * at.weekday() + at.hour


def expected(level: int = 0) -> list[int]:
    start = datetime(2026, 4, 2, tzinfo=ROME)
    return [wh(start + timedelta(hours=hour), level) for hour in range(24)]


def ask(world: World, activation: Activation, **more: object) -> Delivery:
    return world.deliver(activation, **({"period": TOMORROW, "granularity": "PT1H"} | more))


def of_groups(world: World, scope: DataScope = OF_GROUPS, requester: str = REQUESTER) -> Activation:
    contract = world.contract(requester, scope=scope.model_copy(update={"period": None}), minimum_group=5)
    return world.activate(contract, [], scope)


def values(delivery: Delivery) -> list[list[int]]:
    """The values of every curve of the parts, by the name of their usage point."""
    form = FORMATS[delivery.request["format"]]
    curves = [one for part in live_parts(delivery) for one in form.decode((folder() / part.path).read_bytes())]
    return [one.mantissas.tolist() for one in sorted(curves, key=lambda one: one.series.usage_point)]


@pytest.mark.parametrize("form", get_args(FormatName))
def test_every_format_carries_a_forecast_marked_as_projected(world: World, form: str) -> None:
    points = world.points(1)
    measured(world, points)
    delivery = ask(world, world.activated(points, SCOPE), format=form)
    assert values(delivery) == [expected()]
    [part] = live_parts(delivery)
    [curve] = FORMATS[form].decode((folder() / part.path).read_bytes())
    assert set(curve.quality.tolist()) == {Quality.PROJECTED}


def test_the_manifest_says_how_each_curve_was_made_how_wrong_it_was_and_what_is_absent(world: World) -> None:
    points = world.points(2)
    measured(world, points[:1])
    measured(world, points[1:], days=5)
    activation = world.activated(points, SCOPE)
    delivery = ask(world, activation)
    said = manifest(delivery)
    [known, new] = [str(item.pseudonym) for item in activation.items.order_by("position")]
    assert said.forecast is not None
    assert said.forecast.known_at == delivery.created_at
    assert [(one.pseudonym, one.code) for one in said.forecast.absent] == [(new, "history_too_short")]
    [made] = said.parts[0].forecasts or ()
    assert (made.pseudonym, made.method, made.known_until) == (known, "same_weekday", TODAY)
    assert (made.error_wh, made.naive_error_wh, made.error_ratio, made.tested_days) == ("0", "0", None, 14)
    assert (said.parts[0].pseudonyms, said.readings, said.period) == ((known,), 24, TOMORROW)


def test_where_nothing_can_be_forecast_the_manifest_says_only_why(world: World) -> None:
    points = world.points(1)
    measured(world, points, days=3)
    said = manifest(ask(world, world.activated(points, SCOPE)))
    assert (said.parts, said.readings) == ((), 0)
    assert said.forecast is not None
    assert [one.code for one in said.forecast.absent] == ["history_too_short"]


def test_the_access_log_says_that_it_was_a_forecast(world: World) -> None:
    points = world.points(1)
    measured(world, points)
    delivery = ask(world, world.activated(points, SCOPE))
    [part] = live_parts(delivery)
    log_part(part, AccessLog.Kind.DOWNLOAD)
    row = AccessLog.objects.get()
    assert (row.is_forecast, row.first, row.until) == (True, TOMORROW.first, TOMORROW.until)


def test_under_an_activation_of_forecasts_no_reading_is_had(world: World) -> None:
    points = world.points(1)
    measured(world, points)
    activation = world.activated(points, SCOPE)
    with pytest.raises(OutsideActivation):
        changes_since(activation, None)
    for first in (TODAY - DAY, TODAY, TODAY + 2 * DAY):
        with pytest.raises(ForecastDay) as refusal:
            ask(world, activation, period=Period(first=first, until=first + DAY))
        assert refusal.value.field == "/period"
    with pytest.raises(ForecastDay):
        ask(world, activation, period=Period(first=TODAY - 20 * DAY, until=TOMORROW.until))


def test_a_consent_to_readings_is_none_to_forecasts_and_the_other_way_round(world: World) -> None:
    points = world.points(1)
    measured(world, points)
    subscription = world.contract(scope=SCOPE)
    scope = DataScope(granularities=("PT1H",), period=Period(first=date(2026, 3, 1), until=date(2026, 12, 1)))
    other = world.contract(scope=scope.model_copy(update={"period": None}))
    for contract, wanted in ((subscription, scope), (other, SCOPE)):
        with pytest.raises(BadNeed):
            world.consent(points, contract, wanted)
        with pytest.raises(ScopeExceedsOffer):
            world.activate(contract, [], wanted)
    consent = world.consent(points, other, scope)
    refused = world.activate(subscription, [(points[0].pod, f"consent:{consent.pk}")], SCOPE)
    assert [item.code for item in refused.items.all()] == ["consent_missing"], (
        "bound to the contract it was given under"
    )
    ConsentItem.objects.update(subscription_id="")
    refused = world.activate(subscription, [(points[0].pod, f"consent:{consent.pk}")], SCOPE)
    assert [item.code for item in refused.items.all()] == ["consent_scope"]


def test_only_slots_of_a_day_and_only_so_many_curves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    points = world.points(3)
    measured(world, points)
    activation = world.activated(points, SCOPE.model_copy(update={"granularities": ("PT1H", "P1D")}))
    with pytest.raises(GranularityUnavailable):
        ask(world, activation, granularity="P1D")
    monkeypatch.setattr(forecasts, "MOST_CURVES", 2)
    with pytest.raises(ForecastTooMany) as refusal:
        ask(world, activation)
    assert refusal.value.field == "/pseudonyms"
    some = tuple(activation.items.values_list("pseudonym", flat=True)[:2])
    assert len(values(ask(world, activation, pseudonyms=some))) == 2


def test_a_schedule_forecasts_the_second_day_after_the_one_that_is_in(world: World) -> None:
    points = world.points(1)
    measured(world, points)
    scope = DataScope(timing="forecast", granularities=("PT1H",))
    subscription = world.contract(scope=scope)
    consent = world.consent(points, subscription, scope)
    world.activate(
        subscription, [(points[0].pod, f"consent:{consent.pk}")], scope, Schedule(format="csv", granularity="PT1H")
    )
    assert (run_schedules(), run_schedules()) == (1, 0)
    world.work()
    assert [(one.first, one.reason) for one in Delivery.objects.all()] == [(TOMORROW.first, "scheduled")]
    world.clock.now += 5 * DAY + timedelta(
        hours=3
    )  # a standstill: days that have begun are passed over, and nothing came in
    run_schedules()
    world.work()
    assert [one.first for one in Delivery.objects.order_by("first")] == [TOMORROW.first, TOMORROW.first + 5 * DAY]


def test_an_area_is_forecast_as_the_sum_it_would_have_been_told(world: World) -> None:
    points = world.points(6, area="A")
    measured(world, points, days=40)
    delivery = ask(world, of_groups(world), group=True, over=GroupOf(area="A"), measures=("sum", "mean"))
    said = manifest(delivery)
    assert said.group is not None
    sums, means = (next(one.pseudonym for one in said.group.curves if one.measure == name) for name in ("sum", "mean"))
    found = dict(zip(sorted((sums, means)), values(delivery), strict=True))
    assert found[sums] == [sum(level) for level in zip(*(expected(one) for one in range(6)), strict=True)]
    assert found[means] == [round(total / 6 + 0.001) for total in found[sums]]
    assert {one.pseudonym for one in said.parts[0].forecasts or ()} == {sums, means}
    assert (said.group_size, [(one.month, one.pods) for one in said.group.months]) == (6, [(date(2026, 3, 1), 6)])


def test_a_forecast_of_a_group_tells_the_days_it_is_made_from(world: World) -> None:
    """Who has the sum of all of an area may not have the forecast of all but one of it, nor the other way round."""
    points = world.points(6, area="A", postal_code="1") + world.points(1, first=10, area="A", postal_code="2")
    measured(world, points, days=40)
    ask(world, of_groups(world), group=True, over=GroupOf(area="A"))
    assert [(one.first, one.until) for one in GroupAnswered.objects.all()] == [(date(2026, 3, 1), TODAY)]
    with pytest.raises(GroupTooSmall):
        ask(world, of_groups(world, requester=OTHER), group=True, over=GroupOf(postal_code="1"))
    march = Period(first=date(2026, 3, 20), until=date(2026, 3, 21))
    with pytest.raises(GroupTooSmall):
        ask(world, of_groups(world, READINGS, OTHER), group=True, over=GroupOf(postal_code="1"), period=march)


def test_the_next_day_s_forecast_of_an_area_tells_one_day_more(world: World) -> None:
    points = world.points(6, area="A")
    measured(world, points, days=40)
    activation = of_groups(world)
    for later in range(3):
        measured(world, points, days=1, until=TODAY + later * DAY)
        day = TOMORROW.first + later * DAY
        ask(world, activation, group=True, over=GroupOf(area="A"), period=Period(first=day, until=day + DAY))
        world.clock.now += DAY
    told = GroupAnswered.objects.order_by("pk").values_list("first", "until")
    days = [TODAY + count * DAY for count in range(3)]
    assert list(told) == [(date(2026, 3, 1), days[0]), (days[0], days[1]), (days[1], days[2])]


def test_a_list_of_points_is_forecast_as_its_sum_and_too_few_are_not(world: World) -> None:
    points = world.points(6)
    measured(world, points)
    activation = world.activated(points, SCOPE)
    delivery = ask(world, activation, group=True)
    assert values(delivery) == [[sum(level) for level in zip(*(expected(one) for one in range(6)), strict=True)]]
    few = tuple(activation.items.values_list("pseudonym", flat=True)[:4])
    with pytest.raises(GroupTooSmall):
        ask(world, activation, group=True, pseudonyms=few)


def test_a_forecast_of_a_point_counts_as_having_seen_it(world: World) -> None:
    """Six points, of which four were forecast alone: their sum would leave two that are not known one by one."""
    points = world.points(6, area="A")
    measured(world, points, days=40)
    activation = world.activated(points[:4], SCOPE)
    ask(world, activation)
    march = Period(first=date(2026, 3, 20), until=date(2026, 3, 21))
    with pytest.raises(GroupTooSmall):
        ask(world, of_groups(world, READINGS, OTHER), group=True, over=GroupOf(area="A"), period=march)


def test_without_the_library_nothing_is_offered_or_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    points = world.points(1)
    measured(world, points)
    activation = world.activated(points, SCOPE)
    monkeypatch.setattr(learner, "find_spec", lambda name: None)
    offer = Offer(
        title="Tomorrow", service_type="forecast", scope=SCOPE, formats=("csv",), price=Price(amount="0", per="free"),
        countries=("IT",), coverage=(CoverageArea(kind="operator_code", country="IT", value="999"),),
    )  # fmt: skip
    for refused in (lambda: draft_offer(offer), lambda: ask(world, activation)):
        with pytest.raises(ForecastMissing, match="pip install") as refusal:
            refused()
        assert isinstance(refusal.value, MeterhallError)
        assert refusal.value.code == "forecast_missing"


def test_a_customer_is_told_of_forecasts_in_plain_words(world: World) -> None:
    said = "As a forecast of the next day, made from your values of the twelve weeks before"
    assert what(SCOPE) == ["every hour: electricity you take from the grid", said]
    bounded = SCOPE.model_copy(update={"period": Period(first=date(2026, 4, 1), until=date(2026, 5, 1))})
    assert len(what(bounded)) == 3
    assert said not in what(READINGS)
    points = world.points(1)
    measured(world, points)
    delivery = ask(world, world.activated(points, SCOPE))
    [part] = live_parts(delivery)
    log_part(part, AccessLog.Kind.DOWNLOAD)
    page = signed_in("customer", holder=HOLDER).get("/accesses").content.decode()
    assert "electricity you take from the grid, as a forecast" in page
