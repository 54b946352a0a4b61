"""Who is calling an API: a player by its DPoP-bound token, or a platform's own machine by its staff key."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.security.base import AuthBase

from meterhall.domain.errors import NotPermitted
from meterhall.web.oauth.errors import InvalidProof, InvalidToken, NonceNeeded, TokenMissing
from meterhall.web.oauth.service import caller_of


class ScopeMissing(NotPermitted):
    """Answered with the challenge of RFC 6750, section 3.1: a token older than a new right is to be renewed."""

    code = "scope_missing"
    title = "The access token does not carry the scope this call needs."

    def headers(self) -> dict[str, str]:
        """`WWW-Authenticate`."""
        return {"WWW-Authenticate": f'DPoP error="insufficient_scope", error_description="{self.title}"'}


class TokenAuth(AuthBase):
    """A call by another player: a DPoP-bound access token of this platform with at least one of `scopes`."""

    openapi_type = "http"
    openapi_scheme = "DPoP"
    refuses = (TokenMissing, InvalidToken, InvalidProof, NonceNeeded, ScopeMissing)

    def __init__(self, *scopes: str) -> None:
        self.scopes = frozenset(scopes)
        super().__init__()

    def __call__(self, request: HttpRequest) -> Any:
        known = caller_of(request)
        if not self.scopes & set(known.scopes):
            raise ScopeMissing(
                f"This call needs one of the scopes: {', '.join(sorted(self.scopes))}.", field="/Authorization"
            )
        return known.client_id


class OptionalTokenAuth(TokenAuth):
    """As `TokenAuth`; without any token the caller is nobody in particular."""

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if request.headers.get("Authorization") else "anonymous"


def caller(request: HttpRequest) -> str:
    """The access number of the player calling; "anonymous" where a call allows it."""
    return str(getattr(request, "auth", ""))
