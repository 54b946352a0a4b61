"""Following ends and changes: what was delivered is superseded when a permission ends or a delivered value changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from django.db.models import Q

from meterhall.lake import CursorExpired
from meterhall.provider.activations.ends import cut_to_holders, end_with_consents, end_with_contracts
from meterhall.provider.consents.epoch import epoch
from meterhall.provider.deliveries.models import Delivery, Follower, PartContent
from meterhall.provider.deliveries.retention import close
from meterhall.provider.deliveries.service import covers_day, supersede
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake
from meterhall.web.sets import pieces


def follow_ends() -> None:
    """When the epoch has moved on: write down what ended, supersede or close what was delivered under it."""
    follower, _ = Follower.objects.get_or_create(pk=1)
    now = epoch()
    if now == follower.epoch:
        return
    end_with_contracts()
    end_with_consents()
    cut_to_holders(follower.epoch)
    close_ended()
    live = PartContent.objects.filter(part__replaced_reason="", part__delivery__state="published")
    touched = live.filter(Q(item__state="ended") | Q(item__point__holders_epoch__gt=follower.epoch))
    supersede(Delivery.objects.filter(pk__in=touched.values("part__delivery")))
    Follower.objects.filter(pk=1).update(epoch=now)


def close_ended() -> None:
    """Deliveries of an ended activation: nothing follows, and their files go."""
    for delivery in Delivery.objects.filter(activation__state="ended", state="published"):
        close(delivery, "ended", "revocation")


def follow_values() -> None:
    """When the lake has moved on: supersede the deliveries with a changed day.

    Without a place to go on from, every delivery looks for itself whether something in it is new.
    """
    follower, _ = Follower.objects.get_or_create(pk=1)
    known = follower.lake_cursor or None
    try:
        changed, cursor = lake().changes(known, series_ids=None if known else [])
    except CursorExpired:
        known = None
        changed, cursor = lake().changes(None, series_ids=[])
    if cursor == follower.lake_cursor:
        return
    supersede(touched_by(changed) if known else Delivery.objects.filter(state="published"))
    Follower.objects.filter(pk=1).update(lake_cursor=cursor)


def touched_by(changed: Iterable[tuple[int, date]]) -> list[Delivery]:
    """The published deliveries with one of these (series, UTC day) pairs in them."""
    days: dict[int, set[date]] = {}
    for series, day in changed:
        days.setdefault(series, set()).add(day)
    found: dict[str, Delivery] = {}
    for some in pieces(days):
        points: dict[int, set[date]] = {}
        for number, point in Series.objects.filter(pk__in=some).values_list("pk", "point_id"):
            points.setdefault(point, set()).update(days[number])
        for delivery, point in _having(points):
            if delivery.pk not in found and any(covers_day(delivery, day) for day in points[point]):
                found[delivery.pk] = delivery
    return list(found.values())


def _having(points: dict[int, set[date]]) -> list[tuple[Delivery, int]]:
    """The published deliveries about the time of these days, with which of the points is in each."""
    first = min(min(days) for days in points.values())
    last = max(max(days) for days in points.values())
    contents = PartContent.objects.filter(
        item__point__in=list(points),
        part__replaced_reason="",
        part__delivery__state="published",
        part__delivery__is_forecast=False,
        part__delivery__first__lte=last + timedelta(days=1),
        part__delivery__until__gte=first,
    )
    pairs = set(contents.values_list("part__delivery_id", "item__point_id"))
    deliveries = Delivery.objects.in_bulk([name for name, _ in pairs])
    return [(deliveries[name], point) for name, point in pairs]
