from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.readings import (
    CIVIL_DAY,
    CIVIL_MONTH,
    CIVIL_WEEK,
    HOUR,
    MISSING,
    QUARTER_HOUR,
    Granularity,
    GranularityUnavailable,
    LoadCurve,
    Quality,
    Series,
    resample,
)
from meterhall.domain.readings.resampling import SumOutOfRange, resample_civil

MADRID = ZoneInfo("Europe/Madrid")
KNOWN = datetime(2026, 6, 1, tzinfo=UTC)


def curve(values: list[int], *, start: datetime, step_s: int = 900, quality: list[int] | None = None) -> LoadCurve:
    codes = np.array(quality or [0] * len(values), np.uint8)
    return LoadCurve(Series("a", step_s), start, np.array(values, np.int64), codes, KNOWN)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_an_hour_is_the_sum_of_its_quarters() -> None:
    hourly = resample(curve([1, 2, 3, 4, 5, 6, 7, 8], start=at(2026, 1, 1)), HOUR, MADRID).load_curve()
    assert hourly.mantissas.tolist() == [10, 26]
    assert (hourly.start, hourly.series.resolution_s) == (at(2026, 1, 1), 3600)


def test_an_incomplete_sum_is_missing_with_its_completeness() -> None:
    hourly = resample(curve([1, 2, MISSING, 4, 5, 6, 7, 8], start=at(2026, 1, 1)), HOUR, MADRID)
    assert hourly.mantissas.tolist() == [MISSING, 26]
    assert hourly.completeness.tolist() == [0.75, 1.0]


def test_an_hour_the_curve_only_touches_is_missing() -> None:
    hourly = resample(curve([1, 2, 3, 4], start=at(2026, 1, 1, 0, 30)), HOUR, MADRID)
    assert hourly.mantissas.tolist() == [MISSING, MISSING]
    assert hourly.present.tolist() == [2, 2]


def test_the_same_granularity_changes_nothing() -> None:
    same = resample(curve([1, MISSING, 3], start=at(2026, 1, 1), quality=[0, 0, 8]), QUARTER_HOUR, MADRID).load_curve()
    assert same.mantissas.tolist() == [1, MISSING, 3]
    assert same.quality[[0, 2]].tolist() == [0, 8]


def test_quality_of_a_sum_is_that_of_its_parts_or_mixed() -> None:
    mixed = curve([1, 1, 1, 1] * 3, start=at(2026, 1, 1), quality=[8] * 4 + [0, 0, 8, 0] + [0] * 4)
    assert resample(mixed, HOUR, MADRID).quality.tolist() == [8, int(Quality.MIXED), 0]


@pytest.mark.parametrize(
    ("first", "hours"), [((2026, 3, 28, 23), 23), ((2026, 10, 24, 22), 25), ((2026, 6, 30, 22), 24)]
)
def test_a_civil_day_sums_its_own_hours(first: tuple[int, ...], hours: int) -> None:
    daily = resample(curve([1] * (4 * hours), start=at(*first)), CIVIL_DAY, MADRID)
    assert daily.mantissas.tolist() == [4 * hours]
    assert daily.expected.tolist() == [4 * hours]


@pytest.mark.parametrize(("monday", "hours"), [((2026, 3, 23), 167), ((2026, 10, 19), 169), ((2026, 6, 29), 168)])
@pytest.mark.parametrize("zone", [MADRID, ZoneInfo("Atlantic/Azores")])
def test_a_week_sums_the_hours_its_clock_shows(monday: tuple[int, int, int], hours: int, zone: ZoneInfo) -> None:
    start = datetime(*monday, tzinfo=zone).astimezone(UTC) - timedelta(days=9)
    values = [7 * n % 1000 for n in range(4 * 24 * 29)]
    by_week: dict[tuple[int, int], list[int]] = {}
    for place, value in enumerate(values):
        shown = (start + timedelta(minutes=15 * place)).astimezone(zone)
        by_week.setdefault(shown.isocalendar()[:2], []).append(value)
    expected = [sum(week) if len(week) >= 4 * 167 else MISSING for week in by_week.values()]
    weekly = resample(curve(values, start=start), CIVIL_WEEK, zone)
    assert weekly.mantissas.tolist() == expected
    week = int(np.searchsorted(weekly.edges, datetime(*monday, tzinfo=zone).timestamp()))
    assert (weekly.expected[week], np.diff(weekly.edges)[week]) == (4 * hours, 3600 * hours)
    assert (expected[0], expected[-1]) == (MISSING, MISSING), "of a week that is cut there is no sum"


