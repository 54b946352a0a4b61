"""What every request passes: the listener's own URLs, the count, and a correlation id that crosses platforms."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.exceptions import BadRequest, DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.http.multipartparser import MultiPartParserError

from meterhall.domain.errors import InvalidInput, MeterhallError, NotFound, NotPermitted
from meterhall.domain.market.texts import holds_pod
from meterhall.web.api import BodyTooLarge, DatabaseUnavailable, problem
from meterhall.web.logs import fresh_correlation
from meterhall.web.metrics import counter, histogram

log = structlog.get_logger(__name__)
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


class UnreadableRequest(MeterhallError):
    status = 400
    code = "unreadable_request"
    title = "The request cannot be read: its form, its headers or its parts are not as HTTP has them, or too many."


class UnknownHost(MeterhallError):
    status = 400
    code = "unknown_host"
    title = "The Host header names none of this platform's addresses."


REFUSALS: dict[int, type[MeterhallError]] = {
    error.status: error
    for error in (UnreadableRequest, NotPermitted, NotFound, MethodNotAllowed, BodyTooLarge, MeterhallError)
}
"""What a program is told in place of a page with this status."""


class ListenerMiddleware:
    """Serve the URLs of the listener the request came in by, and no others; to programs refuse as to programs.
    An address with a NUL, which PostgreSQL cannot be asked for, is refused here, and a host that is not ours."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        listener = _listener(request)
        urls: dict[str, str] = getattr(settings, "METERHALL_URLS", {})
        if listener is not None:
            request.urlconf = urls[listener]
        if listener == "b2b":
            # Nothing here stands on a cookie, so no form can be forged; a wrong method is told as such.
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return problem(
                InvalidInput("The address holds the character NUL, which nothing here is named by.", field="")
            )
        if not _is_for_programs(request):
            return self.get_response(request)
        try:
            request.get_host()
        except DisallowedHost:
            return problem(UnknownHost(field="/Host"))
        response = self.get_response(request)
        is_page = response.get("Content-Type", "").startswith("text/")
        return _as_problem(response) if is_page and response.status_code in REFUSALS else response

    def process_exception(self, request: HttpRequest, fault: Exception) -> HttpResponse | None:
        """The problem document of what a view beside the APIs, OAuth's for one, has not refused by itself."""
        if not _is_for_programs(request) or isinstance(fault, Http404 | PermissionDenied):
            return None
        if isinstance(fault, MeterhallError):
            return problem(fault)
        if isinstance(fault, RequestDataTooBig):
            return problem(BodyTooLarge())
        if isinstance(fault, SuspiciousOperation | BadRequest | MultiPartParserError):
            log.info("request.unreadable", error=type(fault).__name__)
            return problem(UnreadableRequest())
        if isinstance(fault, OperationalError | InterfaceError):
            log.error("api.no_database", error=type(fault).__name__)
            return problem(DatabaseUnavailable(retry_after_s=5))
        log.exception("api.fault", error=type(fault).__name__)
        return problem(MeterhallError())


def _listener(request: HttpRequest) -> str | None:
    found: str | None = getattr(request, "scope", {}).get("meterhall_listener")
    return found


def _is_for_programs(request: HttpRequest) -> bool:
    return _listener(request) == "b2b" or request.path.startswith("/api/")


def _as_problem(response: HttpResponseBase) -> HttpResponseBase:
    """The problem document in place of a page: no such address, not by this method, not readable."""
    answer = problem(REFUSALS[response.status_code]())
    for name in ("Allow", "Retry-After"):
        if name in response:
            answer[name] = response[name]
    return answer


class MeasureMiddleware:
    """Count and time each answer by listener, method, route and status; a path nobody serves is `none`."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = self.get_response(request)
        listener = _listener(request) or "none"
        route = f"/{request.resolver_match.route}" if request.resolver_match else "none"
        method = request.method if request.method in METHODS else "other"
        ANSWERS.labels(listener, method, route, response.status_code).inc()
        SECONDS.labels(listener, route).observe(time.perf_counter() - began)
        return response


def _log_refusal(request: HttpRequest, response: HttpResponseBase) -> None:
    """One line for each answer that refuses: which call as published, never what somebody wrote into its address.

    The question for a fresh nonce belongs to the exchange (RFC 9449 section 8) and is none.
    """
    match = request.resolver_match
    code = code_of(response)
    said = log.debug if code == "use_dpop_nonce" else log.info
    call = f"{request.method} /{match.route}" if match else f"{request.method} (no such page)"
    said("request.refused", call=call, code=code, status=response.status_code)
    response._has_been_logged = True  # type: ignore[attr-defined]  # the framework writes no line of its own


def code_of(response: HttpResponseBase) -> str:
    """The code of a refusal, of a problem document, an OAuth error or a page; empty where it has none."""
    if not isinstance(response, HttpResponse):
        return ""
    if "json" not in response.get("Content-Type", ""):
        return str(getattr(response, "code", ""))
    body = json.loads(response.content)
    return str(body.get("code", "")) if isinstance(body, dict) else ""


class CorrelationMiddleware:
    """Bind `X-Correlation-Id` (the caller's, else a fresh one) to the logs and give it back; log what is refused.

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
            if response.status_code >= 400:
                _log_refusal(request, response)
        response["X-Correlation-Id"] = correlation
        return response
