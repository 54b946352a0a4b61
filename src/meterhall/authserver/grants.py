"""The two grants and the pushed request, on Authlib's, each with a DPoP proof checked first and used up last."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from meterhall.authserver.details import parse_details
from meterhall.authserver.dpop import Proof
from meterhall.authserver.errors import InvalidGrant, InvalidProof, InvalidRequest
from meterhall.authserver.foundation import (
    AuthorizationCodeGrant,
    BaseGrant,
    ClientCredentialsGrant,
    CodeChallenge,
    Endpoint,
    EndpointRequest,
)
from meterhall.authserver.stores import ClientRecord, CodeRecord, PushedRequest, Stores
from meterhall.domain.protocol.consents import MeteringDataDetail

AUTH_METHODS: Final = ["private_key_jwt"]
REQUEST_LIFE: Final = timedelta(seconds=590)
REQUEST_URI: Final = "urn:ietf:params:oauth:request_uri:"
STATE: Final = re.compile(r"[\x20-\x7e]{0,500}")
NO_STORE: Final = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]


class Server(Protocol):
    """What a grant asks of the server it belongs to."""

    @property
    def stores(self) -> Stores: ...
    @property
    def now(self) -> Callable[[], datetime]: ...
    def check_proof(self, request: Any) -> Proof: ...
    def use_proof(self, proof: Proof) -> None: ...
    def introduce(self, request: Any) -> None: ...
    def check_details(self, client_id: str, details: tuple[MeteringDataDetail, ...]) -> None: ...
    def check_scope(self, request: Any) -> None: ...
    def issue(self, client: ClientRecord, scope: str, proof: Proof) -> dict[str, Any]: ...
    def authenticate_client(self, request: Any, methods: list[str], endpoint: str) -> ClientRecord: ...
    def get_authorization_grant(self, request: Any) -> Any: ...


class BoundGrant(BaseGrant):  # type: ignore[misc]
    """What both grants share: no token without a proof, and each proof good for once."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    TOKEN_RESPONSE_HEADER = NO_STORE
    server: Server
    request: Any
    proof: Proof

    def validate_token_request(self) -> None:
        self.proof = self.server.check_proof(self.request)
        self.server.introduce(self.request)
        super().validate_token_request()

    def create_token_response(self) -> Any:
        self.server.use_proof(self.proof)
        return super().create_token_response()

    def generate_token(self, user: Any = None, scope: str | None = None, **_: Any) -> dict[str, Any]:
        client: ClientRecord = self.request.client
        return self.server.issue(client, client.get_allowed_scope(scope), self.proof)

    def validate_requested_scope(self) -> None:
        self.server.check_scope(self.request)


class ClientCredentials(BoundGrant, ClientCredentialsGrant):  # type: ignore[misc]
    """A player asks for a token of its own (RFC 6749, section 4.4)."""


class AuthorizationCode(BoundGrant, AuthorizationCodeGrant):  # type: ignore[misc]
    """A customer's consent is fetched with the code the customer brought (RFC 6749, section 4.1)."""

    def query_authorization_code(self, code: str, client: ClientRecord) -> CodeRecord:
        """Raises `InvalidGrant` for a code that is unknown, used, over, another's or bound to another key."""
        found = self.server.stores.codes.find(code_digest(code))
        if found is None or found.client_id != client.client_id:
            raise InvalidGrant("There is no such code for this client.", code="code_unknown")
        if found.used:
            raise InvalidGrant("The code was used before.", code="code_used")
        if self.server.now() >= found.expires_at:
            raise InvalidGrant("The code has ended.", code="code_expired")
        if found.dpop_jkt != self.proof.jkt:
            raise InvalidGrant("The code is bound to another DPoP key.", code="dpop_key_mismatch")
        return found

    def authenticate_user(self, authorization_code: CodeRecord) -> str:
        return authorization_code.grant_id

    def generate_token(self, user: Any = None, scope: str | None = None, **_: Any) -> dict[str, Any]:
        code: CodeRecord = self.request.authorization_code
        if not self.server.stores.codes.use(code.digest):
            raise InvalidGrant("The code was used before.", code="code_used")
        token = super().generate_token(scope=scope)
        return token | {"grant_id": code.grant_id, "authorization_details": list(code.details)}

    def delete_authorization_code(self, authorization_code: CodeRecord) -> None:
        """Kept, marked as used, until it is over: a second use is told apart from a wrong code."""


class OnlyS256(CodeChallenge):  # type: ignore[misc]
    """PKCE (RFC 7636), mandatory and with S256 only."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD: Final = ["S256"]

    def validate_code_challenge(self, grant: AuthorizationCode, redirect_uri: str) -> None:
        sent = grant.request.payload.data
        if not sent.get("code_challenge") or sent.get("code_challenge_method") != "S256":
            raise InvalidRequest("PKCE with S256 is needed: code_challenge, code_challenge_method.", code="pkce_needed")
        super().validate_code_challenge(grant, redirect_uri)


class Par(Endpoint):  # type: ignore[misc]
    """Pushed authorization requests (RFC 9126)."""

    ENDPOINT_NAME = "par"
    server: Server

    def validate_request(self, request: Any) -> Any:
        """Authenticate the client and check all that it asks for, before any customer sees it."""
        proof = self.server.check_proof(request)
        self.server.introduce(request)
        client: ClientRecord = self.server.authenticate_client(request, AUTH_METHODS, self.ENDPOINT_NAME)
        sent = request.payload.data
        if "request_uri" in sent or "request" in sent:
            raise InvalidRequest("A pushed request holds the parameters themselves.", field="/request_uri")
        if not STATE.fullmatch(sent.get("state", "")):
            raise InvalidRequest("state is at most 500 visible ASCII characters.", field="/state")
        if sent.get("response_mode", "query") != "query":
            raise InvalidRequest("The answer goes into the query of the redirect.", field="/response_mode")
        if sent.get("dpop_jkt", proof.jkt) != proof.jkt:
            raise InvalidProof("dpop_jkt names another key than the DPoP proof.", field="/dpop_jkt")
        sent["client_id"] = client.client_id
        redirect_uri = self.server.get_authorization_grant(request).validate_authorization_request()
        details = parse_details(sent.get("authorization_details"))
        self.server.check_details(client.client_id, details)
        self.server.use_proof(proof)
        return _Checked(request, client, self._pushed(request, client, proof, redirect_uri, details))

    def _pushed(
        self, request: Any, client: ClientRecord, proof: Proof, redirect_uri: str, details: Any
    ) -> PushedRequest:
        sent = request.payload.data
        return PushedRequest(
            request_uri=REQUEST_URI + secrets.token_urlsafe(32),
            client_id=client.client_id,
            redirect_uri=redirect_uri,
            state=sent.get("state", ""),
            scope=request.scope,
            code_challenge=sent["code_challenge"],
            dpop_jkt=proof.jkt,
            details=tuple(detail.document() for detail in details),
            expires_at=self.server.now() + REQUEST_LIFE,
        )

    def create_response(self, validated_request: Any) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        pushed: PushedRequest = validated_request.pushed
        self.server.stores.requests.keep(pushed)
        body = {"request_uri": pushed.request_uri, "expires_in": int(REQUEST_LIFE.total_seconds())}
        return 201, body, NO_STORE


class _Checked(EndpointRequest):  # type: ignore[misc]
    def __init__(self, request: Any, client: ClientRecord, pushed: PushedRequest) -> None:
        super().__init__(request, client)
        self.pushed = pushed


def code_digest(code: str) -> str:
    """Under which an authorization code is stored: SHA-256, hex."""
    return hashlib.sha256(code.encode()).hexdigest()
