"""JWT access tokens (RFC 9068) bound to a DPoP key: made, and read again."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from meterhall.authserver.errors import InvalidToken
from meterhall.domain.protocol.keys import ALGORITHMS, SigningKey

TYP = "at+jwt"
LIFE_S = 600


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token says: whose it is, what for, and to which key it is bound."""

    client_id: str
    scopes: tuple[str, ...]
    jkt: str


def issue(access: Access, issuer: str, key: SigningKey, now: datetime) -> str:
    """A token for this platform's own resources, good for ten minutes."""
    issued = int(now.timestamp())
    claims = {
        "iss": issuer,
        "aud": issuer,
        "sub": access.client_id,
        "client_id": access.client_id,
        "scope": " ".join(access.scopes),
        "iat": issued,
        "exp": issued + LIFE_S,
        "jti": secrets.token_urlsafe(12),
        "cnf": {"jkt": access.jkt},
    }
    header = {"alg": ALGORITHMS[0], "typ": TYP, "kid": key.kid}
    return jwt.encode(header, claims, key.jose, algorithms=ALGORITHMS)


def read(token: str, issuer: str, key: SigningKey, now: datetime) -> Access:
    """What the token says. Raises `InvalidToken` when it is not ours, not for us, or over."""
    claims = _claims(token, key)
    for_us = (claims.get("iss"), claims.get("aud")) == (issuer, issuer)
    expires, bound = claims.get("exp"), claims.get("cnf")
    if not for_us or not isinstance(expires, int) or not isinstance(bound, dict):
        raise InvalidToken
    if now.timestamp() >= expires:
        raise InvalidToken("The access token has ended.", code="token_expired")
    return Access(str(claims["client_id"]), tuple(str(claims["scope"]).split()), str(bound.get("jkt")))


def _claims(token: str, key: SigningKey) -> dict[str, Any]:
    try:
        if jws.extract_compact(token.encode()).headers().get("typ") != TYP:
            raise InvalidToken
        return jwt.decode(token, key.public.jose, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError, TypeError, RecursionError) as fault:
        raise InvalidToken from fault
