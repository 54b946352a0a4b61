"""Access tokens bound to a key (OAuth 2.0 with RFC 7523 and RFC 9449): got, kept, shown with a proof, renewed."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from meterhall.client.errors import TokenRefused, UnreadableAnswer, unreachable
from meterhall.domain.protocol.keys import SigningKey, sign

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE_S: Final = 60
METADATA: Final = "/.well-known/oauth-authorization-server"
MARGIN_S: Final = 30
"""A token is renewed this long before it ends, so that none ends on the way."""

ERROR = re.compile(r'\berror="([a-z_]+)"')


def dpop_proof(key: SigningKey, method: str, url: str, *, nonce: str | None = None, token: str | None = None) -> str:
    """The proof (RFC 9449) that whoever makes this very request holds `key`, and shows `token` by right."""
    claims: dict[str, Any] = {
        "jti": secrets.token_urlsafe(16),
        "htm": method,
        "htu": url.partition("#")[0].partition("?")[0],
        "iat": int(time.time()),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if token is not None:
        claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    return sign(claims, key, typ="dpop+jwt", jwk=key.public.jwk())


def client_assertion(access_number: str, key: SigningKey, issuer: str) -> str:
    """The JWT by which a player shows who it is at `issuer` (RFC 7523, private_key_jwt); good for once."""
    now = int(time.time())
    claims = {
        "iss": access_number,
        "sub": access_number,
        "aud": issuer,
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + ASSERTION_LIFE_S,
    }
    return sign(claims, key, typ="JWT")


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and until when (monotonic clock) it is shown."""

    value: str = field(repr=False)
    until: float


class TokenEndpoint:
    """The authorization server of one platform, as one player speaks to it: assertion and proof with each call.

    `dpop_key` is the key tokens are bound to; without one, a fresh key for as long as this object lives. `attestation`
    gives the Market Place's word for the player, or None; it goes with each call.
    """

    def __init__(
        self,
        base_url: str,
        access_number: str,
        key: SigningKey,
        *,
        http: httpx.Client,
        dpop_key: SigningKey | None = None,
        attestation: Callable[[], str | None] | None = None,
    ) -> None:
        self.issuer = base_url.rstrip("/")
        self._access_number = access_number
        self._key = key
        self._http = http
        self._dpop_key = dpop_key or SigningKey.generate()
        self._attestation = attestation
        self._nonce: str | None = None

    def proof(self, method: str, url: str, token: str | None = None, nonce: str | None = None) -> str:
        """A proof for one request, with this nonce, else the one last heard."""
        return dpop_proof(self._dpop_key, method, url, nonce=nonce or self._nonce, token=token)

    def learn_nonce(self, response: httpx.Response) -> str | None:
        """Keep the nonce of an answer, and give it if there was one.

        Whoever repeats a request shows the nonce it was answered with: other threads may have heard an older one since.
        """
        nonce: str | None = response.headers.get("DPoP-Nonce")
        self._nonce = nonce or self._nonce
        return nonce

    def post(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """The answer of `/oauth/token` or `/oauth/par`.

        Raises `TokenRefused`, `RemoteUnreachable`, `UnreadableAnswer`.
        """
        if self._attestation is not None and (attestation := self._attestation()):
            form = {**form, "attestation": attestation}
        response = self._once(path, form)
        if (nonce := self.learn_nonce(response)) and oauth_error(response) == "use_dpop_nonce":
            response = self._once(path, form, nonce)
            self.learn_nonce(response)
        if response.is_error:
            raise TokenRefused(response)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise UnreadableAnswer(f"{self.issuer}{path} does not answer as OAuth has it.")
        return answer

    def metadata(self) -> dict[str, Any]:
        """What the server says of itself (RFC 8414). Raises `RemoteUnreachable`, `UnreadableAnswer`."""
        try:
            response = self._http.get(self.issuer + METADATA, headers={"Accept": "application/json"}, auth=httpx.Auth())
            answer = response.raise_for_status().json()
        except httpx.TransportError as fault:
            raise unreachable(self.issuer, fault) from fault
        except (httpx.HTTPStatusError, ValueError):
            answer = None
        if not isinstance(answer, dict) or answer.get("issuer") != self.issuer:
            raise UnreadableAnswer(f"{self.issuer}{METADATA} does not answer as RFC 8414 has it.")
        return answer

    def _once(self, path: str, form: Mapping[str, str], nonce: str | None = None) -> httpx.Response:
        url = self.issuer + path
        shown = {
            "client_id": self._access_number,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": client_assertion(self._access_number, self._key, self.issuer),
        }
        headers = {"DPoP": self.proof("POST", url, nonce=nonce), "Accept": "application/json"}
        try:
            return self._http.post(url, data={**form, **shown}, headers=headers, auth=httpx.Auth())
        except httpx.TransportError as fault:
            raise unreachable(self.issuer, fault) from fault


def oauth_error(response: httpx.Response) -> str | None:
    """The OAuth error of an answer: in the body of an authorization server's, in WWW-Authenticate of a resource's."""
    if challenge := ERROR.search(response.headers.get("WWW-Authenticate", "")):
        return challenge[1]
    try:
        answer = response.json()
    except (ValueError, httpx.ResponseNotRead):
        return None
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, str) else None


