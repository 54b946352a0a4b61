"""Of which points something changed that is in a delivery's newest version: what a correction has to follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.granularity import parse_granularity
from meterhall.lake import CursorExpired
from meterhall.provider.deliveries.models import Delivery, PartContent
from meterhall.provider.metering.civil import day_after
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake
from meterhall.provider.metering.serving import lines_of, serving, shown_days
from meterhall.web.sets import pieces


def changed_points(delivery: Delivery) -> set[int]:
    """The points in the newest version of which something changed that is in it: another holder's days are not.

    A forecast stays what it was: nothing in it was a reading.
    """
    if not delivery.version or delivery.is_forecast:
        return set()
    try:
        changes, _ = lake().changes(delivery.lake_cursor or None)
    except CursorExpired:
        return {one.point for one in _held(delivery)}
    changed = {number for number, _ in changes}
    points = {
        one for some in pieces(changed) for one in Series.objects.filter(pk__in=some).values_list("point", flat=True)
    }
    if not points:
        return set()
    contents: dict[int, list[_Held]] = {}
    for one in _held(delivery):
        if one.point in points:
            contents.setdefault(one.point, []).append(one)
    return _told_otherwise(DataRequest.model_validate(delivery.request), contents, changes)


def _told_otherwise(
    request: DataRequest, contents: Mapping[int, Sequence[_Held]], changes: Iterable[tuple[int, date]]
) -> set[int]:
    """The points of which a change is in what a part tells: a series changes nothing on days it does not serve."""
    wanted = parse_granularity(request.granularity)
    of_points = (
        one for some in pieces(contents)
        for one in Series.objects.filter(point__in=some, direction__in=request.directions)
    )  # fmt: skip
    lines = {line: serving(several, wanted) for line, several in lines_of(of_points).items()}
    series = {one.pk: one for several in lines.values() for one in several}
    changed = ((series[number], day) for number, day in changes if number in series)
    touched = [(one, day) for one, day in changed if any(_has(held, one, day) for held in contents[one.point_id])]
    alone = {one.point_id for one, _ in touched if len(lines[one.point_id, one.direction]) == 1}
    zones = {point: held[0].zone for point, held in contents.items() if point not in alone}
    shown = shown_days(((one, day) for one, day in touched if one.point_id in zones), lines, zones, wanted)
    return alone | {
        series[number].point_id
        for number, days in shown.items()
        for held in contents[series[number].point_id]
        if any(held.first <= day < held.until for day in days)
    }


class _Held(NamedTuple):
    """The days of a point in a part, and the point's zone."""

    point: int
    zone: str
    first: date
    until: date


def _held(delivery: Delivery) -> Iterator[_Held]:
    """What is in the parts of the newest version."""
    contents = PartContent.objects.filter(part__delivery=delivery, part__replaced_reason="", item__point__isnull=False)
    for row in contents.values_list("item__point_id", "item__point__zone", "first", "until").iterator():
        yield _Held(*row)


def _has(held: _Held, series: Series, day: date) -> bool:
    """Whether hours of a UTC day are in a part; of a civil day or month that rests under this date, all of them."""
    if series.civil:
        return held.first <= day and day_after(series.grain, day) <= held.until
    zone, start = ZoneInfo(held.zone), datetime.combine(day, time(), UTC)
    return midnight(zone, held.first) < start + timedelta(days=1) and start < midnight(zone, held.until)
