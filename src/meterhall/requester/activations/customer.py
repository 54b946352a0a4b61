"""The two pages a customer sees here: where the provider's consent page begins, and what came of it. No sign-in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from meterhall.domain.errors import NotPermitted
from meterhall.domain.protocol.consents import MeteringDataDetail
from meterhall.requester.activations import consents
from meterhall.requester.activations.models import ConsentRequest
from meterhall.web.messaging.peers import peer
from meterhall.web.platform import platform
from meterhall.web.portal.middleware import csp_form_action
from meterhall.web.portal.templatetags.portal import day_range
from meterhall.web.portal.values import Fact
from meterhall.web.portal.words import DIRECTION, GRANULARITY, listed

STATE = "consent_state"


class AnotherBrowser(NotPermitted):
    code = "another_browser"
    title = "Open the link again: this answer belongs to another browser, or the session has ended."


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def start(request: HttpRequest, token: str) -> HttpResponse:
    """Who asks, for what and how long; the button leads to the provider, where the customer decides."""
    asked = consents.find_by_token(token)
    if request.method == "POST":
        url = consents.start(asked)
        request.session[STATE] = asked.oauth_state
        return HttpResponseRedirect(url)
    context = {
        "asked": asked,
        "open": asked.state in {consents.OPEN, consents.STARTED},
        "needs": [_facts(detail) for detail in consents.details_of(asked)],
        "requester": platform().config.name,
        "provider": asked.subscription.provider_name,
    }
    response = render(request, "requester_activations/start.html", context)
    return csp_form_action(response, consents.page_of(asked)) if context["open"] else response


@never_cache
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """The customer is back: what was granted, and how to stop it."""
    state = request.GET.get("state", "")
    if not state or request.session.get(STATE) != state:
        raise AnotherBrowser
    asked = consents.take_answer(
        state, request.GET.get("iss", ""), request.GET.get("code", ""), request.GET.get("error", "")
    )
    del request.session[STATE]
    return render(request, "requester_activations/result.html", _result(asked))


def _result(asked: ConsentRequest) -> dict[str, object]:
    view = consents.consent_view(asked)
    return {
        "granted": asked.state == consents.GRANTED,
        "denied": asked.error == "access_denied",
        "error": asked.error,
        "needs": [_facts(detail) for detail in view.granted],
        "consent_id": asked.consent_id,
        "requester": platform().config.name,
        "provider": asked.subscription.provider_name,
        "provider_portal": consents.portal_of(peer(asked.subscription.provider)),
    }


def _facts(detail: MeteringDataDetail) -> list[Fact]:
    period = detail.scope.period
    return [
        Fact(_("What for"), detail.purpose),
        Fact(
            _("Which data"),
            f"{listed(DIRECTION, detail.scope.directions)}, {listed(GRANULARITY, detail.scope.granularities)}",
        ),
        Fact(_("Readings"), day_range(period.first, period.until) if period else _("as far as there are")),
        Fact(_("Until"), detail.access_until),
    ]
