"""What every request passes: the listener's own URLs, and a correlation id that crosses platforms."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

Handler = Callable[[HttpRequest], HttpResponseBase]
CORRELATION = re.compile(r"[A-Za-z0-9._-]{8,64}")


class ListenerMiddleware:
    """Serve the URLs of the listener the request came in by, and no others."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        listener = getattr(request, "scope", {}).get("meterhall_listener")
        urls: dict[str, str] = getattr(settings, "METERHALL_URLS", {})
        if listener is not None:
            request.urlconf = urls[listener]
        return self.get_response(request)


class CorrelationMiddleware:
    """Bind `X-Correlation-Id` (the caller's, else a fresh one) to the logs and give it back."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Correlation-Id", "")
        correlation = given if CORRELATION.fullmatch(given) else secrets.token_hex(8)
        with structlog.contextvars.bound_contextvars(correlation=correlation):
            response = self.get_response(request)
        response["X-Correlation-Id"] = correlation
        return response
