"""Calls about activations: request, refresh, answers."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import NinjaAPI

from meterhall.domain.market import PeriodEmpty
from meterhall.domain.protocol.activations import Activated, ActivationRequest, ActivationView, ItemAnswer, Refresh
from meterhall.domain.protocol.base import Page
from meterhall.domain.protocol.consents import Termination
from meterhall.provider.activations.service import (
    ActivationEnded,
    PeriodMissing,
    ScheduleNotOffered,
    ScopeExceedsOffer,
    UnknownActivation,
    end,
    find,
    refresh,
    request_activation,
)
from meterhall.provider.activations.views import activation_view, item_answer
from meterhall.provider.contracts.service import NoContract
from meterhall.web.api import endpoint, page
from meterhall.web.oauth.service import caller_of
from meterhall.web.security import TokenAuth, caller

REQUEST_REFUSALS = (NoContract, ScopeExceedsOffer, PeriodMissing, PeriodEmpty, ScheduleNotOffered)


def add_activations(api: NinjaAPI) -> None:
    """Publish the calls."""
    data = TokenAuth("data", "sandbox")

    @endpoint(api, "POST", "/v1/activations", response=Activated, status=202, auth=data, step="6 activation",
              refuses=REQUEST_REFUSALS)  # fmt: skip
    def post_activation(request: HttpRequest, body: ActivationRequest) -> Activated:
        """Activate a subscription for PODs, each with the proof that its holder consents."""
        is_sandbox = "data" not in caller_of(request).scopes
        return request_activation(body, caller(request), is_sandbox=is_sandbox)

    @endpoint(api, "GET", "/v1/activations/{activation_id}", response=ActivationView, auth=data, step="6 activation",
              refuses=(UnknownActivation,))  # fmt: skip
    def get_activation(request: HttpRequest, activation_id: str) -> ActivationView:
        """An activation with its counts."""
        return activation_view(find(activation_id, caller(request)))

    @endpoint(api, "POST", "/v1/activations/{activation_id}/items", response=Activated, status=202, auth=data,
              step="6 activation", refuses=(UnknownActivation, ActivationEnded, NoContract))  # fmt: skip
    def refresh_activation(request: HttpRequest, activation_id: str, body: Refresh) -> Activated:
        """Add PODs to, and remove PODs from, a running activation."""
        return refresh(activation_id, caller(request), body)

    @endpoint(api, "POST", "/v1/activations/{activation_id}/termination", response=ActivationView, auth=data,
              step="6 activation", refuses=(UnknownActivation,))  # fmt: skip
    def terminate_activation(request: HttpRequest, activation_id: str, body: Termination) -> ActivationView:
        """End an activation: the caller needs its data no longer; it stops at once."""
        return activation_view(end(activation_id, caller(request)))

    @endpoint(api, "GET", "/v1/activations/{activation_id}/answers", response=Page[ItemAnswer], auth=data,
              step="7 consent check", refuses=(UnknownActivation,))  # fmt: skip
    def get_answers(
        request: HttpRequest, activation_id: str, after: str | None = None, limit: int = 100
    ) -> Page[ItemAnswer]:
        """The answer for each POD: accepted with what, from when until when; or refused with a code."""
        items = find(activation_id, caller(request)).items.select_related("consent_item__consent")
        return page(items, item_answer, after=after, limit=limit, by="position")
