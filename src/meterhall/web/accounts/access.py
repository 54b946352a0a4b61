"""Who may see a page: roles, and for signers a second factor shown within the last five minutes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from meterhall.domain.errors import NotAuthenticated, NotPermitted
from meterhall.domain.protocol.agreements import SIGNER_FRESH_S
from meterhall.web.accounts.conf import SIGN_IN_PATH
from meterhall.web.accounts.models import Person
from meterhall.web.accounts.session import FRESH_S, proof, signed_in
from meterhall.web.membership.service import Signer, SignerNotFresh

View = Callable[..., HttpResponseBase]


class NotSignedIn(NotAuthenticated):
    code = "not_signed_in"
    title = "Sign in to see this page."


class RoleMissing(NotPermitted):
    code = "role_missing"
    title = "Your account does not have the role this page is for."


def person_of(request: HttpRequest) -> Person:
    """Who is signed in with a second factor. Raises `NotSignedIn`."""
    person = signed_in(request)
    if person is None:
        raise NotSignedIn
    return person


def may(request: HttpRequest, *roles: str) -> bool:
    """Whether somebody with one of these roles is signed in: what a page need not offer to others."""
    person = signed_in(request)
    return person is not None and person.has_role(*roles)


def role_required(*roles: str, writers: tuple[str, ...] = ()) -> Callable[[View], View]:
    """A view for people who are signed in with a second factor and have one of `roles`; without roles, for everybody
    signed in. Others go to sign in, or get a 403 page (`RoleMissing`), as do those who post without being `writers`."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            person = signed_in(request)
            if person is None:
                return go_and_come_back(request, SIGN_IN_PATH)
            if roles and not person.has_role(*roles):
                raise RoleMissing
            if writers and request.method not in ("GET", "HEAD") and not person.has_role(*writers):
                raise RoleMissing
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def fresh_signer(request: HttpRequest) -> Signer:
    """The signer of this request. Raises `NotSignedIn`, `RoleMissing`, and `SignerNotFresh` when the session's second
    factor (an authenticator app or a passkey; a recovery code never) is older than five minutes."""
    person = person_of(request)
    if not person.has_role("signer"):
        raise RoleMissing
    shown = proof(request)
    if shown is None or shown.method == "recovery_codes" or not shown.is_fresh(SIGNER_FRESH_S):
        raise SignerNotFresh
    return Signer(name=person.name, auth_time=shown.auth_time, amr=shown.amr)


def fresh_signer_required(view: View) -> View:
    """A view for signers; a second factor older than five minutes is asked for again, and the person comes back."""

    @functools.wraps(view)
    @role_required("signer")
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            fresh_signer(request)
        except SignerNotFresh:
            return go_and_come_back(request, reverse("accounts:confirm"))
        return view(request, *args, **kwargs)

    return guarded


def fresh_required(view: View) -> View:
    """A view that changes how somebody signs in: any second factor, shown within the last five minutes."""

    @functools.wraps(view)
    @role_required()
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        shown = proof(request)
        if shown is None or not shown.is_fresh(FRESH_S):
            return go_and_come_back(request, reverse("accounts:confirm"))
        return view(request, *args, **kwargs)

    return guarded


def go_and_come_back(request: HttpRequest, to: str) -> HttpResponse:
    """Send the browser to `to`, which sends it back to this page; a form goes back to the page it stood on."""
    back = request.get_full_path()
    if request.method not in ("GET", "HEAD"):
        stood = urlsplit(request.headers.get("Referer", ""))
        back = stood.path + (f"?{stood.query}" if stood.query else "") if stood.netloc == request.get_host() else "/"
    url = f"{to}?{urlencode({'next': back})}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)
