"""Commands about wishes: register, close; and matching them with offers, at registration and when one is published."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from meterhall.domain.errors import InvalidInput, NotFound, NotPermitted
from meterhall.domain.identifiers import check_country
from meterhall.domain.market import check_period, fits
from meterhall.domain.market.texts import refuse_pods
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.events import WishMatched
from meterhall.domain.protocol.offers import Offer as OfferDocument
from meterhall.domain.protocol.offers import Wish as WishDocument
from meterhall.domain.protocol.offers import WishMatch, WishView
from meterhall.marketplace.catalogue.models import Match, OfferVersion, Trait, Wish
from meterhall.marketplace.catalogue.search import catalogue
from meterhall.marketplace.players.service import admitted
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import notify, state
from meterhall.web.platform import platform

MOST_NEAR_MISSES = 50
OPEN = ("open", "matched")


class UnknownWish(NotFound):
    code = "unknown_wish"
    title = "There is no such wish, or it is another player's."


class NotARequester(NotPermitted):
    code = "not_a_requester"
    title = "Only a player enrolled as requester wishes and subscribes."


class WishOver(InvalidInput):
    code = "wish_over"
    title = "The wish ends before it begins."


def register(number: str, document: WishDocument) -> WishView:
    """Keep what a requester needs (step 3), matched with what is on offer now."""
    if not admitted(number).is_requester:
        raise NotARequester
    for at, country in enumerate(document.countries):
        check_country(country, field=f"/countries/{at}")
    refuse_pods(document.text, field="/text")
    check_period(document.scope.period, field="/scope/period")
    now = platform().now()
    if document.until is not None and document.until <= now:
        raise WishOver(field="/until")
    with transaction.atomic():
        wish = Wish.objects.create(
            wish_id=new_id("wsh"),
            requester=number,
            document=document.document(),
            created_at=now,
            until=document.until,
        )
        fitting = _match_all(wish, document)
        state(
            "wish.registered",
            transaction_id=wish.wish_id,
            subject=wish.wish_id,
            parties=(number, my_access_number()),
            counts={"customers": document.customers, "fitting": fitting},
        )
        return view(wish)


def _match_all(wish: Wish, document: WishDocument) -> int:
    """Match with every visible offer in the wish's countries; all that fit are kept, of the others some."""
    here = Exists(Trait.objects.filter(version=OuterRef("pk"), name="country", value__in=document.countries))
    fitting = near = 0
    for row in catalogue().visible().filter(here).exclude(offer__provider=wish.requester).order_by("pk"):
        reasons = fits(document, OfferDocument.model_validate(row.document))
        near += bool(reasons)
        if reasons and near > MOST_NEAR_MISSES:
            continue
        fitting += not reasons
        Match.objects.create(wish=wish, version=row, fits=not reasons, reasons=[str(one) for one in reasons])
    if fitting:
        wish.status = "matched"
        wish.save(update_fields=["status"])
    return fitting


def match_published(row: OfferVersion) -> int:
    """Match a version just published with the open wishes; how many it fits. Each requester is told once a version."""
    document = OfferDocument.model_validate(row.document)
    now = platform().now()
    waiting = Wish.objects.filter(Q(until=None) | Q(until__gt=now), status__in=OPEN)
    return sum(_match_one(wish, row, document) for wish in waiting.exclude(requester=row.offer.provider).iterator())


def _match_one(wish: Wish, row: OfferVersion, document: OfferDocument) -> bool:
    reasons = fits(WishDocument.model_validate(wish.document), document)
    if reasons:
        return False
    with transaction.atomic():
        _, is_new = Match.objects.get_or_create(wish=wish, version=row, defaults={"fits": True, "reasons": []})
        if is_new:
            Wish.objects.filter(pk=wish.pk, status="open").update(status="matched")
            news = WishMatched(wish_id=wish.wish_id, offer_id=row.offer.offer_id, version=row.version)
            notify(wish.requester, "wish.matched", wish.wish_id, news)
    return True


def of_player(number: str) -> QuerySet[Wish]:
    """A requester's wishes."""
    return Wish.objects.filter(requester=number)


def find(number: str, wish_id: str) -> Wish:
    """A wish of this requester. Raises `UnknownWish`."""
    found = of_player(number).filter(wish_id=wish_id).first()
    if found is None:
        raise UnknownWish
    return found


def close(number: str, wish_id: str) -> WishView:
    """Stop looking; closing it again changes nothing."""
    with transaction.atomic():
        wish = find(number, wish_id)
        wish.status = "closed"
        wish.save(update_fields=["status"])
        return view(wish)


def close_over() -> int:
    """Close the wishes whose time is over; how many."""
    return Wish.objects.filter(status__in=OPEN, until__lte=platform().now()).update(status="closed")


def view(wish: Wish) -> WishView:
    """A wish with the offers that are still published: those that fit first."""
    rows = wish.matches.filter(version__status="published").select_related("version__offer")
    return WishView(
        wish_id=wish.wish_id,
        wish=WishDocument.model_validate(wish.document),
        status=wish.status,
        matches=tuple(
            WishMatch(
                offer_id=row.version.offer.offer_id, version=row.version.version, fits=row.fits,
                reasons=tuple(row.reasons),
            )
            for row in rows.order_by("-fits", "pk")
        ),
    )  # fmt: skip
