"""Back-office calls towards the Market Place: offers, wishes, subscriptions. Signing is a person's page."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI
from pydantic import Field

from meterhall.client.b2b import RemoteRefusal, RemoteUnreachable
from meterhall.domain.protocol.agreements import SubscriptionRequest, SubscriptionView
from meterhall.domain.protocol.base import Country, FormatName, GranularityName, LongText, Message, Page
from meterhall.domain.protocol.offers import OfferView, ServiceType, Wish, WishView
from meterhall.requester.activations.service import quit_service
from meterhall.requester.partners.models import Subscription, WishKept
from meterhall.requester.partners.service import UnknownSubscription, search, subscribe, subscription, wish
from meterhall.web.api import endpoint, page
from meterhall.web.staff.service import StaffAuth

REMOTE = (RemoteRefusal, RemoteUnreachable)


class QuitIn(Message):
    """Why a subscription ends."""

    reason: LongText = Field("", description="Shown to the provider.")


def add_partners(api: NinjaAPI) -> None:
    """Publish the calls."""
    staff = StaffAuth()

    @endpoint(api, "GET", "/offers", response=Page[OfferView], auth=staff, step="2 search", refuses=REMOTE)
    def get_offers(
        request: HttpRequest,
        text: str | None = None,
        country: Country | None = None,
        service_type: ServiceType | None = None,
        granularity: GranularityName | None = None,
        format: FormatName | None = None,
        provider: str | None = None,
        after: str | None = None,
    ) -> Page[OfferView]:
        """Search the offers of the Market Place."""
        return search(
            text=text, country=country, service_type=service_type, granularity=granularity, format=format,
            provider=provider, after=after,
        )  # fmt: skip

    @endpoint(api, "POST", "/wishes", response=WishView, status=201, auth=staff, step="3 wish", calls_out=True,
              refuses=REMOTE)  # fmt: skip
    def post_wish(request: HttpRequest, body: Wish) -> WishView:
        """Register what we need; told when a new offer fits."""
        return wish(body)

    @endpoint(api, "GET", "/wishes", response=Page[WishView], auth=staff, step="3 wish")
    def get_wishes(request: HttpRequest, after: str | None = None, limit: int = 100) -> Page[WishView]:
        """Our wishes with what fits them."""
        return page(WishKept.objects.all(), _wish, after=after, limit=limit)

    @endpoint(api, "POST", "/subscriptions", response=SubscriptionView, status=201, auth=staff, step="5 subscription",
              calls_out=True, refuses=REMOTE)  # fmt: skip
    def post_subscription(request: HttpRequest, body: SubscriptionRequest) -> SubscriptionView:
        """Ask for a contract under a version of an offer; a signer then signs it on its page."""
        return subscribe(body)

    @endpoint(api, "GET", "/subscriptions", response=Page[SubscriptionView], auth=staff, step="5 subscription")
    def get_subscriptions(request: HttpRequest, after: str | None = None, limit: int = 100) -> Page[SubscriptionView]:
        """Our subscriptions."""
        return page(Subscription.objects.all(), _subscription, after=after, limit=limit)

    @endpoint(api, "GET", "/subscriptions/{subscription_id}", response=SubscriptionView, auth=staff,
              step="5 subscription", refuses=(UnknownSubscription,))  # fmt: skip
    def get_subscription(request: HttpRequest, subscription_id: str) -> SubscriptionView:
        """A subscription with its contract and signatures."""
        return _subscription(subscription(subscription_id))

    @endpoint(api, "POST", "/subscriptions/{subscription_id}/quit", response=SubscriptionView, auth=staff,
              step="5 subscription", calls_out=True, refuses=(UnknownSubscription, *REMOTE))  # fmt: skip
    def post_quit(request: HttpRequest, subscription_id: str, body: QuitIn) -> SubscriptionView:
        """End a subscription and everything that runs under it."""
        return quit_service(subscription_id, body.reason)


def _wish(row: WishKept) -> WishView:
    return WishView.model_validate(row.document)


def _subscription(row: Subscription) -> SubscriptionView:
    return SubscriptionView.model_validate(row.document | {"state": row.state})
