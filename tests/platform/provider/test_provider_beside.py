"""Several series of one point and direction: hours until a day and quarter-hours from it on, registers beside a load
curve. Each day is told once, from one of them; and a resolution told by mistake is no new series."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from meterhall.domain.protocol.activations import Schedule
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import GroupOf, Manifest
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import MISSING
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.estimation import Method
from meterhall.formats import FORMATS
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.deliveries.schedules import run_schedules
from meterhall.provider.deliveries.service import live_parts, newest
from meterhall.provider.metering.completeness import completeness, late
from meterhall.provider.metering.estimate import estimate
from meterhall.provider.metering.models import IngestRun, QuarantinedRow, Series
from meterhall.provider.metering.own_data import own_rows
from meterhall.provider.metering.service import take_readings
from meterhall.provider.points.models import Point
from tests.platform.provider.conftest import HOLDER, REQUESTER, World
from tests.platform.provider.people import signed_in
from tests.platform.provider.test_provider_areas import activated as activated_over
from tests.platform.provider.test_provider_areas import ask, told
from tests.platform.provider.test_provider_feed import told as followed

pytestmark = pytest.mark.django_db
ROME = ZoneInfo("Europe/Rome")
BEFORE, CHANGE, AFTER = date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 30)
"""Hours on the first day, quarter-hours from the second on, which has 23 hours."""
DAYS = Period(first=BEFORE, until=AFTER)
SPRING = Period(first=date(2026, 1, 1), until=date(2026, 4, 1))
DAY = timedelta(days=1)


def around(wh: int, slots: int) -> list[int]:
    """Values of which no two that follow each other are alike, and each pair of them is twice `wh`."""
    return [wh + 1 - 2 * (place % 2) for place in range(slots)]


def rows(points: list[Point], first: date, until: date, step_s: int, wh: int) -> bytes:
    """A value in every slot of some civil days in Rome."""
    start, end = midnight(ROME, first), midnight(ROME, until)
    slots = int((end - start).total_seconds()) // step_s
    lines = [
        f"{point.pod},{(start + place * timedelta(seconds=step_s)).isoformat()},{value}"
        for point in points
        for place, value in enumerate(around(wh, slots))
    ]
    return "\n".join(["pod,start,energy_wh", *lines]).encode()


def taken(world: World, content: bytes | str, resolution: str) -> IngestRun:
    run = take_readings(content if isinstance(content, bytes) else content.encode(), resolution)
    world.work()
    return IngestRun.objects.get(pk=run.pk)


def by_day(world: World, points: list[Point], values: dict[str, int], resolution: str = "P1D") -> IngestRun:
    lines = [f"{point.pod},{day},{wh}" for point in points for day, wh in values.items()]
    return taken(world, "\n".join(["pod,start,energy_wh", *lines]), resolution)


def exchanged(world: World, points: list[Point]) -> None:
    """Hours of 400 Wh, then quarter-hours of 25 Wh; and what nobody shall be told: hours of the second day, a day."""
    assert taken(world, rows(points, BEFORE, AFTER, 3600, 400), "PT1H").quarantined == 0
    assert taken(world, rows(points, CHANGE, AFTER, 900, 25), "PT15M").quarantined == 0
    assert by_day(world, points, {str(CHANGE): 77}).quarantined == 0


def scope(*granularities: str) -> DataScope:
    return DataScope(granularities=granularities, period=SPRING)  # type: ignore[arg-type]


def values(delivery: Delivery) -> list[list[int | None]]:
    found = [one for part in live_parts(delivery) for one in FORMATS["csv"].decode((folder() / part.path).read_bytes())]
    return [[None if value == MISSING else value for value in curve.mantissas.tolist()] for curve in found]


def test_each_granularity_is_one_curve_of_what_is_there(world: World) -> None:
    points = world.points(1)
    exchanged(world, points)
    assert Series.objects.filter(point=points[0]).count() == 3
    activation = world.activated(points, scope("PT15M", "PT1H", "P1D", "P1M"))
    assert values(world.deliver(activation, period=DAYS, granularity="PT1H")) == [around(400, 24) + [100] * 23]
    assert values(world.deliver(activation, period=DAYS, granularity="P1D")) == [[9600, 2300]]
    quarters = world.deliver(activation, period=DAYS, granularity="PT15M")
    assert values(quarters) == [[None] * 96 + around(25, 92)]
    [part] = Manifest.model_validate(newest(quarters).manifest).parts
    assert (part.readings, part.missing) == (92, 96)


def test_a_month_is_the_sum_of_its_days_whichever_series_they_are_of(world: World) -> None:
    points = world.points(1)
    exchanged(world, points)
    by_day(world, points, {f"2026-03-{day:02}": 1000 for day in (*range(1, 28), 30, 31)})
    by_day(world, points, {"2026-02": 28_000, "2026-03": 1}, "P1M")
    activation = world.activated(points, scope("P1D", "P1M"))
    months = Period(first=date(2026, 2, 1), until=date(2026, 4, 1))
    assert values(world.deliver(activation, period=months, granularity="P1M")) == [[28_000, 29_000 + 9600 + 2300]]
    cut = Period(first=date(2026, 2, 15), until=date(2026, 3, 20))
    assert values(world.deliver(activation, period=cut, granularity="P1M")) == [[None, None]]


def test_of_a_group_each_point_counts_once(world: World) -> None:
    points = world.points(6, area="A")
    exchanged(world, points)
    by_day(world, points, {"2026-03-01": 5})
    asked = activated_over(world)
    manifest, told_ = told(ask(world, asked, GroupOf(area="A"), period=DAYS))
    assert told_["sum"] == [6 * wh for wh in around(400, 24)] + [6 * 100] * 23
    assert manifest.group is not None
    [month] = manifest.group.months
    assert (month.pods, month.values, month.expected) == (6, 6 * 47, 6 * 47)
    activation = world.activated(points, DataScope(kind="aggregate", granularities=("PT1H",), period=SPRING))
    delivery = world.deliver(activation, period=DAYS, granularity="PT1H", group=True)
    assert values(delivery) == [told_["sum"]]
    made = Manifest.model_validate(newest(delivery).manifest)
    assert made.group is not None
    assert (made.group_size, made.group.months[0].values) == (6, 6 * 47)


def test_only_a_change_of_what_is_told_is_told_and_corrected(world: World) -> None:
    points = world.points(1)
    exchanged(world, points)
    activation = world.activated(points, scope("PT1H", "P1D"))
    delivery = world.deliver(activation, period=DAYS, granularity="PT1H")
    first, cursor = followed(activation)
    assert sum(len(one.values) for one in first) == 47, "each slot once"
    assert {one.resolution for one in first} == {"PT1H"}
    by_start = {one.start + hour * timedelta(hours=1): value for one in first for hour, value in enumerate(one.values)}
    assert [by_start[at] for at in sorted(by_start)] == around(400, 24) + [100] * 23
    pod, noon = points[0].pod, f"{CHANGE}T12:00:00+02:00"
    assert taken(world, f"pod,start,energy_wh\n{pod},{noon},999", "PT1H").days_written == 1
    by_day(world, points, {str(CHANGE): 78})
    world.follow()
    delivery.refresh_from_db()
    assert delivery.version == 1
    nothing, later = followed(activation, cursor)
    assert nothing == []
    taken(world, rows(points, BEFORE, CHANGE, 3600, 410), "PT1H")
    world.follow()
    delivery.refresh_from_db()
    assert (delivery.version, values(delivery)) == (2, [around(410, 24) + [100] * 23])
    assert {value for one in followed(activation, later)[0] for value in one.values} == {409, 411}


def test_the_feed_tells_each_series_at_its_own_where_the_scope_has_it(world: World) -> None:
    points = world.points(1)
    exchanged(world, points)
    by_day(world, points, {"2026-03-27": 5, "2026-03-31": 6})
    by_day(world, points, {"2026-02": 28_000, "2026-03": 31_000}, "P1M")
    found, _ = followed(world.activated(points, scope("PT15M", "PT1H", "P1D", "P1M")))
    assert {(one.resolution, value) for one in found for value in one.values} == {
        ("PT15M", 24), ("PT15M", 26), ("PT1H", 399), ("PT1H", 401), ("P1D", 5), ("P1D", 6), ("P1M", 28_000)
    }  # fmt: skip
    assert sum(len(one.values) for one in found if one.resolution == "PT15M") == 92
    assert sum(len(one.values) for one in found if one.resolution == "PT1H") == 24
    for one in (one for one in found if one.edges is None):
        length = len(one.values) * timedelta(minutes=15 if one.resolution == "PT15M" else 60)
        assert one.start.date() == (one.start + length - timedelta(seconds=1)).date(), "none beyond its UTC day"


def test_a_day_that_a_finer_series_begins_is_told_anew_also_where_nothing_is_left_of_it(world: World) -> None:
    points = world.points(1)
    by_day(world, points, {"2026-03-28": 1, "2026-03-29": 2})
    activation = world.activated(points, scope("P1D"))
    [first], cursor = followed(activation)
    assert first.values == (1, 2)
    noon = f"{CHANGE}T12:00:00+02:00"
    pod = points[0].pod
    run = taken(world, f"pod,start,energy_wh\n{pod},{noon},4\n{pod},{CHANGE}T13:00:00+02:00,4", "PT1H")
    assert run.quarantined == 0
    [news], _ = followed(activation, cursor)
    assert (news.start, news.values) == (datetime(2026, 3, 28, 23, tzinfo=UTC), (None,))
    assert values(world.deliver(activation, period=DAYS, granularity="P1D")) == [[1, None]]


def test_a_month_the_consent_cuts_is_not_told_of_several_series_either(world: World) -> None:
    points = world.points(1)
    by_day(world, points, {"2026-01": 31_000, "2026-02": 28_000}, "P1M")
    by_day(world, points, {"2026-01-30": 5, "2026-02-10": 6})
    cut = Period(first=date(2026, 1, 2), until=date(2026, 4, 1))
    [only], _ = followed(world.activated(points, DataScope(granularities=("P1M",), period=cut)))
    assert only.values == (28_000,)


def test_what_can_be_had_is_what_any_series_gives(world: World) -> None:
    points = world.points(1)
    taken(world, rows(points, BEFORE, AFTER, 3600, 400), "PT1H")
    refused = world.activated(points, scope("PT15M", "PT1H"))
    assert [one.code for one in refused.items.all()] == ["granularity_unavailable"]
    taken(world, rows(points, CHANGE, AFTER, 900, 25), "PT15M")
    assert [one.state for one in world.activated(points, scope("PT15M", "PT1H")).items.all()] == ["accepted"]


def test_of_several_series_one_counts_as_complete(world: World) -> None:
    points = world.points(1)
    exchanged(world, points)
    counted = {one.day: (one.series, one.complete) for one in completeness(4)}
    assert counted[CHANGE] == (1, 1), "the quarter-hours are whole"
    assert counted[BEFORE] == (1, 1), "the quarter-hours had their first hour, in UTC, the day before"
    assert counted[AFTER] == (1, 0)
    [missed] = late(AFTER, 9)
    assert (str(missed.grain), missed.present, missed.expected) == ("PT15M", 0, 96)
    taken(world, rows(points, AFTER, AFTER + DAY, 3600, 1), "PT1H")
    assert late(AFTER, 9) == [], "hours fill the day on which there is no quarter-hour"
    noon = f"{AFTER}T12:00:00+02:00"
    taken(world, f"pod,start,energy_wh\n{points[0].pod},{noon},4", "PT15M")
    assert [(str(one.grain), one.present) for one in late(AFTER, 9)] == [("PT15M", 1)]
    assert "15 minutes" in signed_in("staff").get(f"/late/{AFTER}").content.decode()


def test_a_holder_has_each_day_once_at_the_resolution_it_was_measured(world: World) -> None:
    points = world.points(1)
    exchanged(world, points)
    by_day(world, points, {"2026-03-27": 5})
    by_day(world, points, {"2026-02": 28_000, "2026-03": 31_000}, "P1M")
    lines = "".join(own_rows(points[0].handle, HOLDER)[1]).split("\r\n")[1:-1]
    told_ = [(line.split(",")[0][:10], line.split(",")[1], line.split(",")[3]) for line in lines if line.split(",")[3]]
    assert {one: told_.count(one) for one in told_} == {
        ("2026-02-01", str(28 * 86_400), "28000"): 1,
        ("2026-03-27", "86400", "5"): 1,
        (str(BEFORE), "3600", "399"): 12,
        (str(BEFORE), "3600", "401"): 12,
        (str(CHANGE), "900", "24"): 46,
        (str(CHANGE), "900", "26"): 46,
    }


def test_a_schedule_waits_for_one_of_the_series_and_not_for_the_one_that_ended(world: World) -> None:
    world.clock.now = datetime(2026, 3, 30, 1, 0, tzinfo=UTC)
    points = world.points(1)
    taken(world, rows(points, BEFORE, CHANGE, 3600, 400), "PT1H")
    taken(world, rows(points, CHANGE, AFTER, 900, 25), "PT15M")
    wanted = scope("PT1H", "P1D")
    subscription = world.contract()
    consent = world.consent(points, subscription, scope=wanted)
    items = [(points[0].pod, f"consent:{consent.pk}")]
    world.activate(subscription, items, wanted, Schedule(every="P1D", format="csv", granularity="PT1H"))
    assert run_schedules() == 1
    assert Delivery.objects.get().first == CHANGE


def test_estimated_is_the_series_that_is_measured_then(world: World) -> None:
    points = world.points(1)
    taken(world, rows(points, date(2026, 3, 2), CHANGE, 3600, 400), "PT1H")
    taken(world, rows(points, AFTER, AFTER + DAY, 900, 25), "PT15M")
    first = estimate(points[0].pod, (BEFORE, CHANGE), Method.LINEAR, by="anna")
    later = estimate(points[0].pod, (AFTER, AFTER + DAY), Method.LINEAR, by="anna")
    assert (first.series.resolution_s, later.series.resolution_s) == (3600, 900)


@pytest.mark.parametrize(
    ("measured", "step_s", "said", "count"),
    [
        ("PT1H", 3600, "PT15M", 24),
        ("PT15M", 900, "PT1H", 96),
        ("PT30M", 1800, "PT1H", 48),
        ("PT15M", 900, "P1D", 96),
    ],
)
def test_a_resolution_told_by_mistake_is_no_series_of_its_own(
    world: World, measured: str, step_s: int, said: str, count: int
) -> None:
    points = world.points(1)
    assert taken(world, rows(points, BEFORE, CHANGE, step_s, 400), measured).quarantined == 0
    run = taken(world, rows(points, BEFORE, CHANGE, step_s, 401), said)
    assert (run.quarantined, run.days_written) == (count, 0)
    assert set(QuarantinedRow.objects.values_list("rule", flat=True)) <= {"V15", "V6"}
    assert Series.objects.exclude(first_day=None).count() == 1


def test_hours_told_as_quarter_hours_are_seen_of_a_new_point_too(world: World) -> None:
    points = world.points(3)
    run = taken(world, rows(points, BEFORE, CHANGE, 3600, 400), "PT15M")
    assert (run.quarantined, set(run.quarantine.values_list("rule", flat=True))) == (72, {"V15"})
    assert taken(world, rows(points, BEFORE, CHANGE, 3600, 400), "PT1H").quarantined == 0


def test_months_told_as_days_and_days_as_hours_are_set_aside(world: World) -> None:
    points = world.points(1)
    assert by_day(world, points, {"2026-01": 1, "2026-02": 2}, "P1M").quarantined == 0
    assert by_day(world, points, {"2026-01-01": 1, "2026-02-01": 2}, "P1D").quarantined == 2
    assert by_day(world, points, {"2026-01-30": 1}, "P1D").quarantined == 1, "one day alone may be a month"
    assert by_day(world, points, {"2026-01-30": 1, "2026-01-31": 1}, "P1D").quarantined == 0
    assert by_day(world, points, {"2026-02-01": 1}, "P1D").quarantined == 0, "once they are days, one is enough"


def test_registers_read_day_by_day_stand_beside_a_load_curve_from_the_first_on(world: World) -> None:
    points = world.points(1)
    taken(world, rows(points, BEFORE, CHANGE, 900, 25), "PT15M")
    assert by_day(world, points, {str(BEFORE): 5}).quarantined == 0
    requester = world.activated(points, scope("P1D"), requester=REQUESTER)
    assert values(world.deliver(requester, period=DAYS, granularity="P1D")) == [[2400, None]]


def test_the_page_of_a_point_has_each_series_with_its_resolution(world: World) -> None:
    points = world.points(1)
    exchanged(world, points)
    page = signed_in("staff").get(f"/points/{points[0].handle}").content.decode()
    assert all(words in page for words in ("15 minutes", "1 hour", "1 day"))
