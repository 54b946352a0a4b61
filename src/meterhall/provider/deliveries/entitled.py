"""What may be had now: which items, and which days of each. Asked when building, and of every part before it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, Exists, F, Min, OuterRef, Q

from meterhall.domain.consent import Asked, Refused
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.provider.activations.decide import Frame
from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.activations.service import ActivationEnded, frame_of
from meterhall.provider.consents.covering import ConsentBook, judged
from meterhall.provider.consents.models import Consent, ConsentItem
from meterhall.provider.contracts.service import NoContract
from meterhall.provider.deliveries.models import Delivery, DeliveryPart, PartContent
from meterhall.provider.points.holders import Holders, overlap
from meterhall.provider.points.models import Occupancy, Point
from meterhall.web.platform import platform
from meterhall.web.sets import pieces

ITEMS_AT_ONCE: Final = 10_000
"""Items of which consents and holders are in memory at a time; some 100 MB."""


@dataclass(frozen=True, slots=True)
class Entitled:
    """An item, the days of it that may be had, and until when (unless something ends it before)."""

    item: ActivationItem
    point: Point
    days: tuple[Period, ...]
    until: datetime
    is_individual: bool

    @property
    def member(self) -> Member:
        """What is remembered of it."""
        return Member(self.item.pk, self.point.pk, self.days, self.is_individual)


def entitled(frame: Frame, items: Iterable[ActivationItem], period: Period) -> dict[int, Entitled]:
    """Of these items those that may be had now, by primary key. A query a table, for however many items.

    The consent an item was accepted under must still hold, and the days be those of the holder who gave it.
    """
    known = [item for item in items if item.state == "accepted" and item.point is not None]
    ids = [item.point.pk for item in known if item.point]
    book = ConsentBook(frame.requester, [] if frame.is_sandbox else ids)
    holders = Holders(ids)
    found = (_one(item, frame, period, book, holders) for item in known)
    return {one.item.pk: one for one in found if one is not None}


def _one(item: ActivationItem, frame: Frame, period: Period, book: ConsentBook, holders: Holders) -> Entitled | None:
    point, days = item.point, _of_item(item, period)
    if point is None or days is None:
        return None
    if frame.is_sandbox:
        return Entitled(item, point, (days,), frame.access_until, True)
    if item.consent_item is None:
        return None
    covered = book.covering(frame.wanted, point, item.consent_item.consent_id)
    if isinstance(covered, Refused):
        return None
    held = holders.held(point.pk, covered.item.consent.holder_reference, days)
    until = min(frame.access_until, covered.item.access_until)
    is_individual = covered.item.scope.get("kind", "individual") == "individual"
    return Entitled(item, point, held, until, is_individual) if held else None


def _of_item(item: ActivationItem, period: Period) -> Period | None:
    """The days of `period` that the item's answer spoke of."""
    if item.first is None or item.until is None:
        return None
    return overlap(Period(first=item.first, until=item.until), period)


@dataclass(frozen=True, slots=True)
class Member:
    """What a part is remembered to hold of an item: small, since there may be a million."""

    item_id: int
    point_id: int
    days: tuple[Period, ...]
    is_individual: bool


def accepted_items(activation: Activation, request: DataRequest) -> list[ActivationItem]:
    """The accepted items a request speaks of."""
    return [item for some in accepted_in_pieces(activation, request) for item in some]


def accepted_in_pieces(activation: Activation, request: DataRequest) -> Iterator[list[ActivationItem]]:
    """The accepted items a request speaks of, in the order of the list, some thousands at a time."""
    items = ActivationItem.objects.select_related("point", "consent_item")
    if request.pseudonyms:
        # Found by pseudonym alone: a database that goes by the activation reads all of its items each time.
        named = (item for some in pieces(request.pseudonyms) for item in items.filter(pseudonym__in=some))
        mine = (item for item in named if item.activation_id == activation.pk and item.state == "accepted")
        yield sorted(mine, key=lambda item: item.position)
        return
    accepted, last = items.filter(activation=activation, state="accepted").order_by("position"), -1
    while some := list(accepted.filter(position__gt=last)[:ITEMS_AT_ONCE]):
        last = some[-1].position
        yield some


