"""How late providers are: days whose readings have not come, by activation, and promised times that were not kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KT

from meterhall.domain.protocol.activations import Schedule
from meterhall.domain.protocol.offers import DataScope, ServiceLevel
from meterhall.domain.readings import midnight, parse_granularity
from meterhall.domain.readings.civil_numbers import days_around
from meterhall.requester.activations.models import Activation, ActivationItem
from meterhall.requester.collection.models import DataAsked, Delivery, Series, Version
from meterhall.requester.collection.zones import zone_of_pod
from meterhall.requester.partners.models import Subscription
from meterhall.web.platform import platform

DAY: Final = timedelta(days=1)
WINDOW: Final = timedelta(days=90)
"""So far back what was promised is held against what came."""
MOST: Final = 500
"""So many of the newest deliveries of each promise are looked at."""
Promise = Literal["delivery", "scheduled"]


@dataclass(frozen=True, slots=True)
class Lateness:
    """How far the readings of an activation have come: there could be some of the days before `due`."""

    activation: Activation
    newest: date | None
    due: date

    @property
    def days_behind(self) -> int | None:
        """Days that are over and of which nothing has come of any point; None where nothing has come at all."""
        return None if self.newest is None else max(0, (self.due - self.newest).days)


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery promised by an instant, and when it came: by the manifest its provider signed; None: not yet."""

    activation: Activation
    promise: Promise
    within_s: int
    at: datetime
    came: datetime | None
    delivery_id: str = ""

    def late_by(self, now: datetime) -> timedelta | None:
        """How much later than promised it came, or is by now; None where it was in time or has time left."""
        late = (self.came or now) - self.at
        return late if late > timedelta() else None

    def is_over(self, now: datetime) -> bool:
        """Whether the promise was kept or broken by now."""
        return self.came is not None or now > self.at


def lateness() -> list[Lateness]:
    """How late the readings of each activation are that was answered and has not ended: nothing at all first, then the
    one furthest behind."""
    accepted = ActivationItem.objects.filter(state="accepted")
    mine = accepted.filter(activation=OuterRef(OuterRef("pk"))).values("pseudonym")
    held = Series.objects.filter(pseudonym__in=mine, is_forecast=False).exclude(until_day=None)
    some: QuerySet[Any] = Activation.objects.filter(state="answered", pk__in=accepted.values("activation"))
    newest = Subquery(held.order_by("-until_day").values("until_day")[:1])
    answered = some.select_related("subscription").annotate(newest=newest)
    known = [_lateness(one, scope, one.newest) for one in answered if (scope := of_points(one)) is not None]
    return sorted(known, key=lambda one: (one.newest is not None, -(one.days_behind or 0)))


def of_points(activation: Activation) -> DataScope | None:
    """The scope of an activation of single points' readings; None of one of sums or forecasts."""
    scope = DataScope.model_validate(activation.scope)
    return None if scope.kind == "aggregate" or scope.timing == "forecast" else scope


def _lateness(activation: Activation, scope: DataScope, newest: date | None) -> Lateness:
    today = platform().now().astimezone(ZoneInfo(platform().config.zone)).date()
    due = min(today, scope.period.until) if scope.period else today
    finest = min(map(parse_granularity, scope.granularities), key=lambda one: one.most_days)
    return Lateness(activation, newest, days_around(finest, due)[0])


def levels() -> dict[str, ServiceLevel]:
    """What the provider of each contract promises, by the contract's number."""
    said = Subscription.objects.values_list("subscription_id", "document__contract__offer__service_level")
    return {number: ServiceLevel.model_validate(level or {}) for number, level in said}


def promises() -> Iterator[tuple[str, Promise, int]]:
    """The promised times of the contracts in force: the provider's name, which promise, seconds."""
    known = levels()
    by_themselves = set(Activation.objects.filter(schedule__isnull=False).values_list("subscription", flat=True))
    for number, name in Subscription.objects.filter(state="active").values_list("subscription_id", "provider_name"):
        yield name, "delivery", known[number].delivery_within_s
        if number in by_themselves:
            yield name, "scheduled", known[number].scheduled_within_s


def promised() -> Iterator[Due]:
    """What was asked for or came by itself in the last 90 days, and what should have come by itself by now.

    Data asked for is due so long after it was asked for; a day, week or month so long after its end, or after the
    activation where that was later. Nothing is told of forecasts by schedule, which come ahead, nor of what was
    refused.
    """
    known, since = levels(), platform().now() - WINDOW
    yield from _asked(known, since)
    yield from _awaited(known)
    yield from _came(known, since)


