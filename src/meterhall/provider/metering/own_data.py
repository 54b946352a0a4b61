"""A holder's own readings as CSV lines: of the days the meter was the holder's, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from meterhall.domain.readings import MISSING
from meterhall.domain.readings.amounts import decimal_text
from meterhall.domain.readings.civil import midnight
from meterhall.provider.consents.service import UnknownPoint
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
            start = max(known[0], midnight(zone, days.first))
            end = known[1] if days.until == FOREVER else min(known[1], midnight(zone, days.until))
            if start < end:
                yield from _stretch(series, start, end, zone)


def _utc(day: object) -> datetime:
    return datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=UTC)


def _stretch(series: Series, start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[str]:
    step = timedelta(seconds=series.resolution_s)
    for block in lake().read([spec(series)], start, end):
        lines = []
        for slot, (value, quality) in enumerate(zip(block.mantissas.tolist(), block.quality.tolist(), strict=True)):
            at = (block.start + slot * step).astimezone(zone).isoformat()
            amount, code = ("", "") if value == MISSING else (decimal_text(value, series.scale), quality)
            lines.append(f"{at},{series.resolution_s},{series.direction},{amount},{code}\r\n")
        yield "".join(lines)
