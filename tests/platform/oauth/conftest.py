"""A platform's own listener as an httpx server, players with keys, and a clock that can be moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from django.http import HttpRequest
from django.test import Client as Browser
from django.test import override_settings
from django.urls import include, path

from meterhall.client.tokens import DPoPAuth, TokenEndpoint
from meterhall.domain.protocol.keys import SigningKey
from meterhall.web.api import endpoint, make_api
from meterhall.web.oauth.service import admit_client
from meterhall.web.platform import Platform, platform
from meterhall.web.security import TokenAuth, caller

BASE = "https://localhost:8443"
NUMBER = "MH0000000109"

api = make_api("Test", "Calls of the OAuth tests.", "oauth_tests")


@endpoint(api, "GET", "/v1/whoami", response=dict, auth=TokenAuth("data", "sandbox"))
def whoami(request: HttpRequest, after: str | None = None) -> dict[str, str]:
    """Who is calling."""
    return {"caller": caller(request)}


@endpoint(api, "GET", "/v1/data", response=dict, auth=TokenAuth("data"))
def get_data(request: HttpRequest) -> dict[str, str]:
    """Needs the scope data."""
    return {"caller": caller(request)}


urlpatterns = [path("", include("meterhall.web.oauth.urls_b2b")), path("", api.urls)]


@dataclass
class Clock:
    """The platform's clock: the machine's, moved by `ahead`."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def __hash__(self) -> int:
        return id(self)


@dataclass
class Listener(httpx.BaseTransport):
    """Hands httpx's requests to Django; `seen` keeps them."""

    seen: list[httpx.Request] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        url = urlsplit(str(request.url))
        answer = Browser().generic(
            request.method,
            url.path + (f"?{url.query}" if url.query else ""),
            request.read(),
            content_type=request.headers.get("Content-Type", "application/octet-stream"),
            headers={name: value for name, value in request.headers.items() if name not in {"host", "content-length"}},
        )
        return httpx.Response(answer.status_code, headers=dict(answer.items()), content=answer.content)


@pytest.fixture
def clock(db: None) -> Iterator[Clock]:
    moved = Clock()
    with override_settings(METERHALL=Platform(platform().home, clock=moved), ROOT_URLCONF=__name__):
        yield moved


@pytest.fixture
def listener(clock: Clock) -> Listener:
    return Listener()


@pytest.fixture
def http(listener: Listener) -> httpx.Client:
    return httpx.Client(transport=listener)


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate()


Admit = Callable[..., None]


@pytest.fixture
def admit(clock: Clock, key: SigningKey) -> Admit:
    """Lets the player NUMBER in; what is given differs from the usual."""

    def run(**changes: object) -> None:
        usual: dict[str, object] = {
            "client_id": NUMBER,
            "name": "Sun Coop",
            "keys": [key.public.jwk()],
            "redirect_uris": ["https://sun.example/consents/callback"],
            "scopes": ["data"],
            "valid_until": clock() + timedelta(days=7),
            "source": "test",
        }
        admit_client(**(usual | changes))  # type: ignore[arg-type]

    return run


@pytest.fixture
def auth(http: httpx.Client, key: SigningKey, admit: Admit) -> DPoPAuth:
    admit()
    return DPoPAuth(BASE, NUMBER, key, http=http)


@pytest.fixture
def tokens(http: httpx.Client, key: SigningKey) -> TokenEndpoint:
    return TokenEndpoint(BASE, NUMBER, key, http=http)
