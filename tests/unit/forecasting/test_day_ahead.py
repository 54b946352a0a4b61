"""Day-ahead forecasts: which method makes one, what it is made from, days of 23 and 25 hours, when there is none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from meterhall.domain.forecasting import Forecast, Method, NoForecast, day_ahead, history_before
from meterhall.domain.readings import MISSING, Direction, LoadCurve, Quality, Series, midnight
from meterhall.provider.deliveries.learner import boosted

MADRID = ZoneInfo("Europe/Madrid")
HOUR = timedelta(hours=1)
Value = Callable[[datetime], float]


def curve(value: Value, day: date, *, days: int = 84, upto: date | None = None, step: timedelta = HOUR) -> LoadCurve:
    """What `value` says for each slot (of the local clock) of the days before the day before `day`."""
    period = history_before(day)
    start = midnight(MADRID, period.until - timedelta(days=days))
    end = midnight(MADRID, upto or period.until)
    slots = int((end - start) / step)
    local = [(start + number * step).astimezone(MADRID) for number in range(slots)]
    mantissas = np.array([round(value(one)) for one in local], np.int64)
    series = Series("one", int(step.total_seconds()))
    return LoadCurve(series, start, mantissas, np.zeros(slots, np.uint8), datetime(2026, 11, 1, tzinfo=UTC))


def by_week(at: datetime) -> float:
    """The same every week, another on each weekday."""
    return 100 * at.weekday() + at.hour


def noisy(at: datetime) -> float:
    """A day like any other, told apart by noise that is the same each time."""
    noise = np.random.default_rng(int(at.timestamp())).normal(0, 60)
    return max(300 + 200 * np.sin(at.hour / 24 * 2 * np.pi) + noise, 0)


def forecast(value: Value, day: date = date(2026, 11, 4), **how: object) -> Forecast:
    return day_ahead(curve(value, day, **how), MADRID, day, boosted)  # type: ignore[arg-type]


def test_what_repeats_each_week_is_forecast_by_the_week_before() -> None:
    made = forecast(by_week)
    assert made.method == Method.SAME_WEEKDAY
    assert made.curve.mantissas.tolist() == [200 + hour for hour in range(24)]
    assert (made.back_test.error, made.back_test.ratio) == (0, None)


def test_what_changed_this_week_is_forecast_by_the_last_known_day() -> None:
    made = forecast(lambda at: 500 if at.date() >= date(2026, 10, 22) else 100)
    assert made.method == Method.LAST_DAY
    assert set(made.curve.mantissas.tolist()) == {500}
    assert made.back_test.ratio is not None
    assert made.back_test.ratio < 1


def test_what_is_mostly_noise_is_learnt_and_beats_the_week_before() -> None:
    made = forecast(noisy)
    assert made.method == Method.GRADIENT_BOOSTING
    assert made.back_test.ratio is not None
    assert made.back_test.ratio < 0.85
    true = np.array([300 + 200 * np.sin(hour / 24 * 2 * np.pi) for hour in range(24)])
    assert np.abs(made.curve.mantissas - true).mean() < 30


@pytest.mark.parametrize("days", range(30, 60, 6))
def test_what_has_too_few_weeks_for_every_lag_is_learnt_all_the_same(days: int) -> None:
    made = forecast(noisy, days=days)
    assert made.back_test.ratio is not None
    assert made.back_test.ratio <= 1
    assert MISSING not in made.curve.mantissas.tolist()


def test_every_value_is_projected_and_the_same_again() -> None:
    one, other = forecast(noisy), forecast(noisy)
    assert one.curve.mantissas.tolist() == other.curve.mantissas.tolist()
    assert set(one.curve.quality.tolist()) == {Quality.PROJECTED}


def test_the_error_is_that_of_days_forecast_from_as_far_before() -> None:
    """Each day is ten more than the one before: from two days back the error is twenty, from a week back seventy."""
    first = date(2026, 1, 1).toordinal()
    made = forecast(lambda at: 10 * (at.date().toordinal() - first))
    assert made.method == Method.LAST_DAY
    assert (made.back_test.error, made.back_test.naive_error, made.back_test.days) == (20, 70, 14)
    period = made.back_test.period
    assert (period.first, period.until, made.known_until) == (date(2026, 10, 20), date(2026, 11, 3), date(2026, 11, 3))
    assert set(made.curve.mantissas.tolist()) == {10 * (date(2026, 11, 2).toordinal() - first)}


def test_readings_that_came_late_are_waited_for_a_week_at_most() -> None:
    day = date(2026, 11, 12)
    made = day_ahead(curve(by_week, day, upto=day - timedelta(days=6)), MADRID, day, boosted)
    assert made.known_until == day - timedelta(days=6)
    assert made.curve.mantissas.tolist() == [300 + hour for hour in range(24)]
    with pytest.raises(NoForecast) as refusal:
        day_ahead(curve(by_week, day, upto=day - timedelta(days=7)), MADRID, day, boosted)
    assert refusal.value.code == "history_too_old"


def test_two_weeks_are_enough_for_a_naive_forecast_and_less_is_too_short() -> None:
    day = date(2026, 11, 4)
    assert forecast(noisy, days=14).method != Method.GRADIENT_BOOSTING
    for days in (0, 1, 13):
        with pytest.raises(NoForecast) as refusal:
            forecast(noisy, day, days=days)
        assert refusal.value.code == "history_too_short"


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 10, 24), 24)]
)
@pytest.mark.parametrize("step", [HOUR, HOUR / 4])
def test_a_day_has_as_many_slots_as_its_clock_shows(day: date, hours: int, step: timedelta) -> None:
    made = day_ahead(curve(by_week, day, step=step), MADRID, day, boosted).curve
    assert (made.start, made.end) == (midnight(MADRID, day), midnight(MADRID, day + timedelta(days=1)))
    assert len(made) * step == hours * HOUR
    local = [(made.start + number * step).astimezone(MADRID) for number in range(len(made))]
    assert made.mantissas.tolist() == [by_week(one) for one in local]


@pytest.mark.parametrize(("changed", "hour"), [(date(2026, 3, 29), 2), (date(2026, 10, 25), 2)])
def test_a_clock_change_in_the_history_moves_no_hour(changed: date, hour: int) -> None:
    day = changed + timedelta(days=4)
    made = day_ahead(curve(by_week, day), MADRID, day, boosted).curve
    assert made.mantissas.tolist() == [100 * day.weekday() + one for one in range(24)]


def test_the_week_before_leaves_out_the_hour_that_never_came() -> None:
    """One week after the change in spring, the hour to repeat is the one that was skipped: nothing is invented."""
    day = date(2026, 4, 5)
    made = day_ahead(curve(by_week, day), MADRID, day, boosted)
    assert made.method == Method.SAME_WEEKDAY
    assert np.flatnonzero(made.curve.mantissas == MISSING).tolist() == [2]


def test_gaps_are_left_out_of_the_error_and_of_what_is_repeated() -> None:
    day = date(2026, 11, 4)
    with_gaps = curve(by_week, day)
    with_gaps.mantissas[5 - 24 * 6 :: 24] = MISSING  # an hour of each of the last six days
    with_gaps.mantissas[: 24 * 10] = MISSING
    made = day_ahead(with_gaps, MADRID, day, boosted)
    assert made.back_test.error == 0
    assert made.curve.mantissas.tolist().count(MISSING) == 1


def test_only_a_net_series_goes_below_zero() -> None:
    day = date(2026, 11, 4)
    falling = curve(lambda at: -50 - at.weekday(), day)
    net = LoadCurve(
        Series("net", 3600, Direction.NET), falling.start, falling.mantissas, falling.quality, falling.available_at
    )
    assert set(day_ahead(net, MADRID, day, boosted).curve.mantissas.tolist()) == {-52}
    assert set(day_ahead(falling, MADRID, day, boosted).curve.mantissas.tolist()) == {0}
