"""The kit's own pages: refusals, and the switches for language and looks."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from meterhall.domain.errors import MeterhallError
from meterhall.web.accounts.service import set_language
from meterhall.web.accounts.session import signed_in
from meterhall.web.membership.steps import CODES, missing_step
from meterhall.web.portal.context import THEME_COOKIE, THEMES

YEAR_S = 31_536_000
UNAVAILABLE = 503


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Remember the person's language and theme in this browser and go back to the page they came from."""
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = "/"
    response = HttpResponseRedirect(back)
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES):
        _keep(response, settings.LANGUAGE_COOKIE_NAME, language)
        if person := signed_in(request):
            set_language(person, language)
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        _keep(response, THEME_COOKIE, theme)
    return response


def _keep(response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=YEAR_S, secure=True, httponly=True, samesite="Lax")


def refusal(request: HttpRequest, fault: MeterhallError) -> HttpResponse:
    """A typed refusal as a page: what is the matter, which step is missing, its code, and the way on."""
    step = missing_step() if getattr(fault, "remote_code", fault.code) in CODES else None
    context = {
        "fault": fault,
        "step": step[0] if step else "",
        "to_step": step[1] if step else None,
        "again": request.get_full_path() if fault.status == UNAVAILABLE and request.method in ("GET", "HEAD") else "",
        "may_pass": fault.status == UNAVAILABLE,
    }
    response = render(request, "portal/refusal.html", context, status=fault.status)
    response.code = fault.code  # type: ignore[attr-defined]  # for the log
    if fault.retry_after_s is not None:
        response["Retry-After"] = str(fault.retry_after_s)
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form came without the mark that says it is ours: usually an old tab or cookies switched off."""
    detail = _("This form has been open for too long, or your browser keeps no cookies. Go back, reload and try again.")
    return render(request, "403.html", {"detail": detail}, status=403)
