from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from meterhall.domain.readings import CIVIL_DAY, CIVIL_MONTH, CIVIL_WEEK, HOUR, MISSING, CivilCurve, CivilSeries
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.civil_numbers import days_around, edges_of, first_days, numbers_of, numbers_on, starts_of
from meterhall.domain.readings.days import EPOCH_DAY
from meterhall.domain.readings.granularity import Granularity, GranularityUnavailable
from meterhall.domain.readings.resampling import resample_civil

ROME, AZORES = ZoneInfo("Europe/Rome"), ZoneInfo("Atlantic/Azores")


def number(day: date) -> int:
    return (day - EPOCH_DAY).days


def seconds(*text: str) -> np.ndarray:
    return np.array([int(datetime.fromisoformat(one).timestamp()) for one in text], np.int64)


@pytest.mark.parametrize("zone", [ROME, AZORES, ZoneInfo("UTC"), ZoneInfo("Europe/Athens")])
@pytest.mark.parametrize("grain", [CIVIL_DAY, CIVIL_WEEK, CIVIL_MONTH])
def test_a_number_and_its_first_instant_name_each_other(zone: ZoneInfo, grain: Granularity) -> None:
    numbers = numbers_on(grain, np.arange(number(date(2025, 1, 1)), number(date(2027, 1, 1)), dtype=np.int64))
    starts = starts_of(grain, zone, numbers)
    again, begins = numbers_of(grain, zone, starts)
    assert begins.all()
    assert (again == numbers).all()
    later, no_longer = numbers_of(grain, zone, starts + 1)
    assert (later == numbers).all()
    assert not no_longer.any()
    assert (numbers_of(grain, zone, starts - 1)[0] == numbers - 1).all()


def test_days_of_the_clock_changes_have_their_length() -> None:
    spring, autumn = number(date(2026, 3, 29)), number(date(2026, 10, 25))
    for zone in (ROME, AZORES):  # in the Azores midnight itself is skipped, and comes twice
        lengths = [np.diff(edges_of(CIVIL_DAY, zone, day, day + 1)).tolist()[0] for day in (spring, autumn)]
        assert lengths == [23 * 3600, 25 * 3600]
    october = int(numbers_on(CIVIL_MONTH, np.array([autumn]))[0])
    assert np.diff(edges_of(CIVIL_MONTH, ROME, october, october + 1)).tolist() == [(31 * 24 + 1) * 3600]
    assert first_days(CIVIL_MONTH, np.array([october])).tolist() == [number(date(2026, 10, 1))]


def test_weeks_are_those_of_iso_8601() -> None:
    for day in (date(1969, 12, 28) + timedelta(days=place) for place in range(0, 40_000, 5)):
        monday = date.fromisocalendar(*day.isocalendar()[:2], 1)
        assert days_around(CIVIL_WEEK, day) == (monday, monday + timedelta(days=7))
    assert days_around(CIVIL_MONTH, date(2026, 12, 31)) == (date(2026, 12, 1), date(2027, 1, 1))
    assert days_around(CIVIL_DAY, date(2026, 12, 31)) == (date(2026, 12, 31), date(2027, 1, 1))


def test_an_instant_beyond_the_calendar_is_of_no_period() -> None:
    numbers, begins = numbers_of(CIVIL_DAY, ROME, np.array([2**61, -(2**61)]))
    assert (numbers.tolist(), begins.tolist()) == ([0, 0], [False, False])


def days(first: date, until: date, zone: ZoneInfo = ROME) -> CivilCurve:
    edges = edges_of(CIVIL_DAY, zone, number(first), number(until))
    count = len(edges) - 1
    values, quality = np.arange(1, count + 1, dtype=np.int64), np.full(count, 17, np.uint8)
    return CivilCurve(CivilSeries("p", CIVIL_DAY), edges, values, quality, datetime(2026, 12, 1, tzinfo=UTC))


def test_days_are_summed_over_the_months_they_fill() -> None:
    found = resample_civil(days(date(2026, 9, 30), date(2026, 12, 1)), CIVIL_MONTH, ROME)
    assert found.edges.tolist() == [
        int(midnight(ROME, date(2026, month, 1)).timestamp()) for month in (9, 10, 11, 12)
    ]  # fmt: skip
    assert found.mantissas.tolist() == [MISSING, sum(range(2, 33)), sum(range(33, 63))]
    curve = days(date(2026, 10, 1), date(2026, 11, 1))
    curve.mantissas[5], curve.quality[7] = MISSING, 8
    assert resample_civil(curve, CIVIL_MONTH, ROME).mantissas.tolist() == [MISSING]
    curve.mantissas[5] = 6
    found = resample_civil(curve, CIVIL_MONTH, ROME)
    assert (found.mantissas.tolist(), found.quality.tolist()) == ([sum(range(1, 32))], [13])


def test_days_are_summed_over_the_weeks_they_fill() -> None:
    curve = days(date(2026, 10, 14), date(2026, 11, 4))  # from a Wednesday to a Tuesday
    found = resample_civil(curve, CIVIL_WEEK, ROME)
    mondays = [date(2026, 10, 12), date(2026, 10, 19), date(2026, 10, 26), date(2026, 11, 2), date(2026, 11, 9)]
    assert found.edges.tolist() == [int(midnight(ROME, monday).timestamp()) for monday in mondays]
    assert np.diff(found.edges).tolist() == [168 * 3600, 169 * 3600, 168 * 3600, 168 * 3600]
    assert found.mantissas.tolist() == [MISSING, sum(range(6, 13)), sum(range(13, 20)), MISSING]
    curve.mantissas[8], curve.quality[14] = MISSING, 8
    found = resample_civil(curve, CIVIL_WEEK, ROME)
    assert (found.mantissas.tolist()[1:3], found.quality.tolist()[2]) == ([MISSING, sum(range(13, 20))], 13)


def test_nothing_finer_is_made_of_days_or_months() -> None:
    curve = days(date(2026, 10, 1), date(2026, 11, 1))
    assert resample_civil(curve, CIVIL_DAY, ROME) is curve
    months = resample_civil(curve, CIVIL_MONTH, ROME)
    weeks = resample_civil(curve, CIVIL_WEEK, ROME)
    of_months = ((months, wanted) for wanted in (HOUR, CIVIL_DAY, CIVIL_WEEK))
    of_weeks = ((weeks, wanted) for wanted in (HOUR, CIVIL_DAY, CIVIL_MONTH))
    for held, wanted in ((curve, HOUR), *of_months, *of_weeks):
        with pytest.raises(GranularityUnavailable):
            resample_civil(held, wanted, ROME)
