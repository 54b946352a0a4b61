"""A Market Place in a home of its own, and players with real keys that speak to it over its published interface."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client as Browser
from django.test import override_settings

from meterhall.client.b2b import B2BClient, RemoteRefusal
from meterhall.domain.identifiers import demonstration_gln
from meterhall.domain.protocol.agreements import (
    ACCEPTANCE_TYP,
    QUIT_TYP,
    SIGNATURE_TYP,
    ContractSignature,
    Countersigned,
    GeneralContract,
    Quit,
    StandingAcceptance,
    SubscriptionRequest,
    SubscriptionView,
)
from meterhall.domain.protocol.base import Message, Signed
from meterhall.domain.protocol.canonical import digest, new_id
from meterhall.domain.protocol.keys import SigningKey, sign
from meterhall.domain.protocol.offers import CoverageArea, DataScope, Offer, OfferView, Price
from meterhall.domain.protocol.players import (
    ENROLMENT_TYP,
    Endpoints,
    Enrolment,
    Jwk,
    KeySet,
    LegalIdentifier,
    Membership,
    PlayerView,
)
from meterhall.marketplace.certification.models import Certification
from meterhall.marketplace.players import service as players
from meterhall.web.home import Home
from meterhall.web.messaging.models import Outbox
from meterhall.web.platform import Platform, platform

BASE = "https://localhost:8443"
_numbers = itertools.count(1)


class Listener(httpx.BaseTransport):
    """Hands httpx's requests to the Market Place's B2B listener."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = urlsplit(str(request.url))
        answer = Browser().generic(
            request.method,
            url.path + (f"?{url.query}" if url.query else ""),
            request.read(),
            content_type=request.headers.get("Content-Type", "application/octet-stream"),
            headers={name: value for name, value in request.headers.items() if name not in {"host", "content-length"}},
        )
        return httpx.Response(answer.status_code, headers=dict(answer.items()), content=answer.content)


