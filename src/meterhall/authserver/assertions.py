"""Client authentication by a signed assertion (RFC 7523, private_key_jwt): Authlib's, with our keys, clock and caps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from meterhall.authserver.dpop import is_one_time_id, mark
from meterhall.authserver.errors import InvalidClient
from meterhall.authserver.foundation import Assertion, OAuth2Error
from meterhall.authserver.stores import ClientRecord, ReplayStore
from meterhall.domain.protocol.keys import Registry, clock_off

ASSERTION_ALGORITHMS = ("Ed25519", "EdDSA")
REGISTRY = Registry(list(ASSERTION_ALGORITHMS))
SKEW = timedelta(seconds=60)
LONGEST_LIFE = timedelta(minutes=10)


class PrivateKeyJwt(Assertion):  # type: ignore[misc]
    """iss = sub = client_id, aud = the issuer or an endpoint of ours, short-lived, good for once."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, audiences: tuple[str, ...], replays: ReplayStore, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._audiences = frozenset(audiences)
        self._replays = replays
        self._clock = clock

    def __call__(self, query_client: Callable[[str], ClientRecord | None], request: Any) -> ClientRecord:
        """The client that made the assertion. Raises `InvalidClient`."""
        try:
            client: ClientRecord | None = super().__call__(query_client, request)
        except InvalidClient:
            raise
        except (OAuth2Error, JoseError, ValueError, TypeError, RecursionError) as fault:
            raise InvalidClient("The client assertion cannot be read.") from fault
        if client is None:
            raise InvalidClient("The request needs a client_assertion (RFC 7523).", code="client_assertion_missing")
        if request.payload.client_id not in (None, client.client_id):
            raise InvalidClient("client_id and the client assertion name two clients.", field="/client_id")
        return client

    def resolve_client_public_key(self, client: ClientRecord) -> KeySet:
        return KeySet.import_key_set({"keys": [dict(key) for key in client.keys]})

    def process_assertion_claims(self, assertion: str, resolve_key: KeySet) -> Mapping[str, Any]:
        """Check signature and claims, and that this assertion was not seen before."""
        try:
            claims = jwt.decode(assertion, resolve_key, registry=REGISTRY).claims
        except (JoseError, ValueError) as fault:
            raise InvalidClient("The client assertion is not signed with a key known for the client.") from fault
        self.verify_claims(claims)
        return claims

    def verify_claims(self, claims: Mapping[str, Any]) -> None:
        now = self._clock()
        subject, audience, jti = claims.get("sub"), claims.get("aud"), claims.get("jti")
        if claims.get("iss") != subject:
            raise InvalidClient("iss and sub of the client assertion are the client_id.")
        if not self._audiences & set(audience if isinstance(audience, list) else [audience]):
            raise InvalidClient("The client assertion is meant for another server (aud).")
        expires = _instant(claims.get("exp"))
        starts = _instant(claims["nbf"]) if "nbf" in claims else now
        made = _instant(claims["iat"]) if "iat" in claims else now
        if not now - LONGEST_LIFE - SKEW <= made <= now + SKEW:
            raise InvalidClient(f"The client assertion is of another time. {clock_off(made, now)}", code="clock_off")
        if not now - SKEW < expires <= now + LONGEST_LIFE or starts > now + SKEW:
            raise InvalidClient("The client assertion has ended, or lives longer than ten minutes.")
        if not is_one_time_id(jti):
            raise InvalidClient("The client assertion needs a jti of 8 to 200 visible ASCII characters.")
        if not self._replays.first_time(mark("assertion", str(subject), jti), expires + SKEW):
            raise InvalidClient("This client assertion was used before.", code="assertion_replayed")


def _instant(seconds: object) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        raise InvalidClient("A time in the client assertion is none.") from None
