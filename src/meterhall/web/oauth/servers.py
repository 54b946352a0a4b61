"""The authorization and the resource server of the running platform."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from meterhall.authserver import AuthorizationServer, Nonces, ResourceServer, Settings, Stores
from meterhall.web.config import Role
from meterhall.web.oauth.details import check_details
from meterhall.web.oauth.introductions import introduce
from meterhall.web.oauth.stores import Clients, Codes, Replays, Requests
from meterhall.web.platform import Platform, platform

SCOPES: Final[dict[Role, tuple[str, ...]]] = {
    "marketplace": ("membership", "market"),
    "provider": ("data", "sandbox"),
    "requester": (),
}
"""What a token may be for: `membership` opens players/me from enrolment on, `market` everything from admission on;
at a provider `data`, or `sandbox` for a certifier."""


@lru_cache(maxsize=8)
def _nonces(running: Platform) -> Nonces:
    return Nonces(running.home.derived_key("dpop-nonce"))


def nonces() -> Nonces:
    """DPoP nonces that all processes of this platform know."""
    return _nonces(platform())


@lru_cache(maxsize=8)
def _authorization_server(running: Platform, kid: str) -> AuthorizationServer:
    config = running.config
    settings = Settings(
        issuer=running.base_url,
        key=running.transport_key,
        scopes=SCOPES[config.role],
        authorize_url=f"{running.portal_url}/oauth/authorize" if config.role == "provider" else "",
    )
    stores = Stores(Clients(), Replays(), Requests(), Codes())
    return AuthorizationServer(settings, stores, _nonces(running), running.now, introduce, check_details)


def authorization_server() -> AuthorizationServer:
    """Who issues tokens here."""
    return _authorization_server(platform(), platform().transport_key.kid)


@lru_cache(maxsize=8)
def _resource_server(running: Platform, kid: str) -> ResourceServer:
    return ResourceServer(running.base_url, running.transport_key, Clients(), Replays(), _nonces(running), running.now)


def resource_server() -> ResourceServer:
    """Who checks the tokens of calls here."""
    return _resource_server(platform(), platform().transport_key.kid)
