"""The customer's consent page: who asks, why, for which data, how long; allow or refuse. Later pages: `customer`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.consents import GrantedDetail, MeteringDataDetail
from meterhall.provider.activations.service import consent_denied, consent_granted
from meterhall.provider.consents.service import check_needs, grant
from meterhall.provider.consents.words import what
from meterhall.provider.points.models import Point
from meterhall.provider.points.service import holder_points, label_for_holder
from meterhall.web.accounts.access import person_of, role_required
from meterhall.web.oauth.service import OpenRequest, approve, deny, open_request
from meterhall.web.portal.middleware import csp_form_action


class NothingChosen(InvalidInput):
    code = "nothing_chosen"
    title = "Choose at least one kind of data and one meter, or refuse."


class Undecided(InvalidInput):
    code = "undecided"
    title = "The answer is either to allow or to refuse."


@dataclass(frozen=True, slots=True)
class Need:
    """A data need as the page shows it."""

    name: str
    purpose: str
    lines: list[str]
    until: object
    chosen: bool


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter of the customer as the page shows it."""

    handle: str
    label: str
    area: str
    chosen: bool


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@role_required("customer")
def authorize(request: HttpRequest) -> HttpResponseBase:
    """Show a pushed request to the customer, or take the answer. What is wrong with it is shown here, not sent on."""
    given = request.POST if request.method == "POST" else request.GET
    asked = open_request(given.get("client_id", ""), given.get("request_uri", ""))
    check_needs(asked.client_id, asked.details)
    holder = person_of(request).holder_reference
    points = holder_points(holder)
    if request.method != "POST":
        return _page(request, asked, points)
    decision = given.get("decision")
    if decision == "refuse":
        return _send_back(_refuse(asked, points))
    if decision != "allow":
        return _page(request, asked, points, Undecided())
    try:
        granted = _chosen(request, asked, points)
    except NothingChosen as fault:
        return _page(request, asked, points, fault)
    return _send_back(_allow(asked, holder, granted))


def _chosen(request: HttpRequest, asked: OpenRequest, points: list[Point]) -> list[GrantedDetail]:
    """The needs granted, each for the meters chosen. Where there is one of a kind, allowing means that one."""
    handles = set(request.POST.getlist("point")) if len(points) > 1 else {point.handle for point in points}
    needs = set(request.POST.getlist("need")) if len(asked.details) > 1 else {asked.details[0].need}
    mine = tuple(point.handle for point in points if point.handle in handles)
    granted = [detail for detail in asked.details if detail.need in needs]
    if not mine or not granted:
        raise NothingChosen
    return [GrantedDetail.model_validate({**detail.model_dump(), "points": mine}) for detail in granted]


def _allow(asked: OpenRequest, holder: str, granted: list[GrantedDetail]) -> str:
    with transaction.atomic():
        consent = grant(asked.client_id, holder, granted)
        consent_granted(consent)
        return approve(asked, consent.consent_id, granted)


def _refuse(asked: OpenRequest, points: list[Point]) -> str:
    with transaction.atomic():
        subscriptions = {detail.subscription_id for detail in asked.details}
        consent_denied(asked.client_id, [point.pk for point in points], subscriptions)
        return deny(asked)


def _send_back(url: str) -> HttpResponse:
    response = HttpResponse(status=303, headers={"Location": url, "Referrer-Policy": "no-referrer"})
    return csp_form_action(response, url)


def _page(
    request: HttpRequest, asked: OpenRequest, points: list[Point], fault: InvalidInput | None = None
) -> HttpResponse:
    needs, handles = set(request.POST.getlist("need")), set(request.POST.getlist("point"))
    query = {"client_id": asked.client_id, "request_uri": asked.request_uri}
    context = {
        "asked": asked,
        "needs": [_need(detail, detail.need in needs) for detail in asked.details],
        "meters": [Meter(one.handle, label_for_holder(one), one.area, one.handle in handles) for one in points],
        "fault": fault,
        "here": f"{reverse('consents:authorize')}?{urlencode(query)}",
        "title": _("%(name)s asks for your electricity data") % {"name": asked.client_name},
    }
    response = render(request, "consents/authorize.html", context, status=fault.status if fault else 200)
    return csp_form_action(response, asked.redirect_uri)


def _need(detail: MeteringDataDetail, chosen: bool) -> Need:
    return Need(detail.need, detail.purpose, what(detail.scope), detail.access_until, chosen)


urlpatterns = [path("oauth/authorize", authorize, name="authorize")]
