"""A holder's own readings as CSV lines: of the days the meter was the holder's, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
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
from meterhall.provider.points.holders import FOREVER, Holders
from meterhall.provider.points.models import Point

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
    for series in series_of([point.pk]).get(point.pk, []):
        if series.first_day is None or series.until_day is None:
            continue
        known = (_utc(series.first_day), _utc(series.until_day))
        for days in Holders([point.pk]).held(point.pk, holder_reference):
            if series.civil:
                first, until = max(days.first, series.first_day), min(days.until, series.until_day)
                if first < until:
                    yield from _civil(series, Period(first=first, until=until), zone)
                continue
            start = max(known[0], midnight(zone, days.first))
            end = known[1] if days.until == FOREVER else min(known[1], midnight(zone, days.until))
            if start < end:
                yield from _stretch(series, start, end, zone)


def _utc(day: object) -> datetime:
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
