"""What every page passes: the content security policy, the portal's zone, and refusals shown as pages."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone

from meterhall.domain.errors import MeterhallError
from meterhall.web.platform import platform

log = structlog.get_logger(__name__)
Handler = Callable[[HttpRequest], HttpResponseBase]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'{form_action}; frame-ancestors 'none'; base-uri 'none'"
)
FORM_ACTION = "_portal_form_action"


def csp_form_action(response: HttpResponse, url: str) -> HttpResponse:
    """Let this page's forms lead on to the origin of `url`: browsers hold redirects to `form-action` too."""
    parts = urlsplit(url)
    setattr(response, FORM_ACTION, f" {parts.scheme}://{parts.netloc}")
    return response


class ContentSecurityMiddleware:
    """Put the policy on every answer: nothing from elsewhere, nothing inline."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response["Content-Security-Policy"] = POLICY.format(form_action=getattr(response, FORM_ACTION, ""))
        return response


class ZoneMiddleware:
    """Show times in the zone the portal is set to."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(ZoneInfo(platform().config.zone)):
            return self.get_response(request)


class ErrorPageMiddleware:
    """Show a typed refusal raised by a page as a page; the APIs turn their own into problem documents."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, fault: Exception) -> HttpResponse | None:
        from meterhall.web.portal.views import refusal

        if not isinstance(fault, MeterhallError) or _listener(request) == "b2b":
            return None
        return refusal(request, fault)


def _listener(request: HttpRequest) -> str:
    return str(getattr(request, "scope", {}).get("meterhall_listener", ""))
