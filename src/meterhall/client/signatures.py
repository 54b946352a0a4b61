"""Signed HTTP requests: RFC 9421 with Ed25519, the body bound by its RFC 9530 digest. Tokens are `tokens`' matter."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    VerifyResult,
    algorithms,
)

from meterhall.domain.protocol.keys import BadSignature, ClockOff, PublicKey, SigningKey, clock_off

TAG = "meterhall"
MAX_AGE = timedelta(minutes=5)
SKEW = timedelta(seconds=30)
ALWAYS = ("@method", "@target-uri", "content-digest")
WHEN_PRESENT = ("content-type", "webhook-id")

KeyOf = Callable[[str], PublicKey | None]
"""The key behind a `keyid` (`<access number>#<kid>`), or None when its owner may not send here."""


@dataclass(slots=True)
class _Message:
    """What the signature covers, in the shape the library reads."""

    method: str
    url: str
    headers: Any


class _OwnKey(HTTPSignatureKeyResolver):
    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def resolve_private_key(self, key_id: str) -> Any:
        return self._key.private


class _KnownKeys(HTTPSignatureKeyResolver):
    def __init__(self, key_of: KeyOf) -> None:
        self._key_of = key_of

    def resolve_public_key(self, key_id: str) -> Any:
        key = self._key_of(key_id)
        return key.raw if key else None


class _Verifier(HTTPMessageVerifier):
    """The library's verifier, reading the clock it is given instead of the machine's."""

    def __init__(self, key_of: KeyOf, now: datetime) -> None:
        super().__init__(signature_algorithm=algorithms.ED25519, key_resolver=_KnownKeys(key_of))
        self._now = now

    def validate_created_and_expires(self, sig_input: Any, max_age: timedelta | None = None) -> None:
        """Refuse a signature made too long ago, in the future, or past its own `expires`."""
        created, expires = _instant(sig_input.params.get("created")), _instant(sig_input.params.get("expires"))
        if created is None:
            raise BadSignature("The signature does not say when it was made.")
        if not created - SKEW <= self._now <= created + MAX_AGE + SKEW:
            raise ClockOff(clock_off(created, self._now))
        if expires is not None and self._now > expires + SKEW:
            raise BadSignature("The signature is too old.")


def _instant(seconds: object) -> datetime | None:
    if not isinstance(seconds, int):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise BadSignature("The signature names an instant that is none.") from None


def _covered(headers: Mapping[str, str]) -> tuple[str, ...]:
    present = {name.lower() for name in headers}
    return ALWAYS + tuple(name for name in WHEN_PRESENT if name in present)


class SignedRequest(httpx.Auth):
    """Signs each request of an httpx client with a player's transport key (RFC 9421, tag `meterhall`).

    The signature covers method, target URI, content digest, and content type and webhook id where there are any.
    """

    requires_request_body = True

    def __init__(self, access_number: str, key: SigningKey) -> None:
        self._key_id = f"{access_number}#{key.kid}"
        self._signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=_OwnKey(key))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put `Content-Digest`, `Signature-Input` and `Signature` on the request."""
        request.headers.pop("Content-Digest", None)
        self._signer.sign(
            _Message(request.method, str(request.url), request.headers),
            key_id=self._key_id,
            created=datetime.now(UTC),
            nonce=secrets.token_urlsafe(12),
            label=TAG,
            tag=TAG,
            covered_component_ids=_covered(request.headers),
            body=request.content,
        )
        yield request


def verify_request(
    method: str, url: str, headers: Mapping[str, str], body: bytes, key_of: KeyOf, *, now: datetime
) -> str:
    """The access number of the player that signed this request (RFC 9421) within the last five minutes.

    `url` is built from the receiver's own settings, never from the Host header. Replay is the receiver's matter: an
    event is known by its id, putting the same part twice changes nothing. Raises `BadSignature`.
    """
    message = _Message(method, url, dict(headers))
    try:
        results: list[VerifyResult] = _Verifier(key_of, now).verify(
            message, max_age=MAX_AGE, expect_tag=TAG, require_components=_covered(headers), body=body
        )
    except (HTTPMessageSignaturesException, ValueError) as fault:
        raise _refusal(fault) from fault
    signers = {str(result.parameters["keyid"]).partition("#")[0] for result in results}
    if len(signers) != 1:
        raise BadSignature("A request is signed by one party.", field="/Signature")
    return signers.pop()


def _refusal(fault: Exception) -> BadSignature:
    """Our own words where we have them; a library's text may quote what was sent."""
    cause = fault.args[0] if fault.args else None
    if isinstance(cause, BadSignature):
        return type(cause)(cause.detail, field="/Signature")
    return BadSignature(field="/Signature")
