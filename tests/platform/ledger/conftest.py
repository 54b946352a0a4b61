"""A Market Place with a provider and a requester enrolled, its ledger behind the real B2B listener."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import httpx
import pytest
from django.test import override_settings
from django.urls import include, path

from meterhall.client.b2b import B2BClient
from meterhall.domain.identifiers import access_number
from meterhall.domain.protocol.canonical import commitment, new_id, new_salt
from meterhall.domain.protocol.keys import SigningKey, sign
from meterhall.domain.protocol.players import Discovery, Endpoints, KeySet, LegalIdentifier, PlayerView
from meterhall.domain.protocol.statements import STATEMENT_TYP, LogReceipt, Statement, StatementPosted
from meterhall.marketplace.certification.api import add_certification
from meterhall.marketplace.ledger.api import add_ledger
from meterhall.marketplace.ledger.service import post_statement
from meterhall.web.api import make_api
from meterhall.web.home import Home, create_ca
from meterhall.web.membership.api import add_discovery
from meterhall.web.messaging.clients import _client
from meterhall.web.messaging.peers import remember_marketplace, remember_player, set_access_number
from meterhall.web.oauth.service import admit_client
from meterhall.web.platform import Platform
from tests.platform.oauth.conftest import Clock, Listener

BASE = "https://localhost:8443"
MARKET = access_number(0)

api = make_api("Test", "Calls of ledger and certification.", "ledger_tests")
add_ledger(api)
add_certification(api)
add_discovery(api)
urlpatterns = [path("", include("meterhall.web.oauth.urls_b2b")), path("", api.urls)]


@dataclass(frozen=True)
class Party:
    """A player with its key."""

    number: str
    key: SigningKey = field(default_factory=SigningKey.generate)

    def view(self, *roles: str, base: str = "https://player.example") -> PlayerView:
        jwk = self.key.public.jwk()
        return PlayerView(
            access_number=self.number, organisation=f"Player {self.number}", country="BE",
            legal_id=LegalIdentifier(kind="GLN", value="9520000000004"), roles=roles or ("provider", "requester"),
            activity="dso", contact="a@player.example", endpoints=Endpoints(b2b=base),
            keys=KeySet(transport=(jwk,), contract=(jwk,)), status="admitted",
        )  # fmt: skip

    def says(self, kind: str, other: Party, at: datetime, *, key: SigningKey | None = None, **more: object):
        """A signed statement about a transaction with `other`."""
        statement = Statement.model_validate(
            {
                "id": new_id("stm"), "type": kind, "environment": "regulated", "by": self.number,
                "parties": (self.number, other.number), "at": at, "transaction": "act_" + "0" * 24,
            } | more
        )  # fmt: skip
        return StatementPosted(
            statement=sign(statement.document(), key or self.key, typ=STATEMENT_TYP), salt=new_salt()
        )

    def client(self, http: httpx.Client) -> B2BClient:
        """The player's client for the Market Place, admitted there."""
        admit_client(
            client_id=self.number, name="Player", keys=[self.key.public.jwk()], redirect_uris=[],
            scopes=["market"], valid_until=None, source="test",
        )  # fmt: skip
        return B2BClient(BASE, self.number, self.key, http=http)


@dataclass(frozen=True)
class Market:
    """The Market Place under test."""

    clock: Clock
    http: httpx.Client
    provider: Party
    requester: Party
    stranger: Party
    platform: Platform

    def say(self, party: Party, kind: str, other: Party, **more: object) -> LogReceipt:
        return post_statement(party.says(kind, other, self.clock(), **more), party.number)

    def deliver(
        self, *, received: str = "manifest", subject: str | None = None, readings: int = 96
    ) -> tuple[str, object, object]:
        """Both sides' statements about a delivery of 96 readings; the requester says it got `received`, so many."""
        salt, subject = new_salt(), subject or f"{new_id('dlv')}:1"
        sent = {"manifest": commitment(salt, "manifest")}
        got = {"manifest": commitment(salt, received)}
        return (
            subject,
            self.provider.says(
                "delivery.published",
                self.requester,
                self.clock(),
                subject=subject,
                commitments=sent,
                counts={"parts": 1, "readings": 96, "missing": 0},
            ),
            self.requester.says(
                "delivery.received",
                self.provider,
                self.clock(),
                subject=subject,
                commitments=got,
                counts={"parts": 1, "readings": readings},
            ),
        )


@pytest.fixture(scope="session")
def market_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("market")
    create_ca(folder / "ca")
    return Home.create(folder / "home", {"role": "marketplace", "name": "Market"}, folder / "ca")


@pytest.fixture
def market(db: None, market_home: Home) -> Iterator[Market]:
    yield from enrolled(market_home, __name__)


def enrolled(market_home: Home, urls: str) -> Iterator[Market]:
    """The Market Place while it serves `urls`."""
    clock = Clock()
    held = Platform(market_home, clock=clock)
    http = httpx.Client(transport=Listener())
    held.__dict__["http"] = http
    with override_settings(METERHALL=held, ROOT_URLCONF=urls):
        _client.cache_clear()
        players = [Party(access_number(n)) for n in (2, 3, 4)]
        set_access_number(MARKET)
        jwk = held.transport_key.public.jwk()
        remember_marketplace(
            Discovery(
                role="marketplace", environment="regulated", organisation="Market", access_number=MARKET,
                keys=(jwk,), endpoints=Endpoints(b2b=BASE),
            )
        )  # fmt: skip
        for one in players:
            remember_player(one.view(), None)
        yield Market(clock, http, *players, held)
    _client.cache_clear()
