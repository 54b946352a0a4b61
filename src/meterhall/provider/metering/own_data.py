"""A holder's own readings as CSV lines: of the days the meter was the holder's, and no others; each day once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np

from meterhall.domain.protocol.base import Period
from meterhall.domain.readings import MISSING
from meterhall.domain.readings.amounts import decimal_text
from meterhall.domain.readings.civil import midnight
from meterhall.provider.consents.service import UnknownPoint
from meterhall.provider.metering.civil import curve_of, span
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, series_of, spec
from meterhall.provider.metering.serving import each_day, lines_of, served, whole_months
from meterhall.provider.points.holders import FOREVER, Holders, overlap
from meterhall.provider.points.models import Point

DAY = timedelta(days=1)
HEADER = "start,duration_s,direction,energy_wh,quality\r\n"


def own_rows(handle: str, holder_reference: str) -> tuple[str, Iterator[str]]:
    """The name of the file and its lines, a batch of them at a time. Raises `UnknownPoint`."""
    point = Point.objects.filter(handle=handle, occupancies__holder_reference=holder_reference).first()
    if point is None:
        raise UnknownPoint
    return f"meter-{point.pod[-4:]}", _lines(point, holder_reference)


def _lines(point: Point, holder_reference: str) -> Iterator[str]:
    yield HEADER
    zone = ZoneInfo(point.zone)
    stays = Holders([point.pk]).held(point.pk, holder_reference)
    measured = [one for one in series_of([point.pk]).get(point.pk, []) if one.first_day and one.until_day]
    for several in lines_of(measured).values():
        if len(several) == 1:
            yield from (line for days in stays for line in _told(several[0], days, zone))
        else:
            yield from (line for one, days in _day_by_day(several, stays, zone) for line in _told(one, days, zone))


def _told(series: Series, days: Period, zone: ZoneInfo) -> Iterator[str]:
    """The lines of a series on civil days, as far as it is measured."""
    first, until = _known(series)
    if series.civil:
        first, until = max(days.first, first), min(days.until, until)
        if first < until:
            yield from _civil(series, Period(first=first, until=until), zone)
        return
    start = max(_utc(first), midnight(zone, days.first))
    end = _utc(until) if days.until == FOREVER else min(_utc(until), midnight(zone, days.until))
    if start < end:
        yield from _stretch(series, start, end, zone)


def _day_by_day(several: Sequence[Series], stays: Iterable[Period], zone: ZoneInfo) -> Iterator[tuple[Series, Period]]:
    """Days of a stay that follow each other and are told from one of several series, with that series: the one that
    serves them, where none has a value the finest that is measured. A month is told whole or not at all."""
    known = {one.pk: one for one in several}
    spans = {one.pk: _known(one) for one in several}
    around = Period(
        first=min(first for first, _ in spans.values()) - DAY, until=max(until for _, until in spans.values()) + DAY
    )
    for stay in stays:
        days = overlap(stay, around)
        if days is None:
            continue
        which = served(several, days, zone).tolist()
        for place, (number, day) in enumerate(zip(which, each_day(days), strict=True)):
            measured = (pk for pk, (first, until) in spans.items() if first <= day < until)
            which[place] = number or next(measured, 0)
        for number, run in groupby(zip(which, each_day(days), strict=True), key=lambda pair: pair[0]):
            of = [day for _, day in run]
            if number and known[number].grain.monthly:
                of = sorted(whole_months(set(of)))
            if number and of:
                yield known[number], Period(first=of[0], until=of[-1] + DAY)


def _known(series: Series) -> tuple[date, date]:
    """The days on which a series is measured."""
    if series.first_day is None or series.until_day is None:
        return date.max, date.min
    return series.first_day, series.until_day


def _utc(day: date) -> datetime:
    return datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=UTC)


def _civil(series: Series, days: Period, zone: ZoneInfo) -> Iterator[str]:
    start, end = span(days)
    curve = curve_of(series, "", zone, days, [days], list(lake().read([spec(series)], start, end)))
    lengths = np.diff(curve.edges).tolist()
    columns = (curve.starts.tolist(), lengths, curve.mantissas.tolist(), curve.quality.tolist())
    for start_s, length, value, quality in zip(*columns, strict=True):
        yield _line(series, datetime.fromtimestamp(start_s, zone), length, value, quality)


def _line(series: Series, at: datetime, length_s: int, value: int, quality: int) -> str:
    amount, code = ("", "") if value == MISSING else (decimal_text(value, series.scale), quality)
    return f"{at.isoformat()},{length_s},{series.direction},{amount},{code}\r\n"


def _stretch(series: Series, start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[str]:
    step = timedelta(seconds=series.resolution_s)
    for block in lake().read([spec(series)], start, end):
        lines = []
        for slot, (value, quality) in enumerate(zip(block.mantissas.tolist(), block.quality.tolist(), strict=True)):
            at = (block.start + slot * step).astimezone(zone)
            lines.append(_line(series, at, series.resolution_s, value, quality))
        yield "".join(lines)
