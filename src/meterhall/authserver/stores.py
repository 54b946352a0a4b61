"""What the kit needs stored, as records and as the small protocols a deployment implements."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from meterhall.authserver.foundation import ClientMixin, CodeMixin


@dataclass(frozen=True)
class ClientRecord(ClientMixin):  # type: ignore[misc]
    """A client: its public keys (JWK) and what it may have. Authlib asks it through `ClientMixin`."""

    client_id: str
    keys: tuple[dict[str, str], ...]
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        return self.redirect_uris[0] if len(self.redirect_uris) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str:
        """The scopes asked for, all of them the client's; all the client has when none is named."""
        return " ".join(scope.split() if scope else self.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "private_key_jwt"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in {"client_credentials", "authorization_code"}


@dataclass(frozen=True, slots=True)
class PushedRequest:
    """An authorization request as pushed (RFC 9126), bound to a DPoP key."""

    request_uri: str
    client_id: str
    redirect_uri: str
    state: str
    scope: str
    code_challenge: str = field(repr=False)
    dpop_jkt: str
    details: tuple[dict[str, Any], ...]
    expires_at: datetime


@dataclass(frozen=True)
class CodeRecord(CodeMixin):  # type: ignore[misc]
    """An authorization code, known by its SHA-256 only, and what stands behind it."""

    digest: str
    client_id: str
    redirect_uri: str
    scope: str
    code_challenge: str = field(repr=False)
    dpop_jkt: str
    grant_id: str
    details: tuple[dict[str, Any], ...]
    expires_at: datetime
    used: bool = False
    code_challenge_method: str = "S256"

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


class ClientStore(Protocol):
    def find(self, client_id: str) -> ClientRecord | None:
        """The client; None when there is none, or none that may have tokens now."""
        ...


class ReplayStore(Protocol):
    def first_time(self, mark: str, until: datetime) -> bool:
        """Remember `mark` until then; whether it was not known yet. Atomic among all processes."""
        ...


class RequestStore(Protocol):
    def keep(self, request: PushedRequest) -> None: ...


class CodeStore(Protocol):
    def find(self, digest: str) -> CodeRecord | None: ...

    def use(self, digest: str) -> bool:
        """Mark the code used; whether it was not used before. Atomic among all processes."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """All that an authorization server keeps."""

    clients: ClientStore
    replays: ReplayStore
    requests: RequestStore
    codes: CodeStore
