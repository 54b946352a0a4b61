"""The pages by which people get in and out: link or password, second factor, enrolment."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate, logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from meterhall.domain.errors import InvalidInput, MeterhallError
from meterhall.web.accounts import factors, service, session
from meterhall.web.accounts.access import fresh_required, person_of, role_required
from meterhall.web.accounts.forms import CodeForm, SignInForm, credential_in, mark, valid
from meterhall.web.accounts.models import Person
from meterhall.web.accounts.session import NEXT

get_or_post = require_http_methods(["GET", "HEAD", "POST"])


class WrongPassword(InvalidInput):
    code = "wrong_password"
    title = "This address and password do not belong together."


def page(
    request: HttpRequest, name: str, form: forms.Form | None = None, fault: MeterhallError | None = None, **shown: Any
) -> HttpResponse:
    """A page of this app; with the refusal that sent the person back to it, and its status."""
    if form is not None and fault is not None:
        mark(form, fault)
    context = {**shown, "form": form, "next": _next(request)}
    response = render(request, f"accounts/{name}.html", context, status=fault.status if fault else 200)
    if fault is not None and fault.retry_after_s is not None:
        response["Retry-After"] = str(fault.retry_after_s)
    return response


def _next(request: HttpRequest) -> str:
    """Where the person wanted to go: a path of this portal, else nothing."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return wanted if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure()) else ""


def land(request: HttpRequest, person: Person) -> HttpResponse:
    """On to where the person wanted to go, in the person's language."""
    response = HttpResponseRedirect(_next(request) or request.session.pop(NEXT, "") or settings.LOGIN_REDIRECT_URL)
    if person.language:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME, person.language, secure=True, httponly=True, samesite="Lax"
        )  # fmt: skip
    return response


@never_cache
@get_or_post
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """E-mail and password, or a passkey; whoever has neither asks for a link."""
    if wanted := _next(request):
        request.session[NEXT] = wanted
    person = session.signed_in(request)
    if request.method != "POST":
        return land(request, person) if person else page(request, "sign_in", SignInForm())
    form = SignInForm(request.POST)
    try:
        known = _by_password(request, form)
    except MeterhallError as fault:
        return page(request, "sign_in", form, fault)
    session.begin(request, known, "password")
    return redirect("accounts:second_factor")


def _by_password(request: HttpRequest, form: SignInForm) -> Person:
    given = valid(form)
    key = f"password:{given['email'].lower()}"
    factors.count_attempt(request, key)
    known = authenticate(request, username=given["email"], password=given["password"])
    if not isinstance(known, Person):
        raise WrongPassword(field="/password")
    factors.forget_attempts(request, key)
    return known


@never_cache
@get_or_post
def passkey_sign_in(request: HttpRequest) -> HttpResponseBase:
    """A passkey alone signs in: the device holds it and its person opens it, which makes two factors."""
    if request.method != "POST":
        return HttpResponse(factors.ask_passkey(None), content_type="application/json")
    try:
        person = factors.check_passkey(request, None, credential_in(request.POST.get("credential", "")))
    except MeterhallError as fault:
        return page(request, "sign_in", SignInForm({}), fault)
    session.begin(request, person, "passkey")
    session.complete(request, person, "webauthn")
    return land(request, person)


@never_cache
@get_or_post
def link(request: HttpRequest) -> HttpResponseBase:
    """Looking at a link says whose it is and for where; only the button uses it up (mail scanners look, too)."""
    token = request.GET.get("token", "")
    if request.method != "POST":
        return page(request, "link", person=service.look_at_link(token).person)
    session.begin(request, service.claim_link(token), "link")
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
    form = CodeForm(request.POST) if request.method == "POST" else CodeForm()
    fault: MeterhallError | None = None
    if request.method == "POST":
        try:
            session.complete(request, person, _method(request, person, form, recovery))
        except MeterhallError as refusal:
            fault = refusal
        else:
            return land(request, person)
    types = set(factors.factors_of(person).values_list("type", flat=True))
    asked = factors.ask_passkey(person) if "webauthn" in types else None
    has_code = recovery or "totp" in types
    return page(request, "second_factor", form, fault, recovery=recovery, has_code=has_code, passkey=asked)


def _method(request: HttpRequest, person: Person, form: CodeForm, recovery: bool) -> factors.Method:
    if "credential" in request.POST:
        factors.check_passkey(request, person, credential_in(request.POST["credential"]))
        return "webauthn"
    return factors.check_code(request, person, valid(form)["code"], recovery=recovery)


@never_cache
@require_safe
@role_required()
def codes(request: HttpRequest) -> HttpResponseBase:
    """The recovery codes, the one time they are shown."""
    fresh, left = factors.recovery_codes(person_of(request))
    onward = request.session.pop(NEXT, "") if fresh else ""
    return page(request, "codes", codes=fresh, left=left, onward=onward or settings.LOGIN_REDIRECT_URL)


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