@dataclass
class Clock:
    """The Market Place's clock: the machine's, moved by `ahead`."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def __hash__(self) -> int:
        return id(self)


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Home]:
    def make(environment: str) -> Home:
        folder: Path = tmp_path_factory.mktemp(f"marketplace-{environment}")
        settings: dict[str, object] = {"role": "marketplace", "environment": environment, "name": "Test Market Place"}
        return Home.create(folder / "home", settings, None)

    return {environment: make(environment) for environment in ("regulated", "unregulated")}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def marketplace(db: None, homes: dict[str, Home], clock: Clock) -> Iterator[Platform]:
    running = Platform(homes["regulated"], clock=clock)
    with override_settings(METERHALL=running, ROOT_URLCONF="meterhall.marketplace.urls_b2b"):
        players.initialise()
        yield running


@pytest.fixture
def http(marketplace: Platform) -> httpx.Client:
    return httpx.Client(transport=Listener())


def jwk(key: SigningKey) -> Jwk:
    return Jwk.model_validate(key.public.jwk())


@dataclass
class Actor:
    """A player: its keys, and the calls it makes at the Market Place."""

    http: httpx.Client
    roles: tuple[str, ...] = ("requester",)
    activity: str = "esco"
    name: str = "Sun Coop"
    country: str = "IT"
    legal_id: str = ""
    transport: SigningKey = field(default_factory=SigningKey.generate)
    contract: SigningKey = field(default_factory=SigningKey.generate)
    number: str = ""

    def __post_init__(self) -> None:
        self.legal_id = self.legal_id or demonstration_gln(next(_numbers)).value

    @property
    def client(self) -> B2BClient:
        return B2BClient(BASE, self.number, self.transport, http=self.http)

    def enrolment(self, **changes: Any) -> Enrolment:
        usual: dict[str, Any] = {
            "organisation": self.name,
            "country": self.country,
            "legal_id": LegalIdentifier(kind="GLN", value=self.legal_id),
            "roles": self.roles,
            "activity": self.activity,
            "contact": "desk@player.example",
            "endpoints": Endpoints(
                b2b=f"https://{self.legal_id}.example", inbox=f"https://{self.legal_id}.example/v1/inbox"
            ),
            "keys": KeySet(transport=(jwk(self.transport),), contract=(jwk(self.contract),)),
        }
        return Enrolment(**(usual | changes))

    def post_enrolment(
        self, key: str | None = None, signer: SigningKey | None = None, **changes: Any
    ) -> httpx.Response:
        jws = sign(self.enrolment(**changes).document(), signer or self.transport, typ=ENROLMENT_TYP)
        return self.http.post(
            f"{BASE}/v1/players",
            content=Signed(jws=jws).canonical(),
            headers={"Content-Type": "application/json", "Idempotency-Key": key or new_id("key")},
        )

    def enrol(self, **changes: Any) -> Actor:
        answer = self.post_enrolment(**changes)
        assert answer.status_code == 202, answer.text
        self.number = PlayerView.model_validate_json(answer.content).access_number
        return self

    def admitted(self) -> Actor:
        if not self.number:
            self.enrol()
        players.admit(self.number, by="tests")
        return self

    def membership(self) -> Membership:
        return self.client.call("GET", "/v1/players/me", None, Membership)

    def signature(
        self,
        subject: str,
        contract_digest: str,
        key: SigningKey | None = None,
        ago: timedelta = timedelta(0),
        **header: Any,
    ) -> str:
        now = platform().now() - ago
        body = ContractSignature(subject=subject, digest=contract_digest, party=self.number, signed_at=now)
        person = {"signer": "Ada", "auth_time": int(now.timestamp()) - 10, "amr": ["pwd", "otp"]}
        chosen = {name: value for name, value in (person | header).items() if value is not None}
        return sign(body.document(), key or self.contract, typ=SIGNATURE_TYP, **chosen)

    def sign_terms(self) -> Countersigned:
        terms = self.client.call("GET", "/v1/general-contract", None, GeneralContract)
        jws = self.signature("general_contract", terms.fingerprint())
        return self.client.call("POST", "/v1/general-contract/signatures", Signed(jws=jws), Countersigned)

    def member(self) -> Actor:
        self.admitted().sign_terms()
        return self

    def offer(self, **changes: Any) -> OfferView:
        return self.client.call("POST", "/v1/offers", an_offer(**changes), OfferView)

    def publish(self, offer_id: str) -> OfferView:
        return self.client.call("POST", f"/v1/offers/{offer_id}/publication", None, OfferView)

    def published(self, **changes: Any) -> OfferView:
        return self.publish(self.offer(**changes).offer_id)

    def subscribe(self, offer: OfferView, **changes: Any) -> SubscriptionView:
        request = SubscriptionRequest(offer_id=offer.offer_id, offer_version=offer.version, **changes)
        return self.client.call("POST", "/v1/subscriptions", request, SubscriptionView)

    def sign(self, drafted: SubscriptionView, jws: str = "") -> SubscriptionView:
        jws = jws or self.signature(drafted.subscription_id, drafted.contract.fingerprint())
        path = f"/v1/subscriptions/{drafted.subscription_id}/signatures"
        return self.client.call("POST", path, Signed(jws=jws), SubscriptionView)

    def accept(self, offers: tuple[str, ...], most: int = 10, **changes: Any) -> str:
        """Register a standing acceptance; its digest."""
        now = platform().now()
        usual: dict[str, Any] = {
            "party": self.number, "offers": offers, "most_subscriptions": most, "until": now + timedelta(days=90),
            "transport_kid": self.transport.kid, "signed_at": now,
        }  # fmt: skip
        body = StandingAcceptance(**(usual | changes))
        person = {"signer": "Ada", "auth_time": int(now.timestamp()) - 10, "amr": ["otp"]}
        jws = sign(body.document(), self.contract, typ=ACCEPTANCE_TYP, **person)
        self.client.call("POST", "/v1/standing-acceptances", Signed(jws=jws), Countersigned)
        return digest(jws.encode())

    def quit(self, subscription_id: str, **changes: Any) -> SubscriptionView:
        usual = {"subscription_id": subscription_id, "party": self.number, "quit_at": platform().now()}
        jws = sign(Quit(**(usual | changes)).document(), self.transport, typ=QUIT_TYP)
        return self.client.call("POST", f"/v1/subscriptions/{subscription_id}/quit", Signed(jws=jws), SubscriptionView)

    def certified(self) -> Actor:
        now = platform().now()
        Certification.objects.create(
            certification_id=new_id("crt"), provider=self.number, status="passed", requested_at=now, finished_at=now,
            valid_until=now + timedelta(days=30),
        )  # fmt: skip
        return self

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The data of the events of a type queued for this player."""
        import json

        rows = Outbox.objects.filter(recipient=self.number, type=kind).order_by("created_at", "id")
        return [json.loads(body)["data"] for body in rows.values_list("body", flat=True)]


def an_offer(**changes: Any) -> Offer:
    usual: dict[str, Any] = {
        "title": "Letture orarie di città",
        "summary": "Hourly readings of all meters.",
        "scope": DataScope(granularities=("PT1H", "P1D")),
        "formats": ("csv", "parquet"),
        "price": Price(amount="0", per="free"),
        "countries": ("IT",),
        "coverage": (CoverageArea(kind="operator_code", country="IT", value="999"),),
    }
    return Offer(**(usual | changes))


Make = Callable[..., Actor]


@pytest.fixture
def make(http: httpx.Client) -> Make:
    def run(**traits: Any) -> Actor:
        return Actor(http, **traits)

    return run


@pytest.fixture
def provider(make: Make) -> Actor:
    """A provider with everything it needs to publish."""
    return make(roles=("provider",), activity="dso", name="Rete Demo").member().certified()


@pytest.fixture
def requester(make: Make) -> Actor:
    """A requester with everything it needs to subscribe."""
    return make().member()


def refusal(run: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[int, str, str | None]:
    """Status, code and field of the refusal a call ends in."""
    with pytest.raises(RemoteRefusal) as caught:
        run(*args, **kwargs)
    return caught.value.remote_status, caught.value.remote_code, caught.value.field


def send(actor: Actor, method: str, path: str, body: Message | None = None, **params: Any) -> Any:
    """A call whose answer is looked at as JSON."""
    answer = actor.client.send(method, path, body, params=params)
    return answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.text
