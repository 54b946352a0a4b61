"""Calls about the catalogue: a provider's offers, the search, wishes, the list of providers."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI, Query

from meterhall.domain.identifiers import UnknownCountry, check_country
from meterhall.domain.market import EmptyDuration, PeriodEmpty, WrongState
from meterhall.domain.market.offers import CoverageIsPod, InvalidOffer
from meterhall.domain.market.texts import TextHoldsPod
from meterhall.domain.pods.coverage import InvalidCoverage
from meterhall.domain.protocol.base import Page
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.offers import Offer, OfferView, ProviderView, Wish, WishView
from meterhall.marketplace.catalogue import service, wishes
from meterhall.marketplace.catalogue.search import OfferSearch, catalogue
from meterhall.marketplace.players.models import Player
from meterhall.marketplace.players.service import PlayerNotAdmitted
from meterhall.web.api import BadCursor, BadLimit, endpoint, page
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import state
from meterhall.web.security import OptionalTokenAuth, TokenAuth, caller

INVALID = (InvalidOffer, EmptyDuration, PeriodEmpty, UnknownCountry, InvalidCoverage, CoverageIsPod, TextHoldsPod)
PROVIDERS_ONLY = (PlayerNotAdmitted, service.NotAProvider)


def add_catalogue(api: NinjaAPI) -> None:
    """Publish the calls."""
    _add_providing(api)
    _add_searching(api)
    _add_wishes(api)


def _add_providing(api: NinjaAPI) -> None:
    member = TokenAuth("market")

    @endpoint(api, "POST", "/v1/offers", response=OfferView, status=201, auth=member, step="1 offer",
              refuses=(*PROVIDERS_ONLY, *INVALID))  # fmt: skip
    def post_offer(request: HttpRequest, body: Offer) -> OfferView:
        """Register an offer, as a draft of its first version."""
        return service.draft(caller(request), body)

    @endpoint(api, "PUT", "/v1/offers/{offer_id}", response=OfferView, auth=member, step="1 offer",
              refuses=(*PROVIDERS_ONLY, *INVALID, service.UnknownOffer))  # fmt: skip
    def put_offer(request: HttpRequest, offer_id: str, body: Offer) -> OfferView:
        """A new version of an offer, as a draft; what is published stays so until the new one is."""
        return service.revise(caller(request), offer_id, body)

    @endpoint(api, "POST", "/v1/offers/{offer_id}/publication", response=OfferView, auth=member, step="1 offer",
              refuses=(*PROVIDERS_ONLY, service.UnknownOffer, service.NotCertified, service.GeneralContractUnsigned,
                       WrongState))  # fmt: skip
    def publish_offer(request: HttpRequest, offer_id: str) -> OfferView:
        """Publish the newest version; the one before is superseded, contracts under it keep running."""
        return service.publish(caller(request), offer_id)

    @endpoint(api, "POST", "/v1/offers/{offer_id}/withdrawal", response=OfferView, auth=member, step="1 offer",
              refuses=(*PROVIDERS_ONLY, service.UnknownOffer, WrongState))  # fmt: skip
    def withdraw_offer(request: HttpRequest, offer_id: str) -> OfferView:
        """Take an offer off the catalogue; running contracts keep running."""
        return service.withdraw(caller(request), offer_id)


def _add_searching(api: NinjaAPI) -> None:
    anyone = OptionalTokenAuth("market")

    @endpoint(api, "GET", "/v1/offers", response=Page[OfferView], auth=anyone, step="2 search",
              refuses=(BadCursor, BadLimit))  # fmt: skip
    def search_offers(request: HttpRequest, wanted: Query[OfferSearch]) -> Page[OfferView]:
        """Offers that have everything asked for; words are looked for in title, summary and provider's name."""
        shown = catalogue()
        found = page(shown.search(wanted), shown.view, after=wanted.after, limit=wanted.limit)
        _note_search(caller(request), len(found.items))
        return found

    @endpoint(api, "GET", "/v1/offers/{offer_id}", response=OfferView, auth=anyone, step="2 search",
              refuses=(service.UnknownOffer,))  # fmt: skip
    def get_offer(request: HttpRequest, offer_id: str, version: int | None = None) -> OfferView:
        """An offer: its published version, or the one asked for."""
        return service.find(offer_id, caller(request), version)

    @endpoint(api, "GET", "/v1/offers/{offer_id}/versions", response=Page[OfferView], auth=anyone, step="2 search",
              refuses=(service.UnknownOffer,))  # fmt: skip
    def get_versions(request: HttpRequest, offer_id: str) -> Page[OfferView]:
        """All versions of an offer that were ever published, oldest first; its provider sees drafts as well."""
        shown = catalogue()
        return Page(items=[shown.view(row) for row in service.versions(offer_id, caller(request))])

    @endpoint(api, "GET", "/v1/providers", response=Page[ProviderView], auth=anyone, step="list",
              refuses=(UnknownCountry,))  # fmt: skip
    def list_providers(
        request: HttpRequest, country: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[ProviderView]:
        """The admitted providers: what they cover, where they are reached, until when they are certified."""
        if country is not None:
            check_country(country, field="/country")
        rows = Player.objects.filter(is_provider=True, status="admitted")
        rows = rows.filter(country=country) if country else rows
        return page(rows, catalogue().provider_view, after=after, limit=limit, by="access_number")


def _note_search(number: str, found: int) -> None:
    """A search by a player is stated with its count; what was looked for is not."""
    if number != "anonymous":
        state(
            "search.answered",
            transaction_id=new_id("srh"),
            parties=(number, my_access_number()),
            counts={"offers": found},
        )


def _add_wishes(api: NinjaAPI) -> None:
    member = TokenAuth("market")
    unknown = (wishes.UnknownWish,)

    @endpoint(api, "POST", "/v1/wishes", response=WishView, status=201, auth=member, step="3 request",
              refuses=(PlayerNotAdmitted, wishes.NotARequester, UnknownCountry, TextHoldsPod,
                       PeriodEmpty, wishes.WishOver))  # fmt: skip
    def post_wish(request: HttpRequest, body: Wish) -> WishView:
        """Say what is needed; matched with what is on offer now and whenever a new offer is published."""
        return wishes.register(caller(request), body)

    @endpoint(api, "GET", "/v1/wishes", response=Page[WishView], auth=member, step="3 request")
    def list_wishes(request: HttpRequest, after: str | None = None, limit: int = 100) -> Page[WishView]:
        """The caller's wishes."""
        return page(wishes.of_player(caller(request)), wishes.view, after=after, limit=limit)

    @endpoint(api, "GET", "/v1/wishes/{wish_id}", response=WishView, auth=member, step="3 request", refuses=unknown)
    def get_wish(request: HttpRequest, wish_id: str) -> WishView:
        """A wish with the offers that fit it, and why others do not."""
        return wishes.view(wishes.find(caller(request), wish_id))

    @endpoint(api, "DELETE", "/v1/wishes/{wish_id}", response=WishView, auth=member, step="3 request", refuses=unknown)
    def close_wish(request: HttpRequest, wish_id: str) -> WishView:
        """Stop looking."""
        return wishes.close(caller(request), wish_id)