def overdue() -> int:
    """How many deliveries are promised, late by now, and have not come."""
    known, now = levels(), platform().now()
    waiting = [*_asked(known, now - WINDOW, only_awaited=True), *_awaited(known)]
    return sum(one.came is None and one.is_over(now) for one in waiting)


def _first(name: str, provider: str) -> Subquery:
    """A member of the first manifest held of a delivery."""
    versions = Version.objects.filter(
        delivery__delivery_id=OuterRef("delivery_id"), delivery__provider=OuterRef(provider)
    )
    return Subquery(versions.order_by("version").annotate(said=KT(f"manifest__{name}")).values("said")[:1])


def _asked(known: Mapping[str, ServiceLevel], since: datetime, *, only_awaited: bool = False) -> Iterator[Due]:
    provider = "activation__subscription__provider"
    heard = Delivery.objects.filter(delivery_id=OuterRef("delivery_id"), provider=OuterRef(provider))
    asked = DataAsked.objects.filter(state="taken", created_at__gte=since).select_related("activation__subscription")
    rows: QuerySet[Any] = asked.annotate(
        made=_first("created_at", provider),
        announced_at=Subquery(heard.values("announced_at")[:1]),
        outcome=Subquery(heard.values("state")[:1]),
    )
    rows = rows.filter(announced_at=None) if only_awaited else rows
    for one in rows.order_by("-created_at", "-pk")[:MOST]:
        if one.made is None and one.outcome == "refused":
            continue
        within_s = known[one.activation.subscription_id].delivery_within_s
        came = datetime.fromisoformat(one.made) if one.made else one.announced_at
        due = one.created_at + timedelta(seconds=within_s)
        yield Due(one.activation, "delivery", within_s, due, came, one.delivery_id)


def _unasked() -> QuerySet[Any]:
    """The deliveries that came by themselves."""
    asked = DataAsked.objects.filter(delivery_id=OuterRef("delivery_id"))
    found = Delivery.objects.filter(~Exists(asked), activation__schedule__isnull=False)
    return found.annotate(made=_first("created_at", "provider"), until=_first("period__until", "provider"))


def _awaited(known: Mapping[str, ServiceLevel]) -> Iterator[Due]:
    """Of each activation with a schedule the day, week or month that should be here by now."""
    accepted = ActivationItem.objects.filter(state="accepted").values("activation")
    running = Activation.objects.filter(schedule__isnull=False, state__in=("answered", "waiting"), pk__in=accepted)
    for activation in running.select_related("subscription"):
        newest = _unasked().filter(activation=activation).order_by("-pk").first()
        if newest is not None and newest.until and (due := _next(activation, date.fromisoformat(newest.until), known)):
            yield due


def _came(known: Mapping[str, ServiceLevel], since: datetime) -> Iterator[Due]:
    """What came by itself."""
    newest = _unasked().filter(announced_at__gte=since).select_related("activation__subscription").order_by("-pk")
    for one in newest[:MOST]:
        if one.until and not _ahead(one.activation):
            due = _by_itself(one.activation, date.fromisoformat(one.until), known)
            yield replace(due, came=datetime.fromisoformat(one.made), delivery_id=one.delivery_id)


def _ahead(activation: Activation) -> bool:
    """Whether it is of days to come."""
    return DataScope.model_validate(activation.scope).timing == "forecast"


def _next(activation: Activation, until: date, known: Mapping[str, ServiceLevel]) -> Due | None:
    """The day, week or month after the last one that came, where its promised time is over."""
    scope, schedule = DataScope.model_validate(activation.scope), Schedule.model_validate(activation.schedule)
    if _ahead(activation) or (scope.period and until >= scope.period.until):
        return None
    after = days_around(parse_granularity(schedule.every), until)[1]
    due = _by_itself(activation, min(after, scope.period.until) if scope.period else after, known)
    return due if due.late_by(platform().now()) else None


def _by_itself(activation: Activation, until: date, known: Mapping[str, ServiceLevel]) -> Due:
    """A day, week or month that ends before the civil day `until` where the points are."""
    pod = activation.items.values_list("pod", flat=True).first()
    zone = zone_of_pod(pod) if pod else ZoneInfo(platform().config.zone)
    within_s = known[activation.subscription_id].scheduled_within_s
    begins = max(midnight(zone, until), activation.created_at)
    return Due(activation, "scheduled", within_s, begins + timedelta(seconds=within_s), None)
