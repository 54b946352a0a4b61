"""The change feed of an activation: new and corrected values, a UTC day at a time, behind an opaque cursor."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from meterhall.domain.protocol.deliveries import ChangedValues, Changes
from meterhall.domain.readings import MISSING
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.granularity import Granularity
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import frame_of
from meterhall.provider.deliveries.build import may_have
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, spec


def changes_since(activation: Activation, since: str | None) -> Changes:
    """What changed since the cursor of what may be had now. Raises `CursorExpired`."""
    frame = frame_of(activation)
    items = activation.items.filter(state="accepted").select_related("point", "consent_item__consent", "activation")
    allowed = {item.point_id: item for item in items if frame.is_sandbox or may_have(item, frame.scope)}
    series = {
        one.pk: one for one in Series.objects.filter(point__in=list(allowed), direction__in=frame.scope.directions)
    }
    changed, cursor = lake().changes(since, series_ids=list(series))
    values = [_values(series[number], allowed[series[number].point_id], day) for number, day in changed]
    return Changes(items=tuple(one for one in values if one is not None), cursor=cursor, more=False)


def _values(series: Series, item: ActivationItem, day: date) -> ChangedValues | None:
    """A UTC day of a series, cut to the holder's civil days."""
    start = datetime.combine(day, time(), UTC)
    end = start + timedelta(days=1)
    zone = ZoneInfo(series.point.zone)
    if item.first:
        start = max(start, midnight(zone, item.first))
    if item.until:
        end = min(end, midnight(zone, item.until))
    if start >= end:
        return None
    block = next(iter(lake().read([spec(series)], start, end)))
    present = block.mantissas != MISSING
    return ChangedValues(
        pseudonym=item.pseudonym,
        direction=series.direction,  # type: ignore[arg-type]
        start=start,
        resolution=str(Granularity(series.resolution_s)),
        scale=series.scale,
        values=tuple(int(v) if there else None for v, there in zip(block.mantissas, present, strict=True)),
        quality=tuple(int(q) if there else None for q, there in zip(block.quality, present, strict=True)),
        available_at=block.available_at or start,
    )
