"""The pages by which people get in and out: link or password, second factor, enrolment, language."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.i18n import set_language as django_set_language

from meterhall.domain.errors import InvalidInput, MeterhallError
from meterhall.web.accounts import factors, service, session
from meterhall.web.accounts.access import fresh_required, go_and_come_back, person_of, refusal_page, role_required
from meterhall.web.accounts.models import Person
from meterhall.web.accounts.qr import qr_svg
from meterhall.web.platform import platform

NEXT = "accounts_next"
get_or_post = require_http_methods(["GET", "HEAD", "POST"])


class WrongPassword(InvalidInput):
    code = "wrong_password"
    title = "This address and password do not belong together."


def page(request: HttpRequest, template: str, fault: MeterhallError | None = None, **context: Any) -> HttpResponse:
    """A page of this app, with the refusal that sent the person back to it, if any."""
    shown = {**context, "fault": fault, "platform_name": platform().config.name, "next": _next(request)}
    return render(request, f"accounts/{template}.html", shown, status=fault.status if fault else 200)


def _next(request: HttpRequest) -> str:
    """Where the person wanted to go: a path of this portal, else nothing."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return wanted if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure()) else ""


def land(request: HttpRequest, person: Person) -> HttpResponse:
    """On to where the person wanted to go, in the person's language."""
    response = HttpResponseRedirect(_next(request) or request.session.pop(NEXT, "") or settings.LOGIN_REDIRECT_URL)
    if person.language:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            person.language,
            secure=True,
            httponly=True,
            samesite="Lax",
            path=settings.LANGUAGE_COOKIE_PATH,
        )
    return response


@never_cache
@get_or_post
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """E-mail and password, or a passkey; whoever has neither asks for a link."""
    if wanted := _next(request):
        request.session[NEXT] = wanted
    person = session.signed_in(request)
    if request.method != "POST":
        return land(request, person) if person else page(request, "sign_in")
    email = request.POST.get("email", "").strip().lower()
    try:
        factors.count_attempt(request, f"password:{email}")
        known = authenticate(request, username=email, password=request.POST.get("password", ""))
        if not isinstance(known, Person):
            raise WrongPassword(field="/password")
    except MeterhallError as fault:
        return page(request, "sign_in", fault, email=email)
    factors.forget_attempts(request, f"password:{email}")
    session.begin(request, known, "password")
    return redirect("accounts:second_factor")


@never_cache
@get_or_post
def passkey_sign_in(request: HttpRequest) -> HttpResponseBase:
    """A passkey alone signs in: it is held by the device and opened by the person."""
    if request.method != "POST":
        return JsonResponse(factors.ask_passkey(None))
    try:
        person = factors.check_passkey(request, None, credential_of(request))
    except MeterhallError as fault:
        return page(request, "sign_in", fault)
    session.begin(request, person, "passkey")
    session.complete(request, person, "webauthn")
    return land(request, person)


def credential_of(request: HttpRequest) -> Any:
    """The browser's WebAuthn answer in a form. Raises `WrongPasskey`."""
    try:
        return json.loads(request.POST.get("credential", ""))
    except ValueError:
        raise factors.WrongPasskey(field="/credential") from None


@never_cache
@get_or_post
def link(request: HttpRequest, token: str) -> HttpResponseBase:
    """Looking at a link says whose it is and for where; only the button uses it up (mail scanners look, too)."""
    try:
        if request.method != "POST":
            return page(request, "link", person=service.look_at_link(token).person)
        person = service.claim_link(token)
    except MeterhallError as fault:
        return refusal_page(request, fault)
    session.begin(request, person, "link")
    return redirect("accounts:second_factor")


@never_cache
@get_or_post
def second_factor(request: HttpRequest) -> HttpResponseBase:
    """The second step of signing in; a first visit enrols a factor instead."""
    person = session.pending(request)
    if person is None:
        return redirect("accounts:sign_in")
    if not factors.factors_of(person).exists():
        return redirect("accounts:enrol")
    return _check(request, person, recovery=True)


@never_cache
@get_or_post
@role_required()
def confirm(request: HttpRequest) -> HttpResponseBase:
    """The second factor once more, for what must not rest on an open session; recovery codes do not count."""
    return _check(request, person_of(request), recovery=False)


