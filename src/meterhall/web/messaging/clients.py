"""The B2B clients this platform calls others with: one a callee, kept for its cached token."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

from meterhall.client.b2b import B2BClient
from meterhall.web.messaging.peers import marketplace, my_access_number, peer
from meterhall.web.platform import platform

AttestationFor = Callable[[str], str | None]
"""Gives the Market Place's word for us to an audience."""


@lru_cache(maxsize=256)
def _client(
    base_url: str, access_number: str, kid: str, audience: str = "", attestation: AttestationFor | None = None
) -> B2BClient:
    shown = partial(attestation, audience) if attestation else None
    return B2BClient(base_url, access_number, platform().transport_key, http=platform().http, attestation=shown)


def marketplace_client() -> B2BClient:
    """The client for the Market Place."""
    return _client(marketplace().b2b_url, my_access_number(), platform().transport_key.kid)


def provider_client(access_number: str, attestation: AttestationFor | None = None) -> B2BClient:
    """The client for a provider; `attestation` gives the Market Place's word for us, shown with token requests."""
    base = peer(access_number).b2b_url
    return _client(base, my_access_number(), platform().transport_key.kid, access_number, attestation)