def _contents_of(part: DeliveryPart) -> list[PartContent]:
    """What is in a part."""
    return list(part.contents.select_related("item__point", "item__consent_item").order_by("pk"))


def passes(part: DeliveryPart, frame: Frame | None = None) -> datetime | None:
    """Until when, by the clock, everything in a part may be had by consent, contract, stay and clock; None where not.

    `frame` is what was found a moment ago to hold for all of it; the part was read then.
    """
    if frame is None:
        part.refresh_from_db(fields=["replaced_reason"])
    if part.replaced_reason:
        return None
    try:
        frame = frame or frame_of(Activation.objects.get(pk=part.delivery.activation_id))
    except (NoContract, ActivationEnded):
        return None
    return may_be_had(part, frame)


def may_be_had(part: DeliveryPart, frame: Frame) -> datetime | None:
    """Until when, by the clock, everything in a part may be had; None where not all of it may."""
    return _by_sets(part, frame) or _one_by_one(part, frame)


def _by_sets(part: DeliveryPart, frame: Frame) -> datetime | None:
    """Until when everything in a part may be had; None where that is not so, or has to be asked one by one.

    Consents that are alike are judged once, by a stand-in that has ended, or ends, as soon as the first of them; the
    items and who held their points are compared in the database. The same query for however many PODs.
    """
    consent, held = "item__consent_item__consent", Q(until=None) | Q(until__gte=OuterRef("until"))
    stays = Occupancy.objects.filter(
        held, point=OuterRef("item__point"), holder_reference=OuterRef(f"{consent}__holder_reference"),
        first__lte=OuterRef("first"),
    )  # fmt: skip
    fits = Q(
        Exists(stays), item__state="accepted", item__consent_item__point=F("item__point"),
        item__first__lte=F("first"), item__until__gte=F("until"),
    )  # fmt: skip
    alike = part.contents.values_list(
        f"{consent}__requester", f"{consent}__assurance", "item__consent_item__subscription_id",
        "item__consent_item__scope",
    ).annotate(
        every=Count("pk"), fitting=Count("pk", filter=fits), ended=Min("item__consent_item__ended_at"),
        over=Min("item__consent_item__access_until"),
    )  # fmt: skip
    until, wanted = frame.access_until, frame.wanted
    asked = Asked(wanted.requester, wanted.subscription_id, "", wanted.scope, platform().now())
    for requester, assurance, subscription_id, scope, every, fitting, ended_at, access_until in alike:
        if every != fitting:
            return None
        stand_in = ConsentItem(
            consent=Consent(requester=requester, assurance=assurance), point=Point(), subscription_id=subscription_id,
            scope=scope, ended_at=ended_at, access_until=access_until,
        )  # fmt: skip
        if isinstance(judged(stand_in, asked, wanted.assurances), Refused):
            return None
        until = min(until, access_until)
    return until


def _one_by_one(part: DeliveryPart, frame: Frame) -> datetime | None:
    contents = _contents_of(part)
    may = entitled(frame, [content.item for content in contents], _period(part.delivery))
    if not all(_content_holds(content, may) for content in contents):
        return None
    return min((one.until for one in may.values()), default=frame.access_until)


def _content_holds(content: PartContent, may: dict[int, Entitled]) -> bool:
    """Whether the days in a part are among those that may be had."""
    one = may.get(content.item_id)
    days = Period(first=content.first, until=content.until)
    return one is not None and any(days.within(stretch) for stretch in one.days)


def _period(delivery: Delivery) -> Period:
    return Period(first=delivery.first, until=delivery.until)
