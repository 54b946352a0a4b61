"""Charts: a gap is a gap, the clock change is right, and a year stays small."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from meterhall.domain.readings.curves import MISSING, LoadCurve, Quality, Series
from meterhall.web.portal.charts import Line, SlaBar, completeness_strip, heatmap, load_curve_chart, sla_bars
from meterhall.web.portal.charts.heatmap import NO_HOUR, heat_rows, hourly_power
from meterhall.web.portal.charts.parts import Chart, clock_changes, nice_ticks, time_ticks

BRUSSELS = ZoneInfo("Europe/Brussels")
SPRING = datetime(2026, 3, 28, 23, tzinfo=UTC)  # 29 March 00:00 in Brussels, a day of 23 hours
AUTUMN = datetime(2026, 10, 24, 22, tzinfo=UTC)  # 25 October 00:00 in Brussels, a day of 25 hours


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def line(start: datetime, values: list[float], step_s: int = 900, estimated: tuple[int, ...] = ()) -> Line:
    edges = int(start.timestamp()) + step_s * np.arange(len(values) + 1, dtype=np.int64)
    marks = np.isin(np.arange(len(values)), estimated)
    return Line("meter", edges, np.array(values, dtype=float), marks)


def paths(chart: Chart, css: str) -> list[str]:
    tree = etree.fromstring(str(chart.svg))
    return [node.get("d") for node in tree.iter("path") if node.get("class") == css]


def texts(chart: Chart) -> list[str]:
    return ["".join(node.itertext()) for node in etree.fromstring(str(chart.svg)).iter("text")]


def test_a_gap_is_left_open_and_shaded():
    whole = load_curve_chart([line(SPRING, [100.0] * 40)], BRUSSELS, "t")
    broken = load_curve_chart([line(SPRING, [100.0] * 10 + [np.nan] * 5 + [100.0] * 25)], BRUSSELS, "t")
    assert paths(whole, "c-line c-s1")[0].count("M") == 1
    assert paths(broken, "c-line c-s1")[0].count("M") == 2
    assert not paths(whole, "c-gap")
    assert paths(broken, "c-gap")[0].count("M") == 1


def test_zero_is_drawn_and_is_no_gap():
    chart = load_curve_chart([line(SPRING, [0.0] * 40)], BRUSSELS, "t")
    assert paths(chart, "c-line c-s1") == ["M64 262H868"]
    assert "missing" not in chart.summary


def test_one_missing_value_of_a_year_is_seen():
    values = [100.0] * 35_040
    values[20_000] = np.nan
    chart = load_curve_chart([line(datetime(2026, 1, 1, tzinfo=UTC), values)], BRUSSELS, "t")
    assert paths(chart, "c-gap")[0].count("M") == 1
    assert "1 of 35,040 values missing" in chart.summary


def test_estimated_values_are_drawn_apart_and_join_the_line():
    chart = load_curve_chart([line(SPRING, [100.0, 200.0, 300.0, 100.0], estimated=(1, 2))], BRUSSELS, "t")
    (measured,), (estimated,) = paths(chart, "c-line c-s1"), paths(chart, "c-line c-s1 c-estimated")
    assert measured.count("M") == 2
    first_end = re.match(r"M[\d.]+ ([\d.]+)H([\d.]+)", measured)
    assert first_end
    assert estimated.startswith(f"M{first_end[2]} {first_end[1]}V")


def test_the_quality_of_a_curve_says_what_is_estimated():
    quality = np.array([Quality.VALID, Quality.ESTIMATED_INTERPOLATION, Quality.VALID], dtype=np.uint8)
    curve = LoadCurve(Series("p", 900, scale=-1), SPRING, np.array([10, 20, MISSING]), quality, SPRING)
    shown = Line.of_curve("p", curve)
    assert shown.estimated.tolist() == [False, True, False]
    assert shown.energies_wh[:2].tolist() == [1.0, 2.0]
    assert np.isnan(shown.energies_wh[2])


def test_a_year_of_quarter_hours_stays_under_20_kb_and_keeps_its_peak():
    values = np.random.default_rng(1).gamma(2.0, 100.0, 35_040)
    values[12_345] = 9_000.0
    chart = load_curve_chart([line(datetime(2025, 12, 31, 23, tzinfo=UTC), list(values))], BRUSSELS, "t")
    assert len(chart.svg.encode()) < 20_000
    d = paths(chart, "c-line c-s1")[0]
    assert min(float(y) for y in re.findall(r"[V ](\d+(?:\.\d)?)", d)) == pytest.approx(30 + 232 / 10, abs=1)


@pytest.mark.parametrize(
    ("start", "hours", "there", "not_there", "words"),
    [
        (SPRING, 23, ["01:00", "03:00"], "02:00", "clock 02:00 → 03:00"),
        (AUTUMN, 25, ["01:00", "02:00", "03:00"], "", "clock 03:00 → 02:00"),
    ],
)
def test_the_clock_change_is_marked_and_the_hours_are_the_zone_s(start, hours, there, not_there, words):
    chart = load_curve_chart([line(start, [100.0] * hours * 4)], BRUSSELS, "t")
    assert words in texts(chart)
    labels = [
        tick.label.split("\n")[0] for tick in time_ticks(start, start.replace(hour=7, day=start.day + 1), BRUSSELS)
    ]
    assert set(there) <= set(labels)
    assert not_there not in labels
    assert labels.count("02:00") == (0 if not_there else 2)


def test_the_repeated_hour_is_told_apart_in_the_table():
    chart = load_curve_chart([line(AUTUMN, [100.0] * 25, 3600)], BRUSSELS, "t")
    assert chart.table is not None
    starts = [row[0].value for row in chart.table.rows]
    assert len(set(starts)) == 25
    assert "25 Oct 2026 02:00 CEST" in starts
    assert "25 Oct 2026 02:00 CET" in starts


def test_an_incomplete_day_has_no_sum_in_the_table():
    values = [250.0] * 96 * 3
    values[100] = np.nan
    chart = load_curve_chart([line(datetime(2026, 1, 4, 23, tzinfo=UTC), values)], BRUSSELS, "t")
    assert chart.table is not None
    assert [[cell.value for cell in row][1:] for row in chart.table.rows] == [
        ["24", "96 / 96"], [None, "95 / 96"], ["24", "96 / 96"],
    ]  # fmt: skip


def test_nothing_at_all_is_said_in_words():
    assert load_curve_chart([line(SPRING, [])], BRUSSELS, "t").summary == "There is no data for this period."
    assert load_curve_chart([line(SPRING, [np.nan] * 4)], BRUSSELS, "t", power=True).svg


def test_the_title_cannot_break_out():
    chart = load_curve_chart([line(SPRING, [1.0])], BRUSSELS, '"><script>alert(1)</script>')
    assert "<script" not in chart.svg


def test_no_chart_has_an_inline_style():
    one = line(SPRING, [100.0, np.nan] * 46)
    charts = [
        load_curve_chart([one], BRUSSELS, "t"), heatmap(one, BRUSSELS, "t"),
        completeness_strip([("p", np.array([1.0, 0.5, 0.0, np.nan]))], date(2026, 1, 1), BRUSSELS, "t"),
        sla_bars([SlaBar("x", 0.9, 0.99), SlaBar("y", None, 0.5)], "t"),
    ]  # fmt: skip
    for chart in charts:
        etree.fromstring(str(chart.svg))
        assert "style" not in chart.svg
        assert chart.table is not None
        assert chart.summary


def test_the_heat_map_knows_the_hour_that_is_not_and_the_hour_that_is_twice():
    spring = hourly_power(line(SPRING, [250.0] * 92), BRUSSELS)
    assert spring.shape == (1, 24)
    assert spring[0, 2] == NO_HOUR
    assert spring[0, 3] == 1000.0
    autumn = hourly_power(line(AUTUMN, [250.0] * 8 + [500.0] * 4 + [750.0] * 4 + [250.0] * 84), BRUSSELS)
    assert autumn[0, 2] == 2500.0


def test_the_file_of_the_hours_leaves_out_the_hour_that_is_not():
    rows = heat_rows(line(SPRING, [250.0] * 92), BRUSSELS)
    assert len(rows) == 23
    assert rows[1] == (date(2026, 3, 29), "01:00", 1000.0)
    assert "02:00" not in [hour for _day, hour, _power in rows]


def test_nothing_measured_is_said_and_not_called_kept():
    assert heatmap(line(SPRING, [np.nan] * 92), BRUSSELS, "t").summary == "No hour has a value."
    assert sla_bars([SlaBar("x", None, 1.0)], "t").summary == "Nothing has come due yet."
    assert sla_bars([SlaBar("x", None, 1.0), SlaBar("y", 0.9, 1.0)], "t").summary == "1 of 1 promises broken."


def test_an_hour_with_a_missing_quarter_has_no_value():
    values = [250.0] * 92
    values[1] = np.nan
    assert np.isnan(hourly_power(line(SPRING, values), BRUSSELS)[0, 0])


def test_the_strip_counts_days_and_shows_the_states_by_height():
    chart = completeness_strip(
        [("a", np.ones(4)), ("b", np.array([1.0, 0.5, 0.0, np.nan]))], date(2026, 1, 1), BRUSSELS, "t"
    )
    assert chart.summary.startswith("1 of 2 points complete; 5 days complete, 1 in part, 1 missing")
    assert chart.table is not None
    assert [[cell.value for cell in row] for row in chart.table.rows] == [
        ["a", date(2026, 1, 1), date(2026, 1, 4), "complete", 4, "100 %"],
        ["b", date(2026, 1, 1), date(2026, 1, 1), "complete", 1, "100 %"],
        ["b", date(2026, 1, 2), date(2026, 1, 2), "in part", 1, "50 %"],
        ["b", date(2026, 1, 3), date(2026, 1, 3), "missing", 1, "0 %"],
        ["b", date(2026, 1, 4), date(2026, 1, 4), "not due", 1, None],
    ]
    heights = {css: re.search(r"v(\d+)", paths(chart, css)[0])[1] for css in ("c-full", "c-part", "c-missing")}
    assert len(set(heights.values())) == 3


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_ticks_are_few_even_and_cover(low, span):
    ticks = nice_ticks(low, low + span)
    assert 2 <= len(ticks) <= 8
    assert len(set(ticks)) == len(ticks)
    unseen = max(abs(low), abs(low + span), 1) * 1e-6
    assert ticks[0] <= low + unseen
    assert ticks[-1] >= low + span - unseen


def test_the_instant_of_the_change_is_exact():
    found = clock_changes(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), BRUSSELS)
    assert [at for at, _words in found] == [
        datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC),
    ]  # fmt: skip