def _check(request: HttpRequest, person: Person, *, recovery: bool) -> HttpResponseBase:
    show = partial(_check_page, request, person, recovery)
    if request.method != "POST":
        return show(None)
    try:
        if "credential" in request.POST:
            factors.check_passkey(request, person, credential_of(request))
            method: factors.Method = "webauthn"
        else:
            method = factors.check_code(request, person, request.POST.get("code", ""), recovery=recovery)
    except MeterhallError as fault:
        return show(fault)
    session.complete(request, person, method)
    return land(request, person)


def _check_page(request: HttpRequest, person: Person, recovery: bool, fault: MeterhallError | None) -> HttpResponse:
    types = set(factors.factors_of(person).values_list("type", flat=True))
    asked = factors.ask_passkey(person) if "webauthn" in types else None
    has_code = "totp" in types or recovery
    return page(request, "second_factor", fault, recovery=recovery, has_code=has_code, passkey=asked, whose=person)


def _enrolling(request: HttpRequest) -> Person | HttpResponseBase:
    """Who may enrol a factor now: a first visitor, or somebody who has just shown one; else where to go first."""
    person = session.signed_in(request)
    if person is not None:
        shown = session.proof(request)
        if shown is None or not shown.is_fresh(session.FRESH_S):
            return go_and_come_back(request, reverse("accounts:confirm"))
        return person
    person = session.pending(request)
    if person is None:
        return redirect("accounts:sign_in")
    if factors.factors_of(person).exists():
        return redirect("accounts:second_factor")
    return person


@never_cache
@get_or_post
def enrol(request: HttpRequest) -> HttpResponseBase:
    """Set up an authenticator app: the seed as text and as a picture, then a code that proves it arrived."""
    person = _enrolling(request)
    if not isinstance(person, Person):
        return person
    fault: MeterhallError | None = None
    if request.method == "POST":
        try:
            factors.enrol_totp(request, person, request.POST.get("code", ""))
        except MeterhallError as refusal:
            fault = refusal
        else:
            return _enrolled(request, person, "totp")
    seed = factors.offered_seed(request)
    return page(request, "enrol", fault, seed=seed, qr=qr_svg(factors.seed_url(person, seed)), whose=person)


@never_cache
@get_or_post
def enrol_passkey(request: HttpRequest) -> HttpResponseBase:
    """Make a passkey."""
    person = _enrolling(request)
    if not isinstance(person, Person):
        return person
    fault: MeterhallError | None = None
    if request.method == "POST":
        try:
            factors.enrol_passkey(person, request.POST.get("name", ""), credential_of(request))
        except MeterhallError as refusal:
            fault = refusal
        else:
            return _enrolled(request, person, "webauthn")
    return page(request, "enrol_passkey", fault, passkey=factors.begin_passkey(person), whose=person)


def _enrolled(request: HttpRequest, person: Person, method: factors.Method) -> HttpResponseBase:
    first_time = session.signed_in(request) is None
    factors.ensure_recovery_codes(person)
    session.complete(request, person, method)
    return redirect("accounts:codes" if first_time else "accounts:mine")


@never_cache
@require_safe
@role_required()
def codes(request: HttpRequest) -> HttpResponseBase:
    """The recovery codes, the one time they are shown."""
    fresh, left = factors.recovery_codes(person_of(request))
    return page(request, "codes", codes=fresh, left=left, onward=request.session.pop(NEXT, "") or "/")


@require_POST
@fresh_required
def new_codes(request: HttpRequest) -> HttpResponseBase:
    """Fresh recovery codes in place of the earlier ones."""
    factors.fresh_recovery_codes(person_of(request))
    return redirect("accounts:codes")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponseBase:
    """End the session."""
    logout(request)
    return redirect("accounts:sign_in")


@require_POST
def set_language(request: HttpRequest) -> HttpResponseBase:
    """Switch the language of the pages; remembered for somebody signed in."""
    person, language = session.signed_in(request), request.POST.get("language", "")
    if person is not None and language in dict(settings.LANGUAGES) and check_for_language(language):
        service.set_language(person, language)
    return django_set_language(request)
