"""What is missing of an activation, by point and day, how late it is, and asking again for just that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.test import Client

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import (
    CIVIL_DAY,
    CIVIL_MONTH,
    CIVIL_WEEK,
    MISSING,
    CivilCurve,
    CivilSeries,
    LoadCurve,
    midnight,
)
from meterhall.domain.readings import Series as CurveSeries
from meterhall.domain.readings.resampling import slot_edges
from meterhall.lake import Lake, SeriesSpec
from meterhall.requester.activations.models import Activation, ActivationItem
from meterhall.requester.analysis.gaps import NothingMissing, ask_again, gaps
from meterhall.requester.analysis.lateness import lateness
from meterhall.requester.analysis.service import load_curve, subject_of
from meterhall.requester.collection.models import DataAsked, Series
from meterhall.web.platform import Platform
from meterhall.web.staff.service import create_staff_key

from .conftest import FIRST, PSEUDONYMS, START, UNTIL, Enter, GridDouble, curve, ready, work

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def staff(eso: Platform) -> Client:
    return Client(headers={"Authorization": f"Bearer {create_staff_key('erp')}"})


def told(activation: Activation) -> list[tuple[str, date, date, int, int]]:
    return [(one.item.pseudonym, one.first, one.until, one.present, one.expected) for one in gaps(activation)]


def answered(activation: Activation, position: int, **answer: Any) -> None:
    """What the provider answered for one POD."""
    item = activation.items.get(position=position)
    ActivationItem.objects.filter(pk=item.pk).update(answer={"pod": item.pod, "state": "accepted"} | answer)


def test_nothing_has_come_yet(activation: Activation) -> None:
    assert told(activation) == [(name, FIRST, UNTIL, 0, 284) for name in PSEUDONYMS], "the clock goes forward within"
    [late] = lateness()
    assert (late.newest, late.due, late.days_behind) == (None, UNTIL, None)


def test_days_with_values_missing_are_told_by_point_and_day(
    activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    grid.publish({1: [curve(gaps=(4, 5, 283)), curve(PSEUDONYMS[1])]}, delivery_id)
    ready(delivery_id)
    first, last = PSEUDONYMS[0], UNTIL - DAY
    assert told(activation) == [(first, FIRST, FIRST + DAY, 94, 96), (first, last, UNTIL, 95, 96)]
    [late] = lateness()
    assert (late.newest, late.days_behind) == (UNTIL, 0)


def test_of_what_is_whole_nothing_is_read(
    activation: Activation, grid: GridDouble, delivery_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid.publish({1: [curve(gaps=(4,)), curve(PSEUDONYMS[1])]}, delivery_id)
    ready(delivery_id)
    asked: list[int] = []
    read = Lake.read

    def noted(lake: Lake, series: Sequence[SeriesSpec], *given: Any, **more: Any) -> Any:
        asked.extend(one.id for one in series)
        return read(lake, series, *given, **more)

    monkeypatch.setattr(Lake, "read", noted)
    assert told(activation) == [(PSEUDONYMS[0], FIRST, FIRST + DAY, 95, 96)]
    assert asked == [Series.objects.get(pseudonym=PSEUDONYMS[0]).pk]


def test_only_the_holders_days_are_missed(activation: Activation) -> None:
    stays = [{"from": str(FIRST), "until": str(FIRST + DAY)}, {"from": str(FIRST + 2 * DAY), "until": str(UNTIL + DAY)}]
    answered(activation, 0, readings={"from": str(FIRST), "until": str(UNTIL)}, stretches=stays)
    answered(activation, 1, readings={"from": str(FIRST), "until": str(FIRST + DAY)})
    assert told(activation) == [
        (PSEUDONYMS[0], FIRST, FIRST + DAY, 0, 96), (PSEUDONYMS[0], FIRST + 2 * DAY, UNTIL, 0, 96),
        (PSEUDONYMS[1], FIRST, FIRST + DAY, 0, 96),
    ]  # fmt: skip


def test_what_is_missing_is_asked_for_again_and_nothing_else(
    staff: Client, activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    path = f"/api/activations/{activation.pk}/gaps"
    grid.publish({1: [curve(gaps=(4,)), curve(PSEUDONYMS[1])]}, delivery_id)
    ready(delivery_id)
    [shown] = staff.get(path).json()
    assert (shown["pseudonym"], shown["first"], shown["present"]) == (PSEUDONYMS[0], str(FIRST), 95)
    answer = staff.post(f"{path}/requests", {}, "application/json", headers={"Idempotency-Key": "again"})
    assert answer.status_code == 202
    work()
    [sent] = [json.loads(one.content) for one in grid.paths("/data-requests")]
    assert sent["pseudonyms"] == [PSEUDONYMS[0]]
    assert sent["period"] == {"from": str(FIRST), "until": str(FIRST + DAY)}
    assert (sent["granularity"], sent["format"]) == ("PT15M", "parquet")
    assert DataAsked.objects.count() == 1
    second = new_id("dlv")
    grid.publish({1: [curve()]}, second)
    ready(second)
    assert told(activation) == []
    refused = staff.post(f"{path}/requests", {}, "application/json", headers={"Idempotency-Key": "again-2"})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_missing")
    with pytest.raises(NothingMissing):
        ask_again(activation)
    [late] = staff.get("/api/lateness").json()
    assert (late["activation"], late["newest"], late["days_behind"]) == (activation.pk, str(UNTIL), 0)


@pytest.mark.parametrize("missing", [(), (5,)])
def test_a_day_of_hours_before_the_quarter_hours_is_counted_in_hours(
    activation: Activation, grid: GridDouble, delivery_id: str, missing: tuple[int, ...]
) -> None:
    grid.publish({1: [curve(gaps=tuple(range(96))), curve(PSEUDONYMS[1])]}, delivery_id)
    ready(delivery_id)
    assert told(activation) == [(PSEUDONYMS[0], FIRST, FIRST + DAY, 0, 96)]
    values = np.arange(71, dtype=np.int64)
    values[[*missing, *range(30, 71)]] = MISSING
    hours = LoadCurve(CurveSeries(PSEUDONYMS[0], 3600), START, values, np.full(71, 17, np.uint8), START + 4 * DAY)
    second = new_id("dlv")
    grid.publish({1: [hours]}, second, granularity="PT1H")
    ready(second)
    assert Series.objects.filter(pseudonym=PSEUDONYMS[0]).count() == 2
    assert told(activation) == ([(PSEUDONYMS[0], FIRST, FIRST + DAY, 23, 24)] if missing else [])


def test_days_are_missed_where_only_days_are_had(activation: Activation, grid: GridDouble, delivery_id: str) -> None:
    zone = ZoneInfo("Europe/Rome")
    edges = slot_edges(CIVIL_DAY, zone, midnight(zone, FIRST), midnight(zone, UNTIL))
    daily = [
        CivilCurve(CivilSeries(name, CIVIL_DAY), edges, np.array(values), np.zeros(3, np.uint8), START)
        for name, values in zip(PSEUDONYMS, ([10, MISSING, 30], [10, 20, 30]), strict=True)
    ]
    grid.publish({1: daily}, delivery_id, granularity="P1D")  # type: ignore[dict-item]
    ready(delivery_id)
    assert told(activation) == [(PSEUDONYMS[0], FIRST + DAY, FIRST + 2 * DAY, 0, 1)]


def test_months_are_missed_whole_and_only_those_that_can_be_had(
    activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    """From mid-January to mid-May: February to April can be had; the clock changes in March."""
    zone, period = ZoneInfo("Europe/Rome"), Period(first=date(2025, 1, 15), until=date(2025, 5, 15))
    scope = DataScope(granularities=("P1M",), period=period)
    activation.scope = scope.document()
    activation.save(update_fields=["scope"])
    whole = [(name, date(2025, 2, 1), date(2025, 5, 1), 0, 89) for name in PSEUDONYMS]
    assert told(activation) == whole
    edges = slot_edges(CIVIL_MONTH, zone, midnight(zone, period.first), midnight(zone, period.until))
    monthly = [
        CivilCurve(CivilSeries(name, CIVIL_MONTH), edges, np.array(values), np.zeros(5, np.uint8), START)
        for name, values in zip(
            PSEUDONYMS, ([MISSING, 20, MISSING, 40, MISSING], [MISSING, 20, 30, 40, MISSING]), strict=True
        )
    ]
    grid.publish({1: monthly}, delivery_id, granularity="P1M", period=period)  # type: ignore[dict-item]
    ready(delivery_id)
    assert told(activation) == [(PSEUDONYMS[0], date(2025, 3, 1), date(2025, 4, 1), 0, 31)]
    [late] = lateness()
    assert late.due == date(2025, 5, 1)


def test_weeks_are_missed_whole_and_only_those_that_can_be_had(
    enter: Enter, activation: Activation, grid: GridDouble, delivery_id: str
) -> None:
    """From a Wednesday to a Tuesday: three weeks can be had, of which the clock changes in the second."""
    zone, period = ZoneInfo("Europe/Rome"), Period(first=date(2025, 3, 12), until=date(2025, 4, 8))
    activation.scope = DataScope(granularities=("P7D", "P1M"), period=period).document()
    activation.save(update_fields=["scope"])
    assert told(activation) == [(name, date(2025, 3, 17), date(2025, 4, 7), 0, 21) for name in PSEUDONYMS]
    edges = slot_edges(CIVIL_WEEK, zone, midnight(zone, period.first), midnight(zone, period.until))
    weekly = [
        CivilCurve(CivilSeries(name, CIVIL_WEEK), edges, np.array(values), np.zeros(5, np.uint8), START)
        for name, values in zip(
            PSEUDONYMS, ([MISSING, 20, MISSING, 40, MISSING], [MISSING, 20, 30, 40, MISSING]), strict=True
        )
    ]
    grid.publish({1: weekly}, delivery_id, granularity="P7D", period=period)  # type: ignore[dict-item]
    ready(delivery_id)
    assert told(activation) == [(PSEUDONYMS[0], date(2025, 3, 24), date(2025, 3, 31), 0, 7)]
    [late] = lateness()
    assert late.due == date(2025, 4, 7)
    held = load_curve(subject_of(PSEUDONYMS[1]), "import", period, "P7D")
    assert held.mantissas.tolist() == [MISSING, 20, 30, 40, MISSING]
    assert np.diff(held.edges).tolist() == [168 * 3600, 168 * 3600, 167 * 3600, 168 * 3600, 168 * 3600]
    shown = enter("staff").get(f"/curves/{PSEUDONYMS[1]}?from={period.first}&to={period.until}")
    assert (shown.status_code, "granularity=P1M" in shown.content.decode()) == (200, False)


def test_of_sums_and_forecasts_nothing_is_told(activation: Activation) -> None:
    Series.objects.all().delete()
    for scope in ({"kind": "aggregate"}, {"timing": "forecast"}):
        Activation.objects.update(scope=activation.scope | scope)
        assert told(Activation.objects.get()) == []
        assert lateness() == []
