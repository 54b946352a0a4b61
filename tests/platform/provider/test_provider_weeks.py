"""Civil weeks, Monday to Monday on the clock of the point: delivered, told at once, summed, followed, scheduled; never
handed in."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from meterhall.domain.protocol.activations import Schedule
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import CurvesAsked, GroupOf
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import (
    CIVIL_WEEK,
    MISSING,
    CivilCurve,
    CivilSeries,
    Curve,
    LoadCurve,
    UnknownGranularity,
)
from meterhall.domain.readings import Series as CurveSeries
from meterhall.formats import FORMATS, PartHeader
from meterhall.provider.activations.models import Activation
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.deliveries.schedules import run_schedules
from meterhall.provider.deliveries.service import live_parts
from meterhall.provider.metering.intake import BadProfile, profile_of
from meterhall.provider.metering.models import IngestRun, QuarantinedRow, Series
from meterhall.provider.metering.service import take_readings
from tests.platform.provider.conftest import World
from tests.platform.provider.test_provider_areas import ask, told
from tests.platform.provider.test_provider_beside import by_day, exchanged, rows
from tests.platform.provider.test_provider_feed import handed_in, hours
from tests.platform.provider.test_provider_feed import told as followed
from tests.platform.provider.test_provider_live import answer, body

pytestmark = pytest.mark.django_db
ROME = ZoneInfo("Europe/Rome")
SPRING = Period(first=date(2026, 1, 1), until=date(2026, 4, 1))
MONDAYS = [date(2026, 3, 16), date(2026, 3, 23), date(2026, 3, 30)]
"""The second of these two weeks has 167 hours."""
WEEKS = Period(first=MONDAYS[0], until=MONDAYS[-1])
EDGES = [int(datetime(one.year, one.month, one.day, tzinfo=ROME).timestamp()) for one in MONDAYS]
HOUR_WH = 4 * 100 + 1 + 2 + 3


def scope(*granularities: str, period: Period = SPRING, **more: object) -> DataScope:
    return DataScope(granularities=granularities, period=period, **more)  # type: ignore[arg-type]


def curves(delivery: Delivery) -> list[Curve]:
    parts = [(folder() / part.path).read_bytes() for part in live_parts(delivery)]
    return [curve for part in parts for curve in FORMATS[delivery.request["format"]].decode(part)]


def values(delivery: Delivery) -> list[list[int | None]]:
    """The values in Wh, which some formats keep at another scale."""
    return [
        [None if value == MISSING else round(value * 10**curve.series.scale) for value in curve.mantissas.tolist()]
        for curve in curves(delivery)
    ]


def daily(first: date, count: int) -> dict[str, int]:
    return {str(date.fromordinal(first.toordinal() + place)): 1000 + place for place in range(count)}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_weeks_of_quarter_hours_and_of_days_are_delivered_in_every_format(world: World, name: str) -> None:
    quarters, days = world.points(2)
    world.readings([quarters], date(2026, 3, 15), date(2026, 3, 31))
    handed_in(world, days, "P1D", daily(MONDAYS[0], 14))
    activation = world.activated([quarters, days], scope("P7D"))
    delivery = world.deliver(activation, period=WEEKS, granularity="P7D", format=name)
    assert sorted(values(delivery)) == [  # type: ignore[type-var]
        [sum(range(1000, 1007)), sum(range(1007, 1014))],
        [168 * HOUR_WH, 167 * HOUR_WH],
    ]
    for curve in curves(delivery):
        assert isinstance(curve, CivilCurve)
        assert (curve.series.granularity, curve.edges.tolist()) == (CIVIL_WEEK, EDGES)


def test_a_week_of_169_hours_is_delivered(world: World) -> None:
    world.clock.now = datetime(2026, 11, 2, tzinfo=UTC)
    points = world.points()
    world.readings(points, date(2026, 10, 18), date(2026, 10, 27))
    autumn = Period(first=date(2026, 10, 19), until=date(2026, 10, 26))
    activation = world.activated(points, scope("P7D", period=autumn))
    assert values(world.deliver(activation, period=autumn, granularity="P7D")) == [[169 * HOUR_WH]]


def test_a_week_that_the_period_cuts_or_of_which_a_day_is_missing_has_no_value(world: World) -> None:
    points = world.points()
    world.readings(points, date(2026, 3, 1), date(2026, 3, 12))
    world.readings(points, date(2026, 3, 13), date(2026, 3, 31))
    activation = world.activated(points, scope("P7D"))
    cut = Period(first=date(2026, 3, 3), until=date(2026, 3, 25))
    delivery = world.deliver(activation, period=cut, granularity="P7D")
    assert values(delivery) == [[None, None, 168 * HOUR_WH, None]]
    assert [(part["readings"], part["missing"]) for part in delivery.versions.get().manifest["parts"]] == [(1, 3)]


def test_of_several_series_a_week_is_the_sum_of_the_days_that_are_told(world: World) -> None:
    points = world.points(1)
    exchanged(world, points)
    by_day(world, points, {f"2026-03-{day}": 1000 for day in range(16, 28)})
    by_day(world, points, {"2026-02": 28_000}, "P1M")
    activation = world.activated(points, scope("P1D", "P7D", "P1M"))
    assert values(world.deliver(activation, period=WEEKS, granularity="P7D")) == [[7000, 5000 + 9600 + 2300]]


def test_months_are_not_made_weeks(world: World) -> None:
    [point] = world.points()
    handed_in(world, point, "P1M", {"2026-02-01": 28_000})
    activation = world.activated([point], scope("P7D"))
    assert activation.items.get().code == "granularity_unavailable"


def at_once(activation: Activation, period: Period) -> list[Curve]:
    want = {"from": str(period.first), "until": str(period.until), "granularity": "P7D", "format": "csv"}
    return FORMATS["csv"].decode(body(answer(activation, CurvesAsked.model_validate(want))))


def test_weeks_are_told_at_once_as_they_are_delivered(world: World) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 3, 15), date(2026, 3, 31))
    activation = world.activated(points, scope("P7D"))
    found = at_once(activation, WEEKS)
    assert [curve.mantissas.tolist() for curve in found] == [[168 * HOUR_WH, 167 * HOUR_WH]] * 2
    assert [curve.edges.tolist() for curve in found] == [EDGES] * 2
    later = Period(first=date(2026, 3, 18), until=WEEKS.until)
    assert at_once(activation, later)[0].mantissas.tolist() == [MISSING, 167 * HOUR_WH]


def test_weeks_of_a_list_are_summed(world: World) -> None:
    points = world.points(6)
    world.readings(points, date(2026, 3, 15), date(2026, 3, 31))
    activation = world.activated(points, scope("P7D", kind="aggregate"))
    delivery = world.deliver(activation, period=WEEKS, granularity="P7D", group=True)
    assert values(delivery) == [[6 * 168 * HOUR_WH, 6 * 167 * HOUR_WH]]


def test_weeks_of_an_area_are_whole_in_one_month(world: World) -> None:
    world.clock.now = datetime(2026, 5, 2, tzinfo=UTC)
    points = world.points(6, area="A")
    world.readings(points, date(2026, 2, 28), date(2026, 4, 14))
    wide = scope("P7D", kind="aggregate", period=Period(first=date(2026, 2, 1), until=date(2026, 5, 1)))
    contract = world.contract(scope=wide.model_copy(update={"period": None}), minimum_group=5)
    asked = world.activate(contract, [], wide)
    over_the_end = Period(first=MONDAYS[1], until=date(2026, 4, 13))
    delivery = ask(world, asked, GroupOf(area="A"), period=over_the_end, granularity="P7D")
    manifest, found = told(delivery)
    assert found["sum"] == [6 * 167 * HOUR_WH, MISSING, 6 * 168 * HOUR_WH], "one of them lies in March and in April"
    assert manifest.group is not None
    assert [(one.month.month, one.values, one.expected) for one in manifest.group.months] == [(3, 6, 12), (4, 6, 12)]
    [curve] = curves(delivery)
    assert np.diff(curve.edges).tolist() == [167 * 3600, 168 * 3600, 168 * 3600]


def test_the_feed_tells_weeks_when_they_are_whole_and_none_that_the_consent_cuts(world: World) -> None:
    [point] = world.points()
    handed_in(world, point, "P1D", daily(date(2026, 3, 9), 17))
    activation = world.activated(
        [point], scope("P7D", "P1M", period=Period(first=date(2026, 3, 11), until=SPRING.until))
    )
    [first], cursor = followed(activation)
    assert (first.resolution, first.values, hours(first)) == ("P7D", (sum(range(1007, 1014)),), [168])
    assert first.start == datetime(2026, 3, 15, 23, tzinfo=UTC)
    handed_in(world, point, "P1D", {f"2026-03-{day}": 5 for day in range(26, 30)})
    [news], cursor = followed(activation, cursor)
    assert (news.values, hours(news)) == ((1014 + 1015 + 1016 + 4 * 5,), [167])
    handed_in(world, point, "P1D", {"2026-03-20": 11, "2026-03-10": 12})
    [news], _ = followed(activation, cursor)
    assert (news.values, news.start) == ((first.values[0] - 1011 + 11,), first.start)


def test_a_schedule_delivers_every_week_the_week_before(world: World) -> None:
    world.clock.now = datetime(2026, 3, 25, 8, tzinfo=UTC)
    points = world.points()
    take_readings(rows(points, MONDAYS[0], date(2026, 3, 25), 900, 25), "PT15M")
    world.work()
    subscription = world.contract(scope=DataScope(granularities=("P7D",)))
    consent = world.consent(points, subscription, scope("P7D"))
    items = [(points[0].pod, f"consent:{consent.pk}")]
    schedule = Schedule(every="P7D", format="csv", granularity="P7D")
    world.activate(subscription, items, scope("P7D"), schedule)
    assert run_schedules() == 1
    world.clock.now = datetime(2026, 3, 29, 21, 59, tzinfo=UTC)
    assert run_schedules() == 0, "the week is not over"
    world.clock.now = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)
    take_readings(rows(points, date(2026, 3, 25), MONDAYS[-1], 900, 25), "PT15M")
    world.work()
    assert run_schedules() == 1, "by the clock of Rome it is Monday"
    world.work()
    assert [values(one) for one in Delivery.objects.order_by("created_at")] == [[[168 * 100]], [[167 * 100]]]


@pytest.mark.parametrize("attribute", ["24", "0"])
def test_weeks_from_thursday_beside_hours_are_set_aside_alone(world: World, attribute: str) -> None:
    pod = world.points()[0].pod
    known, quality = datetime(2026, 4, 1, tzinfo=UTC), np.full(24, 17, np.uint8)
    weeks = CivilCurve(CivilSeries(pod, CIVIL_WEEK), np.array(EDGES), np.array([70_000, 71_000]), quality[:2], known)
    load = LoadCurve(CurveSeries(pod, 3600), datetime(2026, 3, 1, tzinfo=UTC), np.arange(24) + 100, quality, known)
    header = PartHeader("dlv_1", default_zone="Europe/Rome", country="IT")
    content = b"".join(FORMATS["espi"].encode([load, weeks], header)).decode()
    for monday in EDGES:
        content = content.replace(f"<start>{monday}<", f"<start>{monday + 3 * 24 * 3600}<")
    assert content.count(f">{EDGES[0] + 3 * 24 * 3600}<") == 2, "of the block and of its first reading"
    content = content.replace(">24</timeAttribute>", f">{attribute}</timeAttribute>")
    run = take_readings(content.encode(), "PT1H")
    world.work()
    run.refresh_from_db()
    assert (run.problem, run.rows, run.quarantined) == ("", 26, 2)
    assert sorted((row.rule, row.text) for row in QuarantinedRow.objects.all()) == [
        ("V15", "value=70000e0; P7D"),
        ("V15", "value=71000e0; P7D"),
    ]
    assert [(one.resolution_s, one.first_day) for one in Series.objects.all()] == [(3600, date(2026, 3, 1))]


def test_weeks_of_cim_from_thursday_beside_hours_are_set_aside_alone(world: World) -> None:
    def series(start: str, end: str, resolution: str, values: list[int]) -> dict[str, object]:
        points = [{"position": place, "energy_Quantity.quantity": value} for place, value in enumerate(values, 1)]
        period = {"resolution": resolution, "timeInterval": {"start": start, "end": end}, "Point": points}
        return {
            "energy_Measurement_Unit.name": "KWH", "flowDirection.direction": "A02", "Period": [period],
            "marketEvaluationPoint.mRID": {"value": world.points()[0].pod, "codingScheme": "NIT"},
        }  # fmt: skip

    weeks = series("2026-03-18T23:00Z", "2026-04-01T22:00Z", "P7D", [70, 71])
    hours = series("2026-03-01T00:00Z", "2026-03-01T03:00Z", "PT1H", [1, 2, 3])
    document = {"createdDateTime": "2026-04-02T00:00:00Z", "TimeSeries": [weeks, hours]}
    run = take_readings(json.dumps({"MarketDocument": document}).encode(), "")
    world.work()
    run.refresh_from_db()
    assert (run.problem, run.rows, run.quarantined) == ("", 5, 2)
    assert {row.rule for row in QuarantinedRow.objects.all()} == {"V15"}
    assert [one.resolution_s for one in Series.objects.all()] == [3600]


def test_weeks_are_not_handed_in(world: World) -> None:
    pod = world.points()[0].pod
    for way in (lambda: take_readings(b"pod,start,energy_wh\n", "P7D"), lambda: take_readings(b"x", "P1W")):
        with pytest.raises(UnknownGranularity) as refused:
            way()
        assert (refused.value.code, refused.value.field) == ("unknown_granularity", "/resolution")
    with pytest.raises(BadProfile, match="hand in their days"):
        profile_of({"resolution": "P7D"})
    line = {"pod": pod, "start": "2026-03-23", "resolution": "P7D", "values": [1]}
    take_readings(json.dumps(line).encode(), "P1D")
    world.work()
    assert [row.rule for row in QuarantinedRow.objects.all()] == ["V15"]


@pytest.mark.parametrize("form", ["espi", "cim", "cim_json"])
@pytest.mark.parametrize("handed_in_as", ["PT1H", "P1D", ""])
def test_weeks_beside_hours_in_a_file_are_set_aside(world: World, form: str, handed_in_as: str) -> None:
    pod = world.points()[0].pod
    known, quality = datetime(2026, 4, 1, tzinfo=UTC), np.full(24, 17, np.uint8)
    series = CivilSeries(pod, CIVIL_WEEK)
    weeks = CivilCurve(series, np.array(EDGES), np.array([70_000, 71_000]), quality[:2], known)
    load = LoadCurve(CurveSeries(pod, 3600), datetime(2026, 3, 1, tzinfo=UTC), np.arange(24) + 100, quality, known)
    header = PartHeader("dlv_1", default_zone="Europe/Rome", country="IT")
    take_readings(b"".join(FORMATS[form].encode([load, weeks], header)), handed_in_as)
    world.work()
    run = IngestRun.objects.get()
    assert (run.problem, run.rows, run.quarantined) == ("", 26, 2)
    assert {(row.rule, row.series) for row in QuarantinedRow.objects.all()} == {("V15", None)}
    assert all("P7D" in row.text for row in QuarantinedRow.objects.all())
    assert [one.resolution_s for one in Series.objects.all()] == [3600]