@given(
    st.lists(st.one_of(st.just(MISSING), st.integers(-(10**9), 10**9)), max_size=24 * 40),
    st.integers(0, 24 * 700),
    st.sampled_from(["Europe/Madrid", "Europe/Lisbon", "Atlantic/Azores", "UTC"]),
)
def test_a_week_is_the_sum_of_its_seven_days(values: list[int], hour: int, zone: str) -> None:
    fine = curve(values, start=at(2026, 1, 1) + timedelta(hours=hour), step_s=3600)
    daily, weekly = (resample(fine, grain, ZoneInfo(zone)) for grain in (CIVIL_DAY, CIVIL_WEEK))
    for n, total in enumerate(weekly.mantissas.tolist()):
        inside = (daily.edges[:-1] >= weekly.edges[n]) & (daily.edges[:-1] < weekly.edges[n + 1])
        days = daily.mantissas[inside].tolist()
        assert total == (sum(days) if len(days) == 7 and MISSING not in days else MISSING)
        assert datetime.fromtimestamp(int(weekly.edges[n]), ZoneInfo(zone)).isoweekday() == 1
    again = resample_civil(daily.curve(), CIVIL_WEEK, ZoneInfo(zone)) if len(values) else weekly  # type: ignore[arg-type]
    assert again.mantissas.tolist() == weekly.mantissas.tolist()


def test_a_leap_february_has_29_days() -> None:
    monthly = resample(curve([1] * (29 * 24), start=at(2028, 1, 31, 23), step_s=3600), CIVIL_MONTH, MADRID)
    assert monthly.mantissas.tolist() == [29 * 24]


@pytest.mark.parametrize(
    ("step_s", "granularity", "zone"),
    [
        (3600, QUARTER_HOUR, "Europe/Madrid"),
        (600, QUARTER_HOUR, "Europe/Madrid"),
        (86_400, CIVIL_DAY, "Europe/Madrid"),
        (3600, CIVIL_DAY, "Asia/Kolkata"),
    ],
)
def test_refuses_what_is_not_a_whole_multiple(step_s: int, granularity: Granularity, zone: str) -> None:
    with pytest.raises(GranularityUnavailable) as refused:
        resample(curve([1] * 4, start=at(2026, 1, 1), step_s=step_s), granularity, ZoneInfo(zone))
    assert refused.value.code == "granularity_unavailable"


def test_civil_days_are_no_load_curve() -> None:
    with pytest.raises(GranularityUnavailable):
        resample(curve([1] * 96, start=at(2026, 1, 1)), CIVIL_DAY, MADRID).load_curve()


def test_a_sum_never_wraps() -> None:
    with pytest.raises(SumOutOfRange):
        resample(curve([2**62] * 4, start=at(2026, 1, 1)), HOUR, MADRID)


@given(
    st.lists(st.one_of(st.just(MISSING), st.integers(-(10**9), 10**9)), max_size=300),
    st.integers(0, 60_000),
    st.sampled_from([QUARTER_HOUR, HOUR, CIVIL_DAY, CIVIL_WEEK, CIVIL_MONTH]),
)
def test_resampling_counts_and_adds_every_value_once(values: list[int], quarter: int, granularity: Granularity) -> None:
    fine = curve(values, start=at(2026, 3, 1) + timedelta(minutes=15 * quarter))
    coarse = resample(fine, granularity, MADRID)
    assert int(coarse.present.sum()) == sum(value != MISSING for value in values)
    assert int(coarse.expected.sum()) >= len(values)
    for n, total in enumerate(coarse.mantissas.tolist()):
        inside = (fine.starts >= coarse.edges[n]) & (fine.starts < coarse.edges[n + 1])
        whole = np.count_nonzero(inside) == coarse.expected[n] and bool(fine.present[inside].all())
        assert total == (int(fine.mantissas[inside].sum()) if whole else MISSING)
