"""What the lake holds of a point, as it is known now or was known then: every series as it was measured."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import Field

from meterhall.domain.errors import InvalidInput
from meterhall.domain.market import PeriodEmpty
from meterhall.domain.protocol.base import Instant, Message, Period
from meterhall.domain.readings import MISSING, Direction
from meterhall.domain.readings.amounts import decimal_text
from meterhall.domain.readings.civil import in_time, midnight
from meterhall.provider.metering.civil import curve_of, span
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, spec
from meterhall.provider.points.models import Point

MOST_DAYS = 31
Told = tuple[datetime, int, int]
"""Where a slot begins, its mantissa in the scale of the series, the ESPI code of its quality."""


class DaysAsked(Message):
    """Civil days of a point, as parameters of the address; at most 31."""

    first: date = Field(alias="from", description="The first civil day in the point's zone.")
    until: date = Field(description="The day after the last one.")
    known_at: Instant | None = Field(
        None, description="As it was known at this instant (RFC 3339, with its offset); absent: as it is known now."
    )


class PointValue(Message):
    """A value of a slot; a slot without one is left out."""

    start: Instant
    energy_wh: str = Field(description="An exact decimal.")
    quality: int = Field(description="The ESPI code of the value's quality.")


class PointSeries(Message):
    """A series of the point on these days."""

    direction: Direction
    resolution: str = Field(description="How long its slots are: PT15M, PT1H, P1D, …")
    values: tuple[PointValue, ...]


def held_values(point: Point, asked: DaysAsked) -> tuple[PointSeries, ...]:
    """Every series of the point on the days asked for, also those of which another is told to requesters.

    Raises `PeriodEmpty` and `InvalidInput`.
    """
    if asked.until <= asked.first:
        raise PeriodEmpty(field="/until")
    if not in_time(asked.first, asked.until):
        raise InvalidInput("There are readings of the years 1970 to 2199.", field="/from")
    if (asked.until - asked.first).days > MOST_DAYS:
        raise InvalidInput(f"{MOST_DAYS} days are told at a time.", field="/until")
    days, zone = Period(first=asked.first, until=asked.until), ZoneInfo(point.zone)
    found = point.series.exclude(first_day=None).order_by("direction", "civil", "resolution_s")
    return tuple(_view(one, _told(one, days, zone, asked.known_at)) for one in found)


def _view(series: Series, told: Iterator[Told]) -> PointSeries:
    values = tuple(
        PointValue(start=at, energy_wh=decimal_text(value, series.scale), quality=code)
        for at, value, code in told
        if value != MISSING
    )
    return PointSeries(direction=Direction(series.direction), resolution=str(series.grain), values=values)


def _told(series: Series, days: Period, zone: ZoneInfo, known_at: datetime | None) -> Iterator[Told]:
    if series.civil:
        blocks = list(lake().read([spec(series)], *span(days), as_known_at=known_at))
        curve = curve_of(series, "", zone, days, [days], blocks)
        starts = (datetime.fromtimestamp(start, UTC) for start in curve.starts.tolist())
        yield from zip(starts, curve.mantissas.tolist(), curve.quality.tolist(), strict=True)
        return
    step = series.resolution_s
    start, end = (int(midnight(zone, day).timestamp()) for day in (days.first, days.until))
    first, last = (datetime.fromtimestamp(edge, UTC) for edge in (-(-start // step) * step, -(-end // step) * step))
    for block in lake().read([spec(series)], first, last, as_known_at=known_at):
        starts = (block.start + slot * timedelta(seconds=step) for slot in range(len(block.mantissas)))
        yield from zip(starts, block.mantissas.tolist(), block.quality.tolist(), strict=True)
