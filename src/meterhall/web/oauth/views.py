"""The four OAuth addresses of the B2B listener."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from meterhall.authserver import Answer
from meterhall.web.oauth.servers import authorization_server
from meterhall.web.oauth.service import call_of


def _respond(answer: Answer) -> JsonResponse:
    return JsonResponse(answer.body, status=answer.status, headers=answer.headers)


@csrf_exempt
@require_POST
def token(request: HttpRequest) -> JsonResponse:
    """`POST /oauth/token`: client_credentials, or the code of a consent."""
    return _respond(authorization_server().token(call_of(request)))


@csrf_exempt
@require_POST
def par(request: HttpRequest) -> JsonResponse:
    """`POST /oauth/par`: a consent request, pushed (RFC 9126)."""
    return _respond(authorization_server().par(call_of(request)))


@require_safe
def jwks(request: HttpRequest) -> JsonResponse:
    """`GET /oauth/jwks`: the key of our access tokens."""
    return JsonResponse(authorization_server().jwks())


@require_safe
def metadata(request: HttpRequest) -> JsonResponse:
    """`GET /.well-known/oauth-authorization-server` (RFC 8414)."""
    return JsonResponse(authorization_server().metadata())
