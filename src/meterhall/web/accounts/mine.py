"""My account: how I sign in, and what I change about it after a second factor just shown."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from meterhall.domain.errors import MeterhallError
from meterhall.web.accounts import factors, service
from meterhall.web.accounts.access import fresh_required, person_of, role_required
from meterhall.web.accounts.forms import PasswordForm, PasswordsDiffer, valid
from meterhall.web.accounts.portal import get_or_post, page


@never_cache
@require_safe
@role_required()
def mine(request: HttpRequest) -> HttpResponseBase:
    """Who I am here, my factors, codes and password."""
    person = person_of(request)
    return page(
        request,
        "mine",
        person=person,
        factors=factors.factors_of(person),
        codes_left=factors.codes_left(person),
        has_password=person.has_usable_password(),
    )


@never_cache
@get_or_post
@fresh_required
def password(request: HttpRequest) -> HttpResponseBase:
    """Set or change the password; sessions elsewhere end."""
    if request.method != "POST":
        return page(request, "password", PasswordForm())
    person, form = person_of(request), PasswordForm(request.POST)
    try:
        given = valid(form)
        if given["password"] != given["again"]:
            raise PasswordsDiffer(field="/again")
        service.set_password(person, given["password"])
    except MeterhallError as fault:
        return page(request, "password", form, fault)
    update_session_auth_hash(request, person)
    messages.success(request, gettext("Your password is set."))
    return redirect("accounts:mine")


@require_POST
@fresh_required
def remove_factor(request: HttpRequest, factor_id: int) -> HttpResponseBase:
    """Take one of my factors away; never the last."""
    factors.remove_factor(person_of(request), factor_id)
    messages.success(request, gettext("The second factor is removed."))
    return redirect("accounts:mine")
