"""Several series as one curve: which of them serves which day, over both clock changes, in every granularity."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.readings import CIVIL_DAY, CIVIL_MONTH, HOUR, MISSING, CivilCurve, CivilSeries, LoadCurve, Series
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.granularity import QUARTER_HOUR, Granularity, GranularityUnavailable
from meterhall.domain.readings.overlay import NOBODY, day_edges, overlaid, sources
from meterhall.domain.readings.resampling import slot_edges

ROME = ZoneInfo("Europe/Rome")
KNOWN = datetime(2026, 11, 1, tzinfo=UTC)
FIRST, UNTIL = date(2026, 10, 24), date(2026, 10, 27)
"""The second of the three days has 25 hours."""
START, END = midnight(ROME, FIRST), midnight(ROME, UNTIL)
HOURS = [24, 25, 24]


def timed(step_s: int, wh: int, days: list[int], scale: int = 0, known: datetime = KNOWN) -> LoadCurve:
    """A curve of equal values on some of the days, counted from 0; missing on the others."""
    slots = int((END - START).total_seconds()) // step_s
    values, bounds = np.full(slots, MISSING, np.int64), np.cumsum([0, *HOURS]) * 3600 // step_s
    for day in days:
        values[bounds[day] : bounds[day + 1]] = wh
    return LoadCurve(Series("m", step_s, scale=scale), START, values, np.full(slots, 17, np.uint8), known)


def civil(grain: Granularity, values: list[int], start: datetime = START, end: datetime = END) -> CivilCurve:
    edges = slot_edges(grain, ROME, start, end)
    quality = np.full(len(values), 8, np.uint8)
    return CivilCurve(CivilSeries("m", grain), edges, np.array(values, np.int64), quality, KNOWN)


def test_each_day_is_of_the_finest_that_has_a_value_and_nothing_is_added() -> None:
    quarters, hours, days = timed(900, 1, [1, 2]), timed(3600, 1000, [0, 1]), civil(CIVIL_DAY, [7, 7, 7])
    found = overlaid([quarters, hours], HOUR, ROME)
    assert found.mantissas.tolist() == [1000] * 24 + [4] * 25 + [4] * 24
    by_day = overlaid([quarters, hours, days], CIVIL_DAY, ROME)
    assert by_day.mantissas.tolist() == [24_000, 100, 96]
    assert by_day.quality.tolist() == [17, 17, 17]
    assert overlaid([quarters], QUARTER_HOUR, ROME) is quarters


def test_one_value_is_enough_for_a_day_and_what_it_lacks_is_missing() -> None:
    quarters, hours = timed(900, 1, []), timed(3600, 1000, [0, 1, 2])
    quarters.mantissas[4 * 30] = 5
    found = overlaid([quarters, hours], HOUR, ROME)
    assert found.mantissas.tolist() == [1000] * 24 + [MISSING] * 25 + [1000] * 24
    assert overlaid([quarters, hours, civil(CIVIL_DAY, [7, 7, 7])], CIVIL_DAY, ROME).mantissas.tolist() == [
        24_000, MISSING, 24_000
    ]  # fmt: skip


def test_a_month_is_the_sum_of_its_days_else_that_of_the_series_of_months() -> None:
    first, until = date(2026, 10, 1), date(2026, 12, 1)
    start, end = midnight(ROME, first), midnight(ROME, until)
    november = 30
    days = civil(CIVIL_DAY, [1] * 10 + [MISSING] * 21 + [2] * november, start, end)
    finer = LoadCurve(Series("m", 3600), start, np.full(24 * 61 + 1, MISSING), np.zeros(24 * 61 + 1, np.uint8), KNOWN)
    finer.mantissas[24 * 10 : 24 * 31 + 1] = 1
    months = civil(CIVIL_MONTH, [7000, 8000], start, end)
    whole = 10 + 24 * 21 + 1
    assert overlaid([finer, days], CIVIL_MONTH, ROME).mantissas.tolist() == [whole, 2 * november]
    assert overlaid([finer, days, months], CIVIL_MONTH, ROME).mantissas.tolist() == [whole, 2 * november]
    days.mantissas[0] = MISSING
    assert overlaid([finer, days], CIVIL_MONTH, ROME).mantissas.tolist() == [MISSING, 2 * november]
    assert overlaid([finer, days, months], CIVIL_MONTH, ROME).mantissas.tolist() == [7000, 2 * november]
    assert overlaid([months], CIVIL_MONTH, ROME) is months


def test_scales_are_brought_together_exactly_and_the_youngest_used_counts() -> None:
    later = KNOWN + timedelta(days=1)
    quarters, hours = timed(900, 25, [2], scale=-2), timed(3600, 3, [0], known=later)
    found = overlaid([quarters, hours], HOUR, ROME)
    assert found.series.scale == -2
    assert found.mantissas.tolist() == [300] * 24 + [MISSING] * 25 + [100] * 24
    assert found.available_at == later
    unused = overlaid([timed(900, 25, [0, 2]), hours], HOUR, ROME)
    assert unused.available_at == KNOWN, "what is not shown says nothing"


def test_curves_of_other_slots_are_not_laid_over_each_other() -> None:
    tokyo = midnight(ZoneInfo("Asia/Tokyo"), FIRST), midnight(ZoneInfo("Asia/Tokyo"), UNTIL)
    edges = slot_edges(CIVIL_DAY, ZoneInfo("Asia/Tokyo"), *tokyo)
    other = CivilCurve(CivilSeries("m", CIVIL_DAY), edges, np.array([1, 2, 3]), np.zeros(3, np.uint8), KNOWN)
    with pytest.raises(GranularityUnavailable):
        overlaid([timed(900, 1, [0]), other], CIVIL_DAY, ROME)


def test_a_month_has_its_value_on_all_its_days() -> None:
    days = day_edges(midnight(ROME, date(2026, 9, 30)), midnight(ROME, date(2026, 10, 3)), ROME)
    month = civil(CIVIL_MONTH, [5], midnight(ROME, date(2026, 10, 1)), midnight(ROME, date(2026, 11, 1)))
    assert sources([month], days).tolist() == [NOBODY, 0, 0]


@given(st.lists(st.sets(st.sampled_from([0, 1, 2])), min_size=3, max_size=3))
def test_the_sum_is_that_of_one_series_a_day(having: list[set[int]]) -> None:
    finest, middle, coarse = having
    curves = [timed(900, 1, sorted(finest)), timed(1800, 100, sorted(middle)), timed(3600, 10_000, sorted(coarse))]
    expected = [
        4 * hours if day in finest else 200 * hours if day in middle else 10_000 * hours if day in coarse else MISSING
        for day, hours in enumerate(HOURS)
    ]
    assert overlaid(curves, CIVIL_DAY, ROME).mantissas.tolist() == expected
    hourly = overlaid(curves, HOUR, ROME)
    assert int(hourly.mantissas[hourly.present].sum()) == sum(one for one in expected if one != MISSING)
