"""Series of civil days and months: every format in, registers, release, completeness, groups, a holder's own file."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import GroupOf
from meterhall.domain.readings import (
    CIVIL_DAY,
    CIVIL_MONTH,
    MISSING,
    CivilCurve,
    CivilSeries,
    Granularity,
    LoadCurve,
)
from meterhall.domain.readings import Series as CurveSeries
from meterhall.domain.readings.estimation import Method
from meterhall.domain.readings.resampling import slot_edges
from meterhall.formats import FORMATS, PartHeader
from meterhall.lake import Lake
from meterhall.provider.metering.civil import curve_of, span
from meterhall.provider.metering.completeness import completeness, late
from meterhall.provider.metering.estimate import NotEstimated, estimate
from meterhall.provider.metering.intake import BadProfile, profile_of
from meterhall.provider.metering.models import IngestRun, QuarantinedRow, Series
from meterhall.provider.metering.own_data import own_rows
from meterhall.provider.metering.release import decide
from meterhall.provider.metering.service import lake, spec, take_readings
from meterhall.provider.metering.working import work_in
from tests.platform.provider.conftest import HOLDER, World
from tests.platform.provider.test_provider_areas import activated, ask, measured, told

pytestmark = pytest.mark.django_db
ROME = ZoneInfo("Europe/Rome")
FIRST, UNTIL = date(2026, 3, 28), date(2026, 3, 31)
"""The second of the three days has 23 hours."""
DAYS = [2400, 2300, 2401]


def kept(days: Period) -> dict[str, list[int]]:
    """The values of every series over civil days, by POD; - in front of exports."""
    found = {}
    for series in Series.objects.exclude(civil=""):
        blocks = list(lake().read([spec(series)], *span(days)))
        curve = curve_of(series, "", ROME, days, [days], blocks)
        found["-" * (series.direction == "export") + series.point.pod] = curve.mantissas.tolist()
    return found


def curve(pod: str, grain: Granularity, first: date, until: date, values: list[int]) -> CivilCurve:
    start, end = (datetime(one.year, one.month, one.day, tzinfo=ROME).astimezone(UTC) for one in (first, until))
    edges = slot_edges(grain, ROME, start, end)
    known = datetime(2026, 4, 1, tzinfo=UTC)
    quality = np.full(len(values), 17, np.uint8)
    return CivilCurve(CivilSeries(pod, grain), edges, np.array(values, np.int64), quality, known)


def arrow(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    return sink.getvalue()


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def files(pod: str) -> dict[str, bytes]:
    """The same three days in every format that is taken in."""
    dates = ["2026-03-28", "2026-03-29", "2026-03-30"]
    midnights = ["2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]
    rows = list(zip(dates, DAYS, strict=True))
    instants = pa.array([datetime.fromisoformat(one) for one in midnights], pa.timestamp("s", "UTC"))
    column = pa.array([date.fromisoformat(one) for one in dates])
    header = PartHeader("dlv_1", default_zone="Europe/Rome", country="IT")
    written = {form: FORMATS[form].encode([curve(pod, CIVIL_DAY, FIRST, UNTIL, DAYS)], header) for form in FORMATS}
    return {
        "csv": "\n".join(["pod,start,energy_wh", *(f"{pod},{day},{wh}" for day, wh in rows)]).encode(),
        "csv of instants": "\n".join(
            ["pod,start,energy_wh", *(f"{pod},{at},{wh}" for at, wh in zip(midnights, DAYS, strict=True))]
        ).encode(),
        "json lines": "\n".join(json.dumps({"pod": pod, "start": day, "energy_wh": wh}) for day, wh in rows).encode(),
        "json lines of days": json.dumps(
            {"pod": pod, "start": dates[0], "resolution": "P1D", "values": DAYS}
        ).encode(),
        "parquet": parquet(pa.table({"pod": [pod] * 3, "start": column, "energy_wh": DAYS})),
        "arrow": arrow(pa.table({"pod": [pod] * 3, "start": instants, "energy_wh": DAYS})),
        "parquet of midnights": parquet(
            pa.table({"pod": [pod] * 3, "start": column.cast(pa.timestamp("ns")), "energy_wh": DAYS})
        ),
        "espi": b"".join(written["espi"]),
        "cim": b"".join(written["cim"]),
    }  # fmt: skip


FORMS = (
    "csv",
    "csv of instants",
    "json lines",
    "json lines of days",
    "parquet",
    "parquet of midnights",
    "arrow",
    "espi",
    "cim",
)


@pytest.mark.parametrize("form", FORMS)
def test_civil_days_come_in_by_every_format(world: World, form: str) -> None:
    pod = world.points()[0].pod
    take_readings(files(pod)[form], "P1D")
    world.work()
    run = IngestRun.objects.get()
    assert (run.problem, run.quarantined) == ("", 0), list(QuarantinedRow.objects.values_list("rule", "sentence"))
    assert kept(Period(first=FIRST, until=UNTIL)) == {pod: DAYS}
    series = Series.objects.get()
    assert (series.civil, series.first_day, series.until_day) == ("P1D", FIRST, UNTIL)


def mixed(pod: str, form: str) -> bytes:
    """A day of hours, the half hours of another, and three civil days of one point, in one file."""
    known, quality = datetime(2026, 4, 1, tzinfo=UTC), np.full(24, 17, np.uint8)
    hours = LoadCurve(CurveSeries(pod, 3600), datetime(2026, 3, 1, tzinfo=UTC), np.arange(24) + 100, quality, known)
    halves = LoadCurve(CurveSeries(pod, 1800), datetime(2026, 3, 2, tzinfo=UTC), np.arange(24) + 50, quality, known)
    curves = [hours, halves, curve(pod, CIVIL_DAY, FIRST, UNTIL, DAYS)]
    return b"".join(FORMATS[form].encode(curves, PartHeader("dlv_1", default_zone="Europe/Rome", country="IT")))


@pytest.mark.parametrize("form", ["espi", "cim"])
@pytest.mark.parametrize("handed_in_as", ["PT1H", "PT30M", "P1D", "PT15M", ""])
def test_each_curve_of_a_file_is_taken_as_long_as_it_says_its_slots_are(
    world: World, form: str, handed_in_as: str
) -> None:
    pod = world.points()[0].pod
    take_readings(mixed(pod, form), handed_in_as)
    world.work()
    run = IngestRun.objects.get()
    assert (run.problem, run.rows, run.quarantined) == ("", 24 + 24 + 3, 0)
    assert kept(Period(first=FIRST, until=UNTIL)) == {pod: DAYS}
    found = {}
    for series in Series.objects.filter(civil=""):
        blocks = lake().read([spec(series)], datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))
        values = np.concatenate([block.mantissas for block in blocks])
        found[series.resolution_s] = values[values != MISSING].tolist()
    assert found == {3600: list(range(100, 124)), 1800: list(range(50, 74))}
    again = take_readings(mixed(pod, form), handed_in_as)
    assert again == run, "the same file is the same run"


def test_a_crash_between_the_resolutions_of_a_file_loses_and_doubles_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = world.points()[0].pod
    run, put, calls = take_readings(mixed(pod, "espi"), "PT1H"), type(lake()).put, list[str]()

    def dies(self: Lake, days: object, **more: Any) -> object:
        calls.append(more["transaction"][0])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return put(self, days, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(type(lake()), "put", dies)
    with pytest.raises(KeyboardInterrupt):
        work_in(run)
    assert IngestRun.objects.get().finished_at is None
    work_in(IngestRun.objects.get())
    assert calls == ["ingest", "ingest/PT30M", "ingest", "ingest/PT30M", "ingest/P1D"]
    run.refresh_from_db()
    assert (run.rows, run.quarantined, Series.objects.count()) == (51, 0, 3)
    assert kept(Period(first=FIRST, until=UNTIL)) == {pod: DAYS}
    assert {series.until_day for series in Series.objects.all()} == {date(2026, 3, 2), date(2026, 3, 3), UNTIL}


def test_rows_of_several_resolutions_that_are_set_aside_are_of_one_file(world: World) -> None:
    run = take_readings(mixed("IT001E00000000", "espi"), "PT15M")
    world.work()
    run.refresh_from_db()
    assert (run.rows, run.quarantined, run.problem) == (51, 51, "")
    rows = run.quarantine.order_by("row").values_list("row", "rule")
    assert list(rows) == [(number, "P1") for number in range(1, 52)]


@pytest.mark.parametrize("form", ["espi", "cim", "csv"])
def test_civil_months_come_in_and_one_that_is_not_over_is_set_aside(world: World, form: str) -> None:
    pod = world.points()[0].pod
    months = curve(pod, CIVIL_MONTH, date(2026, 2, 1), date(2026, 5, 1), [280, 310, 300])
    header = PartHeader("dlv_1", default_zone="Europe/Rome", country="IT")
    rows = f"pod,start,energy_wh\n{pod},2026-02,280\n{pod},2026-03-01,310\n{pod},2026-04,300"
    take_readings(rows.encode() if form == "csv" else b"".join(FORMATS[form].encode([months], header)), "P1M")
    world.work()
    assert [row.rule for row in QuarantinedRow.objects.all()] == ["V12"], "April is not over"
    assert kept(Period(first=date(2026, 2, 1), until=date(2026, 5, 1))) == {pod: [280, 310, MISSING]}
    assert Series.objects.get().until_day == date(2026, 4, 1)


def test_what_makes_no_sense_of_a_day_is_refused_with_a_code(world: World) -> None:
    for settings, field in (
        ({"resolution": "P1D", "columns": {"day": "d", "slot": "n"}}, "/columns"),
        ({"resolution": "PT1H", "columns": {"day": "d"}}, "/columns"),
    ):
        with pytest.raises(BadProfile) as refusal:
            profile_of(settings)
        assert refusal.value.field == field
    with pytest.raises(BadProfile):
        take_readings(b"pod,d,energy_wh\n", "PT1H", profile=profile_of({"columns": {"day": "d"}}))
    pod = world.points()[0].pod
    take_readings(files(pod)["csv"], "P1D")
    take_readings(json.dumps({"pod": pod, "start": "2026-03-28", "resolution": "P1M", "values": [1]}).encode(), "P1D")
    world.work()
    assert [row.rule for row in QuarantinedRow.objects.all()] == ["V15"]
    with pytest.raises(NotEstimated):
        estimate(pod, (FIRST, UNTIL), Method.LINEAR, by="test")


@pytest.mark.parametrize(
    ("head", "said", "day_format"),
    [("month", "2026-03", ""), ("month", "2026-03-01", ""), ("mes", "03/2026", "%m/%Y")],
)
def test_a_row_of_a_month_has_its_days_beside_each_other(world: World, head: str, said: str, day_format: str) -> None:
    pod = world.points()[0].pod
    settings = {"resolution": "P1D", "day_format": day_format, "columns": {"day": head, "values": "D{n}"}}
    columns = ",".join(f"D{number:02}" for number in range(1, 33))
    values = ",".join([*(str(2000 + number) for number in range(1, 32)), ""])
    take_readings(f"pod,{head},{columns}\n{pod},{said},{values}".encode(), "", profile=profile_of(settings))
    world.work()
    run = IngestRun.objects.get()
    assert (run.problem, run.rows, run.quarantined) == ("", 31, 0), "the empty column past its end is nothing"
    assert kept(Period(first=date(2026, 3, 1), until=date(2026, 4, 1))) == {pod: [2000 + day for day in range(1, 32)]}


def test_a_row_of_a_year_has_its_months_and_what_is_no_day_is_set_aside(world: World) -> None:
    monthly, daily = (point.pod for point in world.points(2))
    columns = {"day": "year", "values": "{n}"}
    file = pa.table({"pod": [monthly], "year": [2025], **{str(n): [100 * n] for n in range(1, 13)}})
    take_readings(parquet(file), "", profile=profile_of({"resolution": "P1M", "columns": columns}))
    rows = [f"{daily},2026-02,28,29", f"{daily},2026-01-02,1,1", f"{daily},nonsense,1,1"]
    profile = profile_of({"resolution": "P1D", "columns": columns | {"day": "month"}})
    take_readings("\n".join(["pod,month,28,29", *rows]).encode(), "", profile=profile)
    world.work()
    assert kept(Period(first=date(2025, 1, 1), until=date(2026, 1, 1)))[monthly] == [100 * n for n in range(1, 13)]
    assert kept(Period(first=date(2026, 2, 28), until=date(2026, 3, 1)))[daily] == [28]
    aside = QuarantinedRow.objects.order_by("row").values_list("row", "rule")
    assert list(aside) == [(1, "V13"), (2, "V13"), (2, "V13"), (3, "V13"), (3, "V13")], "2026 is no leap year"


def test_mean_power_counts_over_the_hours_that_really_pass(world: World) -> None:
    daily, monthly = (point.pod for point in world.points(2))
    rows = [f"{daily},{day},{kw}" for day, kw in (("2026-03-28", "0.1"), ("2026-03-29", "0.2"), ("2026-03-30", "0.3"))]
    take_readings("\n".join(["pod,start,energy_wh", *rows]).encode(), "", profile=profile_of(
        {"resolution": "P1D", "unit": "kW"}))  # fmt: skip
    months = f"pod,start,energy_wh\n{monthly},2026-02,10\n{monthly},2026-03,10"
    take_readings(months.encode(), "", profile=profile_of({"resolution": "P1M", "unit": "W"}))
    world.work()
    assert kept(Period(first=FIRST, until=UNTIL))[daily] == [2400, 4600, 7200]
    assert kept(Period(first=date(2026, 2, 1), until=date(2026, 4, 1)))[monthly] == [10 * 24 * 28, 10 * (24 * 31 - 1)]
    assert QuarantinedRow.objects.count() == 0


def test_a_week_of_equal_days_is_stuck_and_equal_months_are_not(world: World) -> None:
    moves, stands, monthly = (point.pod for point in world.points(3))
    rows = [f"{pod},2026-03-{day:02},2400" for pod, days in ((moves, 6), (stands, 7)) for day in range(1, days + 1)]
    take_readings("\n".join(["pod,start,energy_wh", *rows]).encode(), "P1D")
    months = [f"{monthly},2025-{month:02},90000" for month in range(1, 13)]
    take_readings("\n".join(["pod,start,energy_wh", *months]).encode(), "P1M")
    world.work()
    aside = QuarantinedRow.objects.values_list("series__point__pod", "rule")
    assert list(aside) == [(stands, "V11")] * 7


def test_a_line_of_values_without_a_start_or_with_half_a_date_is_set_aside(world: World) -> None:
    pod = world.points()[0].pod
    lines = [{"pod": pod, "values": [1]}, {"pod": pod, "start": "2026-03", "values": [1]}, {"pod": pod, "start": 3}]
    take_readings("\n".join(json.dumps(line) for line in lines).encode(), "P1D")
    world.work()
    assert IngestRun.objects.get().problem == ""
    assert sorted(row.rule for row in QuarantinedRow.objects.all()) == ["V13"] * 3


def test_a_line_of_values_in_other_slots_than_the_files_is_set_aside(world: World) -> None:
    pod = world.points()[0].pod
    line = {"pod": pod, "start": "2026-03-28T00:00:00Z", "resolution": "PT1H", "values": [1, 2]}
    take_readings(json.dumps(line).encode(), "PT15M")
    world.work()
    assert [row.rule for row in QuarantinedRow.objects.all()] == ["V15"]
    assert not Series.objects.exclude(first_day=None).exists()


def test_registers_read_at_midnights_are_differenced_also_over_a_month(world: World) -> None:
    pod, other = (point.pod for point in world.points(2))
    readings = [("2026-03-28", 900), ("2026-03-29", 950), ("2026-03-30", 20), ("2026-03-31", 10), ("2026-04-01", 11)]
    rows = ["pod,start,energy_wh", *(f"{pod},{at},{wh}" for at, wh in readings)]
    take_readings("\n".join(rows).encode(), "", profile=profile_of(
        {"resolution": "P1D", "registers": True, "rollover": "1000"}))  # fmt: skip
    months = f"pod,start,energy_wh\n{other},2026-01,5\n{other},2026-02,36\n{other},2026-03,64"
    take_readings(months.encode(), "P1M", profile=profile_of({"registers": True}))
    world.work()
    days, quarter = Period(first=FIRST, until=date(2026, 4, 1)), Period(first=date(2026, 1, 1), until=date(2026, 3, 1))
    assert kept(days)[pod] == [50, 70, MISSING, 1]
    assert kept(quarter)[other] == [31, 28]
    assert [(row.rule, row.start_s) for row in QuarantinedRow.objects.all()] == [
        ("V18", int(datetime(2026, 3, 29, 22, tzinfo=UTC).timestamp()))
    ]


def test_a_day_that_is_released_rests_under_its_own_date(world: World) -> None:
    pod = world.points()[0].pod
    rows = [f"{pod},2026-03-29,{wh}" for wh in (2300, 2301)]
    take_readings("\n".join(["pod,start,energy_wh", *rows]).encode(), "P1D")
    world.work()
    decide(IngestRun.objects.get(), releases=True, by="anna", rows=(2,))
    world.work()
    assert kept(Period(first=FIRST, until=UNTIL)) == {pod: [MISSING, 2301, MISSING]}
    assert (Series.objects.get().first_day, Series.objects.get().until_day) == (date(2026, 3, 29), date(2026, 3, 30))


def test_days_count_as_complete_each_and_months_on_their_last_day(world: World) -> None:
    daily, monthly, missed = world.points(3)
    take_readings(files(daily.pod)["csv"], "P1D")
    take_readings(f"pod,start,energy_wh\n{monthly.pod},2026-03,1\n{missed.pod},2026-02,1".encode(), "P1M")
    world.work()
    counted = {one.day.day: (one.series, one.complete) for one in completeness(4)}
    assert counted == {31: (3, 1), 30: (1, 1), 29: (1, 1), 28: (1, 1)}
    assert {(one.point.pk, one.present, one.expected) for one in late(date(2026, 3, 31), 9)} == {
        (daily.pk, 0, 1), (missed.pk, 0, 1)
    }  # fmt: skip


def test_a_holder_has_the_days_with_their_own_length(world: World) -> None:
    point = world.points()[0]
    take_readings(files(point.pod)["csv"], "P1D")
    world.work()
    lines = "".join(own_rows(point.handle, HOLDER)[1]).split("\r\n")
    assert lines[1:4] == [
        "2026-03-28T00:00:00+01:00,86400,import,2400,17", "2026-03-29T00:00:00+01:00,82800,import,2300,17",
        "2026-03-30T00:00:00+02:00,86400,import,2401,17",
    ]  # fmt: skip


def test_an_area_of_days_and_quarter_hours_is_summed_by_day_and_not_by_hour(world: World) -> None:
    points = world.points(6, area="A")
    measured(world, points[:5], [100] * 5)
    rows = [f"{points[5].pod},2026-03-0{day},{9500 + 100 * day}" for day in (1, 2, 3)]
    take_readings("\n".join(["pod,start,energy_wh", *rows]).encode(), "P1D")
    world.work()
    asked = activated(world)
    days = Period(first=date(2026, 3, 2), until=date(2026, 3, 4))
    _, values = told(ask(world, asked, GroupOf(area="A"), period=days, granularity="P1D"))
    assert values["sum"] == [5 * 24 * 406 + 9700, 5 * 24 * 406 + 9800]
    finer = ask(world, asked, GroupOf(area="A"), period=days, granularity="PT1H")
    assert (finer.state, finer.code) == ("refused", "granularity_unavailable")
