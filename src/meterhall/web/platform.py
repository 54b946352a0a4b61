"""The running platform: who it is, its keys, clock and trust. One object, `platform()`, held by the settings."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import httpx
from django.conf import settings

from meterhall.domain.protocol.keys import SigningKey
from meterhall.web.config import Config
from meterhall.web.home import Home, KeyName
from meterhall.web.logs import correlation


def _utc_now() -> datetime:
    return datetime.now(UTC)


class _KeyFile:
    """A key of the home, read anew when its file was replaced: every process goes on with the new one at once."""

    def __init__(self, name: KeyName) -> None:
        self._name: KeyName = name

    def __get__(self, running: Platform, owner: type[Platform]) -> SigningKey:
        stamp = (running.home.path / "keys" / f"{self._name}.sealed").stat().st_mtime_ns
        held: tuple[int, SigningKey] | None = running.__dict__.get(f"_{self._name}")
        if held is None or held[0] != stamp:
            held = running.__dict__[f"_{self._name}"] = stamp, running.home.key(self._name)
        return held[1]


@dataclass(frozen=True)
class Platform:
    """What code of a platform may ask about the platform itself."""

    home: Home
    clock: Callable[[], datetime] = field(default=_utc_now)

    @property
    def config(self) -> Config:
        return self.home.config

    @property
    def role(self) -> str:
        return self.config.role

    @property
    def base_url(self) -> str:
        """Public base URL of the B2B listener; what DPoP `htu` and signatures are checked against."""
        return self.config.base_url

    @property
    def portal_url(self) -> str:
        return self.config.portal_base_url

    transport_key: ClassVar = _KeyFile("transport")
    contract_key: ClassVar = _KeyFile("contract")

    def now(self) -> datetime:
        """The present instant, UTC."""
        return self.clock()

    def seal(self, plain: bytes) -> bytes:
        return self.home.seal(plain)

    def unseal(self, sealed: bytes) -> bytes:
        return self.home.unseal(sealed)

    @property
    def trust_pem(self) -> Path:
        return self.home.path / "tls" / "trust.pem"

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The system's authorities and the home's own; nothing switches the check off."""
        context = ssl.create_default_context()
        if self.trust_pem.exists() and self.trust_pem.stat().st_size:
            context.load_verify_locations(cafile=self.trust_pem)
        return context

    @cached_property
    def http(self) -> httpx.Client:
        """The client every outgoing call of this process goes through."""
        return httpx.Client(
            verify=self.tls,
            timeout=httpx.Timeout(20.0, connect=5.0),
            follow_redirects=False,
            event_hooks={"request": [_name_correlation]},
        )


def _name_correlation(request: httpx.Request) -> None:
    """Whoever is called logs under the id of what the call is made for."""
    if known := correlation():
        request.headers.setdefault("X-Correlation-Id", known)


def platform() -> Platform:
    """The platform this process runs."""
    held: object = getattr(settings, "METERHALL", None)
    assert isinstance(held, Platform)  # noqa: S101 - a settings fault, not an input
    return held
