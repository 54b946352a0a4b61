"""The change feed of an activation: new and corrected values, a UTC day at a time, behind an opaque cursor.

A cursor holds where the round began and will end in the lake, and how far it has been shown. What changes during a
round is in the next one. So is a point that was accepted, or got other days, meanwhile: it is shown from its beginning.
What of it is told, and how, is made in `telling`.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import astuple, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import ChangedValues, Changes
from meterhall.domain.readings import CivilCurve, Curve
from meterhall.domain.readings.civil import civil_day_of
from meterhall.formats.text import granularity_of
from meterhall.lake.cursor import InvalidCursor
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import frame_of
from meterhall.provider.deliveries.access import Shown, log_feed
from meterhall.provider.deliveries.entitled import Entitled, entitled
from meterhall.provider.deliveries.service import OutsideActivation
from meterhall.provider.deliveries.telling import telling
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, series_of
from meterhall.provider.points.holders import FOREVER

PAGE_DAYS = 500
DAY, MOMENT = timedelta(days=1), timedelta(seconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALWAYS = Period(first=date(1970, 1, 1), until=FOREVER)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader of the feed stands: `since` and `until` in the lake, and the last pair shown of that round; and up
    to when points had been answered, in microseconds, before the round and at its beginning."""

    activation: str
    since: str | None = None
    until: str | None = None
    series: int = 0
    day: int = 0
    answered: int = 0
    answered_until: int = 0

    def encode(self) -> str:
        """The opaque text."""
        text = json.dumps(astuple(self))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_place(text: str | None, activation: str) -> Place:
    """The place in the feed of this activation that a cursor stands for. Raises `InvalidCursor`."""
    if text is None:
        return Place(activation)
    try:
        held = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        place = Place(*held)
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise InvalidCursor(field="/since") from None
    lake_s, numbers = (place.since, place.until), astuple(place)[3:]
    fits = all(one is None or isinstance(one, str) for one in lake_s) and all(type(one) is int for one in numbers)
    if not fits or place.activation != activation:
        raise InvalidCursor(field="/since")
    return place


def changes_since(activation: Activation, since: str | None) -> Changes:
    """A page of what changed since the cursor, of what may be had now.

    Raises `CursorExpired`, `InvalidCursor`, and `OutsideActivation` where only sums or forecasts are contracted.
    """
    frame = frame_of(activation)
    if frame.scope.kind != "individual":
        raise OutsideActivation("The activation is of sums; the feed has single curves.", field="/activation_id")
    if frame.scope.timing == "forecast":
        raise OutsideActivation("The activation is of forecasts; the feed has readings.", field="/activation_id")
    place = parse_place(since, activation.pk)
    items = activation.items.filter(state="accepted").select_related("point", "consent_item")
    may = {one.point.pk: one for one in entitled(frame, items, ALWAYS).values()}
    told = telling([one for several in series_of(may).values() for one in several], frame.scope, may)
    fresh = {one.point.pk for one in may.values() if _answered(one.item) > place.answered}
    newest = max((_answered(one.item) for one in may.values()), default=place.answered)
    changed, cursor = _changes(place.since, told.series, fresh)
    waiting = [pair for pair in changed if (pair[0], pair[1].toordinal()) > (place.series, place.day)]
    page, until = waiting[:PAGE_DAYS], place.until or cursor
    shown = [(mine, _changed(curve)) for mine, curve in told.curves(page)]
    _log(activation, shown)
    more = len(waiting) > len(page)
    answered = place.answered_until or max(newest, place.answered)
    following = (
        replace(place, until=until, series=page[-1][0], day=page[-1][1].toordinal(), answered_until=answered)
        if more
        else Place(activation.pk, until, answered=answered)
    )
    return Changes(items=tuple(values for _, values in shown), cursor=following.encode(), more=more)


def _answered(item: ActivationItem) -> int:
    """When the item was answered as it stands, in microseconds."""
    return (item.answered_at - EPOCH) // timedelta(microseconds=1) if item.answered_at else 0


def _changes(since: str | None, series: dict[int, Series], fresh: set[int]) -> tuple[list[tuple[int, date]], str]:
    """What changed in the lake, of points that are fresh everything; the cursor is from before either was looked at."""
    if since is None:
        return lake().changes(None, series_ids=list(series))
    whole = [number for number, one in series.items() if one.point_id in fresh]
    changed, cursor = lake().changes(since, series_ids=[number for number in series if number not in set(whole)])
    return sorted([*changed, *lake().changes(None, series_ids=whole)[0]]) if whole else changed, cursor


def _changed(curve: Curve) -> ChangedValues:
    present = curve.present
    edges = None
    if isinstance(curve, CivilCurve):
        edges = tuple(datetime.fromtimestamp(edge, UTC) for edge in curve.edges.tolist())
    return ChangedValues(
        pseudonym=curve.series.usage_point,
        direction=curve.series.direction.value,
        start=curve.start,
        resolution=str(granularity_of(curve)),
        scale=curve.series.scale,
        values=tuple(int(v) if there else None for v, there in zip(curve.mantissas, present, strict=True)),
        quality=tuple(int(q) if there else None for q, there in zip(curve.quality, present, strict=True)),
        available_at=curve.available_at,
        edges=edges,
    )


def _log(activation: Activation, shown: list[tuple[Entitled, ChangedValues]]) -> None:
    """One row an item, direction and granularity: from the first to the last day it was shown of."""
    seen: dict[tuple[int, str, str], tuple[ActivationItem, list[date]]] = {}
    for mine, values in shown:
        last = values.edges[-1] - MOMENT if values.edges else values.start
        days = (civil_day_of(ZoneInfo(mine.point.zone), at) for at in (values.start, last))
        key = (mine.item.pk, values.direction, values.resolution)
        seen.setdefault(key, (mine.item, []))[1].extend(days)
    log_feed(
        activation,
        [
            Shown(item, Period(first=min(days), until=max(days) + DAY), resolution, direction)
            for (_, direction, resolution), (item, days) in seen.items()
        ],
    )
