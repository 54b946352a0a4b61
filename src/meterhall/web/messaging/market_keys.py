"""The Market Place's transport keys, looked at anew over TLS when it signs with one that is not known here.

It says so to nobody when it replaces its key: each player finds out from the first signature under the new one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx
import structlog
from pydantic import ValidationError

from meterhall.client.errors import RemoteRefusal, RemoteUnreachable, UnreadableAnswer, unreachable
from meterhall.domain.protocol.keys import PublicKey
from meterhall.domain.protocol.players import Discovery
from meterhall.web.messaging.peers import marketplace, public_keys, remember_marketplace
from meterhall.web.platform import platform

log = structlog.get_logger(__name__)
AT_MOST_EVERY_S = 30.0
"""How often a process looks: anybody may send it a key id that nobody has."""


@dataclass
class _Looked:
    at: float = -AT_MOST_EVERY_S


_looked = _Looked()


def discover(base: str) -> Discovery:
    """The discovery document of the platform at `base`.

    Raises `RemoteRefusal`, `RemoteUnreachable`, `UnreadableAnswer`.
    """
    try:
        response = platform().http.get(base + "/.well-known/meterhall")
        if response.is_error:
            raise RemoteRefusal(response)
        return Discovery.model_validate_json(response.content)
    except ValidationError as fault:
        raise UnreadableAnswer(f"{base} does not describe itself as a platform.") from fault
    except httpx.TransportError as fault:
        raise unreachable(base, fault) from fault


def marketplace_keys(kid: str) -> list[PublicKey]:
    """Its keys as last seen; where none of them has this id, as it shows them now."""
    known = public_keys(marketplace().transport_keys)
    if any(key.kid == kid for key in known) or time.monotonic() - _looked.at < AT_MOST_EVERY_S:
        return known
    _looked.at = time.monotonic()
    try:
        found = discover(marketplace().b2b_url)
    except (RemoteRefusal, RemoteUnreachable, UnreadableAnswer) as fault:
        log.info("marketplace.not_seen", code=fault.code)
        return known
    if found.access_number != marketplace().access_number or found.role != "marketplace":
        return known
    return public_keys(remember_marketplace(found).transport_keys)
