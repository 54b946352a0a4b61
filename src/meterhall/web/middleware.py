"""What every request passes: the listener's own URLs, the count, and a correlation id that crosses platforms."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from meterhall.domain.errors import InvalidInput, MeterhallError, NotFound
from meterhall.domain.market.texts import holds_pod
from meterhall.web.api import problem
from meterhall.web.logs import fresh_correlation
from meterhall.web.metrics import counter, histogram

Handler = Callable[[HttpRequest], HttpResponseBase]
CORRELATION = re.compile(r"[A-Za-z0-9._-]{8,64}")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
ANSWERS = counter(
    "meterhall_http_requests", "Requests answered, by the route's pattern.", "listener", "method", "route", "status"
)
SECONDS = histogram(
    "meterhall_http_request_seconds",
    "Time until an answer begins; its body may take longer.",
    "listener",
    "route",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


class MethodNotAllowed(MeterhallError):
    status = 405
    code = "method_not_allowed"
    title = "This address does not know this method; `Allow` names those it knows."


class ListenerMiddleware:
    """Serve the URLs of the listener the request came in by, and no others; to programs refuse as to programs.
    An address with a NUL, which PostgreSQL cannot be asked for, is refused here."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        listener = getattr(request, "scope", {}).get("meterhall_listener")
        urls: dict[str, str] = getattr(settings, "METERHALL_URLS", {})
        if listener is not None:
            request.urlconf = urls[listener]
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return problem(
                InvalidInput("The address holds the character NUL, which nothing here is named by.", field="")
            )
        response = self.get_response(request)
        for_programs = listener == "b2b" or request.path.startswith("/api/")
        if for_programs and response.status_code in (404, 405) and response["Content-Type"].startswith("text/"):
            return _as_problem(response)
        return response


def _as_problem(response: HttpResponseBase) -> HttpResponseBase:
    """The problem document in place of a page: no such address, or not by this method."""
    answer = problem(NotFound() if response.status_code == 404 else MethodNotAllowed())
    if "Allow" in response:
        answer["Allow"] = response["Allow"]
    return answer


class MeasureMiddleware:
    """Count and time each answer by listener, method, route and status; a path nobody serves is `none`."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = self.get_response(request)
        listener = getattr(request, "scope", {}).get("meterhall_listener", "none")
        route = f"/{request.resolver_match.route}" if request.resolver_match else "none"
        method = request.method if request.method in METHODS else "other"
        ANSWERS.labels(listener, method, route, response.status_code).inc()
        SECONDS.labels(listener, route).observe(time.perf_counter() - began)
        return response


class CorrelationMiddleware:
    """Bind `X-Correlation-Id` (the caller's, else a fresh one) to the logs and give it back.

    One that reads as a point of delivery is not taken: it would stand in every log on the way.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Correlation-Id", "")
        is_fit = CORRELATION.fullmatch(given) and not holds_pod(given)
        correlation = given if is_fit else fresh_correlation()
        with structlog.contextvars.bound_contextvars(correlation=correlation):
            response = self.get_response(request)
        response["X-Correlation-Id"] = correlation
        return response
