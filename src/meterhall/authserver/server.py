"""The authorization server: Authlib's dispatch over our grants, and what it says of itself (RFC 8414)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from meterhall.authserver.access_tokens import LIFE_S, Access, issue
from meterhall.authserver.assertions import ASSERTION_ALGORITHMS, PrivateKeyJwt
from meterhall.authserver.calls import Answer, Call
from meterhall.authserver.details import DETAIL_TYPE
from meterhall.authserver.dpop import Proof, check_proof
from meterhall.authserver.errors import (
    DPOP_ALGORITHMS,
    OF_AUTHLIB,
    InvalidClient,
    InvalidProof,
    InvalidRequest,
    InvalidScope,
    Refusal,
)
from meterhall.authserver.foundation import Dispatcher, OAuth2Error, OAuth2Request, Payload
from meterhall.authserver.grants import NO_STORE, AuthorizationCode, ClientCredentials, OnlyS256, Par
from meterhall.authserver.nonces import Nonces
from meterhall.authserver.stores import ClientRecord, Stores
from meterhall.domain.protocol.consents import MeteringDataDetail
from meterhall.domain.protocol.keys import SigningKey

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - an address
PAR_PATH: Final = "/oauth/par"
JWKS_PATH: Final = "/oauth/jwks"
CHALLENGE: Final = f'DPoP algs="{" ".join(DPOP_ALGORITHMS)}"'


@dataclass(frozen=True, slots=True)
class Settings:
    """`issuer` is the base URL; `authorize_url` is where customers consent, empty where none does."""

    issuer: str
    key: SigningKey
    scopes: tuple[str, ...]
    authorize_url: str = ""


class _Request(OAuth2Request):  # type: ignore[misc]
    def __init__(self, call: Call) -> None:
        super().__init__(call.method, call.url, headers=call.headers)
        self.call = call
        self.payload = Payload({name: values[-1] for name, values in call.form.items()})

    @property
    def form(self) -> dict[str, str]:
        sent: dict[str, str] = self.payload.data
        return sent


class AuthorizationServer(Dispatcher):  # type: ignore[misc]
    """Token endpoint and pushed requests. All stores and the clock are the caller's.

    `introduce` sees each call with a good proof before its client is looked up, and may make the client known;
    `check_details` sees what a client wants to ask a customer for, and may refuse it.
    """

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        nonces: Nonces,
        clock: Callable[[], datetime],
        introduce: Callable[[Call], None] | None = None,
        check_details: Callable[[str, tuple[MeteringDataDetail, ...]], None] | None = None,
    ) -> None:
        super().__init__(scopes_supported=settings.scopes)
        self.settings = settings
        self.stores = stores
        self.now = clock
        self._nonces = nonces
        self._introduce = introduce
        self._check_details = check_details
        audiences = (settings.issuer, settings.issuer + TOKEN_PATH, settings.issuer + PAR_PATH)
        self.register_client_auth_method("private_key_jwt", PrivateKeyJwt(audiences, stores.replays, clock))
        self.register_grant(ClientCredentials)
        if settings.authorize_url:
            self.register_grant(AuthorizationCode, [OnlyS256(required=True)])
        self.register_endpoint(Par)

    def token(self, call: Call) -> Answer:
        """Answer `POST /oauth/token`; refusals in OAuth's own shape with `code` and `detail` beside."""
        return self._guarded(call, self.create_token_response)

    def par(self, call: Call) -> Answer:
        """Answer `POST /oauth/par`."""
        return self._guarded(call, lambda request: self.create_endpoint_response(Par.ENDPOINT_NAME, request))

    def _guarded(self, call: Call, answer: Callable[[Call], Answer]) -> Answer:
        repeated = next((name for name, values in call.form.items() if len(values) > 1), None)
        if repeated is not None:
            return self.refuse(InvalidRequest(f"{repeated} is given more than once.", field=f"/{repeated}"))
        return answer(call)

    def refuse(self, refusal: OAuth2Error) -> Answer:
        """The answer that says so; never a redirect, this is no page."""
        status: int = refusal.status_code
        headers = [*NO_STORE, ("WWW-Authenticate", CHALLENGE)] if status == 401 else NO_STORE
        return self.handle_response(status, refusal_body(refusal), headers)

    def query_client(self, client_id: str) -> ClientRecord:
        """The client. Raises `InvalidClient` for one that is unknown or may have no token now."""
        client = self.stores.clients.find(client_id)
        if client is None:
            raise InvalidClient(code="client_unknown")
        return client

    def check_details(self, client_id: str, details: tuple[MeteringDataDetail, ...]) -> None:
        """Let the deployment refuse what may not be asked for. Raises `InvalidDetails`."""
        if self._check_details is not None:
            self._check_details(client_id, details)

    def check_proof(self, request: Any) -> Proof:
        """The proof beside a request; it is used up only by `use_proof`, once all the rest is right."""
        return check_proof(request.call, self._nonces, self.now())

    def introduce(self, request: Any) -> None:
        """Let the deployment take in a client it does not know yet."""
        if self._introduce is not None:
            self._introduce(request.call)

    def use_proof(self, proof: Proof) -> None:
        """Raises `InvalidProof` the second time."""
        if not self.stores.replays.first_time(proof.mark, proof.until):
            raise InvalidProof("This DPoP proof was used before.", code="proof_replayed")

    def check_scope(self, request: Any) -> None:
        """Raises `InvalidScope` when the client asks for more than it has."""
        client: ClientRecord = request.client
        beyond = set((request.payload.scope or "").split()) - set(client.scopes)
        if beyond or not client.scopes:
            raise InvalidScope(field="/scope")

    def issue(self, client: ClientRecord, scope: str, proof: Proof) -> dict[str, Any]:
        """The token answer (RFC 6749, section 5.1)."""
        access = Access(client.client_id, tuple(scope.split()), proof.jkt)
        token = issue(access, self.settings.issuer, self.settings.key, self.now())
        return {"access_token": token, "token_type": "DPoP", "expires_in": LIFE_S, "scope": scope}

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        """Nothing is stored: a token says all, and stops with its client's row."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Any) -> _Request:
        return request if isinstance(request, _Request) else _Request(request)

    def handle_response(self, status: int, body: dict[str, Any], headers: list[tuple[str, str]]) -> Answer:
        return Answer(status, body, {**dict(headers), "DPoP-Nonce": self._nonces.make(self.now())})

    def handle_error_response(self, request: Any, error: OAuth2Error) -> Answer:
        return self.refuse(error)

    def metadata(self) -> dict[str, Any]:
        """The authorization server metadata (RFC 8414)."""
        issuer, authorize_url = self.settings.issuer, self.settings.authorize_url
        document: dict[str, Any] = {
            "issuer": issuer,
            "token_endpoint": issuer + TOKEN_PATH,
            "jwks_uri": issuer + JWKS_PATH,
            "scopes_supported": list(self.settings.scopes),
            "response_types_supported": ["code"] if authorize_url else [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
            "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        }
        if authorize_url:
            document["grant_types_supported"].append("authorization_code")
            document |= {
                "authorization_endpoint": authorize_url,
                "pushed_authorization_request_endpoint": issuer + PAR_PATH,
                "require_pushed_authorization_requests": True,
                "response_modes_supported": ["query"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_details_types_supported": [DETAIL_TYPE],
                "authorization_response_iss_parameter_supported": True,
            }
        return document

    def jwks(self) -> dict[str, Any]:
        """The key access tokens are signed with, as a JWK set."""
        return {"keys": [self.settings.key.public.jwk() | {"use": "sig", "alg": ASSERTION_ALGORITHMS[0]}]}


def refusal_body(refusal: OAuth2Error) -> dict[str, Any]:
    """OAuth's own members, and the house's `code`, `detail`, `field`."""
    said = OF_AUTHLIB.get(str(refusal.error)) or refusal.get_error_description()  # type: ignore[no-untyped-call]
    detail = str(said or refusal.error)
    code = refusal.code if isinstance(refusal, Refusal) else refusal.error
    body = {"error": refusal.error, "error_description": detail, "code": code, "detail": detail}
    field = refusal.field if isinstance(refusal, Refusal) else None
    return body if field is None else body | {"field": field}
