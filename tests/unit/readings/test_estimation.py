"""Estimates: each by its method, exactly what the method says, and never in the place of a value."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.readings.curves import MISSING, Quality
from meterhall.domain.readings.estimation import Method, from_like_days, from_profile, on_a_line
from meterhall.domain.readings.local_clock import ahead_of_utc

M, HOUR = MISSING, 3600
MADRID = ZoneInfo("Europe/Madrid")


def array(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_a_line_goes_over_short_holes_between_two_values() -> None:
    assert on_a_line(array(10, M, M, 40), 900).tolist() == [10, 20, 30, 40]
    assert on_a_line(array(10, M, 13, M), 900).tolist() == [10, 12, 13, M]
    assert on_a_line(array(M, 1, M), 900).tolist() == [M, 1, M]
    assert on_a_line(array(0, M, M, 3), HOUR).tolist() == [0, 1, 2, 3]
    assert on_a_line(array(0, M, M, M, 4), HOUR).tolist() == [0, M, M, M, 4], "longer than two hours"
    assert on_a_line(array(-4, M, -1), 900).tolist() == [-4, -2, -1]


def test_a_like_day_is_the_nearest_week_by_the_clock() -> None:
    first = int(datetime(2026, 3, 15, tzinfo=UTC).timestamp())
    starts = first + HOUR * np.arange(24 * 28)
    values = np.arange(len(starts), dtype=np.int64)
    hole = 24 * 14 + 8  # 29 March 08:00 UTC is 10:00 in summer; a week before, 10:00 was 09:00 UTC
    values[hole] = M
    assert from_like_days(values, starts, MADRID, HOUR)[hole] == 24 * 7 + 9
    values[24 * 7 + 9] = M
    made = from_like_days(values, starts, MADRID, HOUR)
    assert made[hole] == 24 * 21 + 8, "the week after comes next"
    assert made[24 * 7 + 9] == 9
    assert (made[values != M] == values[values != M]).all()


def test_nothing_is_taken_from_an_hour_that_the_clock_skips() -> None:
    first = int(datetime(2026, 3, 29, tzinfo=UTC).timestamp())
    starts = first + HOUR * np.arange(24 * 8)
    values = np.zeros(len(starts), np.int64)
    hole = 24 * 7  # 5 April 02:00 in Madrid; on 29 March there was no 02:00
    values[hole] = M
    assert from_like_days(values, starts, MADRID, HOUR)[hole] == M


def test_a_load_profile_gives_the_shape_and_the_values_the_height() -> None:
    assert from_profile(array(20, M, 60, M), array(1, 2, 3, M)).tolist() == [20, 40, 60, M]
    assert from_profile(array(M, M), array(1, 2)).tolist() == [M, M], "nothing says how high"
    assert from_profile(array(10, M), array(0, 2)).tolist() == [10, M]


@given(st.lists(st.one_of(st.just(M), st.integers(0, 10**12)), min_size=1, max_size=60))
def test_no_method_changes_what_is_there(given_values: list[int]) -> None:
    values = np.array(given_values, np.int64)
    starts = np.arange(len(values), dtype=np.int64) * HOUR
    there = values != M
    for made in (
        on_a_line(values, HOUR),
        from_like_days(values, starts, MADRID, HOUR),
        from_profile(values, np.ones(len(values), np.int64)),
    ):
        assert (made[there] == values[there]).all()


def test_each_method_has_a_quality_of_its_own() -> None:
    assert [method.quality for method in Method] == [
        Quality.ESTIMATED_INTERPOLATION, Quality.ESTIMATED_REFERENCE_DAY, Quality.DERIVED
    ]  # fmt: skip


def test_how_far_a_clock_is_ahead() -> None:
    at = array(*(int(datetime(2026, 3, 29, hour, tzinfo=UTC).timestamp()) for hour in (0, 1)))
    assert ahead_of_utc(at, MADRID).tolist() == [3600, 7200]
