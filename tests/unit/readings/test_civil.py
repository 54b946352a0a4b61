import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.readings import UnknownZone, civil_days, civil_months, midnight, zone_of

EU_ZONES = ["Europe/Madrid", "Europe/Helsinki", "Europe/Lisbon", "Europe/Dublin", "Atlantic/Azores", "Atlantic/Canary"]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Madrid", date(2026, 3, 29), 23),
        ("Europe/Madrid", date(2026, 10, 25), 25),
        ("Europe/Madrid", date(2026, 7, 1), 24),
        ("Europe/Dublin", date(2026, 3, 29), 23),
        ("Atlantic/Azores", date(2026, 3, 29), 23),
        ("Atlantic/Azores", date(2026, 10, 25), 25),
    ],
)
def test_a_civil_day_has_23_24_or_25_hours(zone: str, day: date, hours: int) -> None:
    (period,) = civil_days(zone_of(zone), day, day + timedelta(days=1))
    assert period.duration == timedelta(hours=hours)
    assert period.slots(900) == 4 * hours


def test_a_day_starts_at_local_midnight() -> None:
    assert midnight(zone_of("Europe/Madrid"), date(2026, 7, 1)) == datetime(2026, 6, 30, 22, tzinfo=UTC)


def test_where_the_clock_skips_midnight_the_day_starts_after_it() -> None:
    assert midnight(zone_of("Atlantic/Azores"), date(2026, 3, 29)) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_where_midnight_comes_twice_the_day_starts_at_the_first() -> None:
    assert midnight(zone_of("Atlantic/Azores"), date(2026, 10, 25)) == datetime(2026, 10, 25, 0, tzinfo=UTC)


def test_months_are_whole() -> None:
    months = civil_months(zone_of("Europe/Madrid"), date(2028, 2, 10), date(2028, 3, 2))
    assert [month.first_day for month in months] == [date(2028, 2, 1), date(2028, 3, 1)]
    assert months[0].duration == timedelta(days=29)
    assert months[1].duration == timedelta(days=31, hours=-1)


@given(st.sampled_from(EU_ZONES), st.dates(date(1997, 1, 1), date(2037, 1, 1)), st.integers(1, 400))
def test_days_follow_each_other_without_gap_or_overlap(zone: str, first: date, count: int) -> None:
    days = civil_days(zone_of(zone), first, first + timedelta(days=count))
    assert len(days) == count
    assert all(a.end == b.start for a, b in itertools.pairwise(days))
    assert all(day.duration in (timedelta(hours=23), timedelta(hours=24), timedelta(hours=25)) for day in days)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd", "/etc/localtime"])
def test_refuses_an_unknown_zone(name: str) -> None:
    with pytest.raises(UnknownZone):
        zone_of(name)
