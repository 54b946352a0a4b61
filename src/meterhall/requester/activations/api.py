"""Back-office calls about activations and the consents behind them."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.domain.protocol.base import Message, Page
from meterhall.requester.activations.consents import (
    ConsentRequestIn,
    ConsentRequestView,
    ScopeBeyondContract,
    consent_view,
    create_consent_request,
)
from meterhall.requester.activations.models import Activation, ConsentRequest
from meterhall.requester.activations.service import (
    ActivationIn,
    ActivationOver,
    ActivationView,
    EvidenceIncomplete,
    ItemView,
    NothingToRefresh,
    RefreshIn,
    SubscriptionNotActive,
    UnknownActivation,
    activation_view,
    ask,
    find,
    item_view,
    refresh,
)
from meterhall.requester.partners.service import UnknownSubscription
from meterhall.web.api import endpoint, page
from meterhall.web.staff.service import StaffAuth


class Refreshed(Message):
    """The change as kept; it is sent by the worker."""

    refresh: int
    added: int
    removed: int


def add_activations(api: NinjaAPI) -> None:
    """Publish the calls."""
    staff = StaffAuth()

    @endpoint(api, "POST", "/activations", response=ActivationView, status=202, auth=staff, step="6 activation",
              refuses=(UnknownSubscription, SubscriptionNotActive, EvidenceIncomplete))  # fmt: skip
    def post_activation(request: HttpRequest, body: ActivationIn) -> ActivationView:
        """Ask a provider to activate PODs, each with its proof of consent; answers follow per POD."""
        return activation_view(ask(body))

    @endpoint(api, "GET", "/activations", response=Page[ActivationView], auth=staff, step="6 activation")
    def get_activations(request: HttpRequest, after: str | None = None, limit: int = 100) -> Page[ActivationView]:
        """Our activations."""
        rows = Activation.objects.select_related("subscription")
        return page(rows, activation_view, after=after, limit=limit)

    @endpoint(api, "GET", "/activations/{number}", response=ActivationView, auth=staff, step="6 activation",
              refuses=(UnknownActivation,))  # fmt: skip
    def get_activation(request: HttpRequest, number: int) -> ActivationView:
        """An activation with its counts."""
        return activation_view(find(number))

    @endpoint(api, "GET", "/activations/{number}/answers", response=Page[ItemView], auth=staff, step="7 answers",
              refuses=(UnknownActivation,))  # fmt: skip
    def get_answers(
        request: HttpRequest, number: int, state: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[ItemView]:
        """What was answered for each POD."""
        items = find(number).items.all()
        return page(items.filter(state=state) if state else items, item_view, after=after, limit=limit, by="position")

    @endpoint(api, "POST", "/activations/{number}/items", response=Refreshed, status=202, auth=staff,
              step="6 activation",
              refuses=(UnknownActivation, ActivationOver, NothingToRefresh, EvidenceIncomplete))  # fmt: skip
    def post_items(request: HttpRequest, number: int, body: RefreshIn) -> Refreshed:
        """Add PODs to, and remove PODs from, a running activation."""
        change = refresh(find(number), body)
        return Refreshed(refresh=change.pk, added=len(body.add), removed=len(body.remove))

    @endpoint(api, "POST", "/consent-requests", response=ConsentRequestView, status=201, auth=staff, step="7 consent",
              refuses=(UnknownSubscription, SubscriptionNotActive, ScopeBeyondContract))  # fmt: skip
    def post_consent_request(request: HttpRequest, body: ConsentRequestIn) -> ConsentRequestView:
        """Make a link by which a customer is led to the provider's consent page."""
        return consent_view(create_consent_request(body))

    @endpoint(api, "GET", "/consent-requests", response=Page[ConsentRequestView], auth=staff, step="7 consent")
    def get_consent_requests(
        request: HttpRequest, reference: str | None = None, after: str | None = None, limit: int = 100
    ) -> Page[ConsentRequestView]:
        """The consent requests and what became of them."""
        rows = ConsentRequest.objects.select_related("subscription")
        return page(rows.filter(reference=reference) if reference else rows, consent_view, after=after, limit=limit)
