"""The pages that set up a second factor: at the first visit, or later by somebody who has just shown one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache

from meterhall.domain.errors import MeterhallError
from meterhall.web.accounts import factors, session
from meterhall.web.accounts.access import go_and_come_back
from meterhall.web.accounts.forms import CodeForm, PasskeyForm, credential_in, valid
from meterhall.web.accounts.models import Person
from meterhall.web.accounts.portal import get_or_post, page
from meterhall.web.accounts.qr import qr_svg


def _enrolling(request: HttpRequest) -> Person | HttpResponseBase:
    """Who may enrol a factor now; else where to go first."""
    person = session.signed_in(request)
    if person is not None:
        shown = session.proof(request)
        fresh = shown is not None and shown.is_fresh(session.FRESH_S)
        return person if fresh else go_and_come_back(request, reverse("accounts:confirm"))
    person = session.pending(request)
    if person is None:
        return redirect("accounts:sign_in")
    return redirect("accounts:second_factor") if factors.factors_of(person).exists() else person


def _enrolled(request: HttpRequest, person: Person, method: factors.Method) -> HttpResponseBase:
    first_time = session.signed_in(request) is None
    factors.ensure_recovery_codes(person)
    session.complete(request, person, method)
    return redirect("accounts:codes" if first_time else "accounts:mine")


@never_cache
@get_or_post
def app(request: HttpRequest) -> HttpResponseBase:
    """Set up an authenticator app: the seed as text and as a picture, then a code that proves it arrived."""
    person = _enrolling(request)
    if not isinstance(person, Person):
        return person
    form = CodeForm(request.POST) if request.method == "POST" else CodeForm()
    form.fields["code"].label = gettext("The six digits the app shows now")
    fault: MeterhallError | None = None
    if request.method == "POST":
        try:
            factors.enrol_totp(request, person, valid(form)["code"])
        except MeterhallError as refusal:
            fault = refusal
        else:
            return _enrolled(request, person, "totp")
    seed = factors.offered_seed(request)
    return page(request, "enrol_app", form, fault, seed=seed, qr=qr_svg(factors.seed_url(person, seed)))


@never_cache
@get_or_post
def passkey(request: HttpRequest) -> HttpResponseBase:
    """Make a passkey."""
    person = _enrolling(request)
    if not isinstance(person, Person):
        return person
    form = PasskeyForm(request.POST) if request.method == "POST" else PasskeyForm({"name": gettext("My device")})
    fault: MeterhallError | None = None
    if request.method == "POST":
        try:
            given = valid(form)
            factors.enrol_passkey(person, given["name"], credential_in(given["credential"]))
        except MeterhallError as refusal:
            fault = refusal
        else:
            return _enrolled(request, person, "webauthn")
    return page(request, "enrol_passkey", form, fault, passkey=factors.begin_passkey(person))
