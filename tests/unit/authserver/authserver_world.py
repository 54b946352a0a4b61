"""A small world: a server on stores in memory, one client with a key, a clock that stands where it is put."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from meterhall.authserver import Answer, AuthorizationServer, Call, Nonces, ResourceServer, Settings, Stores
from meterhall.authserver.stores import ClientRecord, CodeRecord, PushedRequest
from meterhall.domain.protocol.keys import SigningKey

ISSUER = "https://grid.example"
CLIENT = "MH0000000109"
CALLBACK = "https://sun.example/consents/callback"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
DETAIL = {
    "type": "metering_data",
    "need": "bill",
    "subscription_id": "sub_" + "0" * 24,
    "scope": {"granularities": ["PT15M"], "period": {"from": "2025-01-01", "until": "2026-01-01"}},
    "purpose": "Check the bill.",
    "access_until": "2027-01-01T00:00:00Z",
}


@dataclass
class Memory:
    clients: dict[str, ClientRecord] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)
    requests: list[PushedRequest] = field(default_factory=list)
    codes: dict[str, CodeRecord] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


class Clients:
    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def find(self, client_id: str) -> ClientRecord | None:
        return self.memory.clients.get(client_id)


class Replays(Clients):
    def first_time(self, mark: str, until: datetime) -> bool:
        is_new = mark not in self.memory.marks
        self.memory.marks.add(mark)
        return is_new


class Requests(Clients):
    def keep(self, request: PushedRequest) -> None:
        self.memory.requests.append(request)


class Codes(Clients):
    def find(self, digest: str) -> CodeRecord | None:  # type: ignore[override]
        return self.memory.codes.get(digest)

    def use(self, digest: str) -> bool:
        is_new = digest not in self.memory.used
        self.memory.used.add(digest)
        return is_new


@dataclass
class World:
    now: datetime = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    memory: Memory = field(default_factory=Memory)
    key: SigningKey = field(default_factory=SigningKey.generate)
    server_key: SigningKey = field(default_factory=SigningKey.generate)
    dpop_key: OKPKey | ECKey = field(default_factory=lambda: OKPKey.generate_key("Ed25519"))
    nonces: Nonces = field(default_factory=lambda: Nonces(b"s" * 32))

    def __post_init__(self) -> None:
        self.memory.clients[CLIENT] = ClientRecord(CLIENT, (self.key.public.jwk(),), ("data", "sandbox"), (CALLBACK,))
        settings = Settings(ISSUER, self.server_key, ("data", "sandbox"), "https://portal.example/oauth/authorize")
        kept = (Clients(self.memory), Replays(self.memory), Requests(self.memory), Codes(self.memory))
        self.server = AuthorizationServer(settings, Stores(*kept), self.nonces, lambda: self.now)
        self.resource = ResourceServer(ISSUER, self.server_key, kept[0], kept[1], self.nonces, lambda: self.now)

    def pass_time(self, **time: float) -> None:
        self.now += timedelta(**time)

    def proof(
        self, method: str, url: str, *, key: Any = None, header: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """A proof as it should be, except for `changes`; None leaves a claim out."""
        key = key or self.dpop_key
        claims = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": url,
            "iat": int(self.now.timestamp()),
            "nonce": self.nonces.make(self.now),
        } | changes
        alg = "Ed25519" if isinstance(key, OKPKey) else "ES256"
        head = {"alg": alg, "typ": "dpop+jwt", "jwk": key.as_dict(private=False)} | (header or {})
        kept = {name: value for name, value in claims.items() if value is not None}
        payload = json.dumps(kept).encode()
        return jws.serialize_compact(head, payload, key, algorithms=["Ed25519", "EdDSA", "ES256", "HS256"])

    def assertion(self, *, key: SigningKey | None = None, **changes: Any) -> str:
        now = int(self.now.timestamp())
        claims = {
            "iss": CLIENT,
            "sub": CLIENT,
            "aud": ISSUER,
            "jti": secrets.token_urlsafe(16),
            "exp": now + 60,
        } | changes
        signer = key or self.key
        kept = {name: value for name, value in claims.items() if value is not None}
        head = {"alg": "Ed25519", "kid": signer.kid}
        return jws.serialize_compact(head, json.dumps(kept).encode(), signer.jose, algorithms=["Ed25519"])

    def post(
        self, path: str, form: dict[str, str], *, proof: str | None = None, assertion: str | None = None
    ) -> Answer:
        """A call of the token or PAR endpoint; the proof and assertion as they should be, unless given."""
        url = ISSUER + path
        full = {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion or self.assertion(),
        } | form
        headers = {"DPoP": proof if proof is not None else self.proof("POST", url)}
        call = Call("POST", url, headers, {name: [value] for name, value in full.items()})
        return self.server.par(call) if path.endswith("par") else self.server.token(call)

    def token(self, **form: str) -> Answer:
        return self.post("/oauth/token", {"grant_type": "client_credentials"} | form)

    def push(self, proof: str | None = None, **changes: str | None) -> Answer:
        form = {
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "state": "xyz",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "authorization_details": json.dumps([DETAIL]),
        } | changes
        return self.post("/oauth/par", {k: v for k, v in form.items() if v is not None}, proof=proof)
