"""Days and periods as an engineer names them, made what messages have."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from meterhall.domain.errors import InvalidInput
from meterhall.domain.pods.zones import zones_of_country
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope

PeriodLike = Period | tuple[date | str, date | str]
USUAL_ZONE = "Europe/Brussels"


class NoPeriod(InvalidInput):
    code = "no_period"
    title = "Name a period, as (first day, day after the last)."


class BadDay(InvalidInput):
    code = "bad_day"
    title = "A day is written YYYY-MM-DD: 2027-05-24."


def period_of(given: PeriodLike | None, scope: DataScope) -> Period:
    """The period meant; where none is given the scope's. Raises `NoPeriod`, `BadDay`."""
    if given is not None:
        return as_period(given)
    if scope.period is None:
        raise NoPeriod(field="/period")
    return scope.period


def as_period(given: PeriodLike) -> Period:
    """The period as messages have it. Raises `NoPeriod` where a day is left out or the last comes first, `BadDay`."""
    if isinstance(given, Period):
        return given
    first, until = as_day(given[0], "/period/from"), as_day(given[1], "/period/until")
    if first is None or until is None:
        missing = "from, the first day" if first is None else "until, the day after the last"
        raise NoPeriod(f"A period has both ends; {missing}, is not said.", field="/period")
    if not first < until:
        raise NoPeriod(f"The period is empty: it begins on {first} and ends before {until}.", field="/period")
    return Period(first=first, until=until)


def as_day(given: date | str, field: str) -> date | None:
    """The day meant; None of an empty text. Raises `BadDay`."""
    if not isinstance(given, str) or not given:
        return given or None
    try:
        return date.fromisoformat(given)
    except ValueError:
        name = field.rpartition("/")[2]
        said = f"{given[:40]!r} is no day of the calendar: {name} is written YYYY-MM-DD, as 2027-05-24."
        raise BadDay(said, field=field) from None


def day_ahead(given: date | str | None, country: str) -> Period:
    """That day alone; where none is given the day after today in the country's first zone. Raises `BadDay`."""
    day = None if given is None else as_day(given, "/day")
    if day is None:
        zone = next(iter(zones_of_country(country)), USUAL_ZONE)
        day = datetime.now(UTC).astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
    return Period(first=day, until=day + timedelta(days=1))