class DPoPAuth(httpx.Auth):
    """Calls one platform with a DPoP-bound token of its own (client_credentials, private_key_jwt).

    The token is got when first needed, shared by all threads, and renewed shortly before it ends or once when it is
    refused. `attestation` gives the Market Place's word for us, or None; it goes with each token request. For a
    synchronous client; a request whose body can be sent only once is not sent a second time. Raises like
    `TokenEndpoint.post`.
    """

    def __init__(
        self,
        base_url: str,
        access_number: str,
        key: SigningKey,
        *,
        http: httpx.Client,
        attestation: Callable[[], str | None] | None = None,
        dpop_key: SigningKey | None = None,
        scope: str | None = None,
    ) -> None:
        self._endpoint = TokenEndpoint(
            base_url, access_number, key, http=http, dpop_key=dpop_key, attestation=attestation
        )
        self._scope = scope
        self._token: Token | None = None
        self._lock = threading.Lock()

    def headers(self, method: str, url: str) -> dict[str, str]:
        """The headers that authorise one call made by somebody else: the token, and a proof that is good for once."""
        token = self._fetch()
        return {"Authorization": f"DPoP {token.value}", "DPoP": self._endpoint.proof(method, url, token.value)}

    def ready(self) -> None:
        """Have a token at hand, got on this thread where there is none. Raises like `TokenEndpoint.post`."""
        self._current()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send with token and proof; once more after a new nonce, once more after a new token."""
        can_repeat = isinstance(request.stream, httpx.ByteStream)
        token = self._current()
        answered: set[str | None] = set()
        nonce: str | None = None
        while True:
            request.headers["Authorization"] = f"DPoP {token.value}"
            request.headers["DPoP"] = self._endpoint.proof(request.method, str(request.url), token.value, nonce)
            response = yield request
            nonce = self._endpoint.learn_nonce(response)
            if response.status_code not in {401, 403} or not can_repeat:
                return
            error = oauth_error(response)
            if error in answered or (error, nonce) == ("use_dpop_nonce", None):
                return
            if error in {"invalid_token", "insufficient_scope"}:
                token = self._current(refused=token)
            elif error != "use_dpop_nonce":
                return
            answered.add(error)

    def _current(self, refused: Token | None = None) -> Token:
        """The token in use; a new one when it is about to end or is the one `refused`."""
        with self._lock:
            held = self._token
            if held is None or held is refused or time.monotonic() >= held.until:
                held = self._token = self._fetch()
            return held

    def _fetch(self) -> Token:
        form = {"grant_type": "client_credentials"}
        if self._scope is not None:
            form["scope"] = self._scope
        asked = time.monotonic()
        answer = self._endpoint.post("/oauth/token", form)
        value, kind, life_s = answer.get("access_token"), answer.get("token_type"), answer.get("expires_in")
        if not isinstance(value, str) or str(kind).lower() != "dpop" or not isinstance(life_s, int):
            raise UnreadableAnswer("The token answer holds no DPoP-bound token.")
        return Token(value, asked + max(life_s - MARGIN_S, life_s / 2))
