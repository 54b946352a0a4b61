"""A requester with one active subscription and one answered activation, and a grid operator at the HTTP boundary."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import numpy as np
import pytest
from django.test import Client, override_settings

from meterhall.client.signatures import SignedRequest
from meterhall.domain.identifiers import access_number, demonstration_gln
from meterhall.domain.protocol.agreements import Party, Repository, ServiceContract, SubscriptionView
from meterhall.domain.protocol.base import Acknowledgement, Compression, Period
from meterhall.domain.protocol.canonical import digest, new_id, new_salt
from meterhall.domain.protocol.deliveries import MANIFEST_TYP, Manifest, ManifestView, Part, Receipt
from meterhall.domain.protocol.events import DeliveryReady
from meterhall.domain.protocol.keys import SigningKey, sign
from meterhall.domain.protocol.offers import CoverageArea, DataScope, Offer, Price
from meterhall.domain.protocol.players import LegalIdentifier
from meterhall.domain.readings import MISSING, LoadCurve, Series
from meterhall.formats import FORMATS, PartHeader
from meterhall.formats.packing import packed
from meterhall.requester.activations.models import Activation, ActivationItem
from meterhall.requester.collection.models import Delivery
from meterhall.requester.collection.service import announce
from meterhall.requester.partners.models import Subscription
from meterhall.web.accounts.models import Person
from meterhall.web.accounts.session import PROOF, Proof
from meterhall.web.home import Home, create_ca
from meterhall.web.membership.models import HeldAttestation
from meterhall.web.messaging.models import Identity, Outbox, Peer
from meterhall.web.platform import Platform
from meterhall.web.work.engine import discover, run_until_idle
from meterhall.web.work.models import WorkState

ME, GRID, HALL, STRANGER = (str(access_number(number)) for number in (1, 2, 3, 4))
GRID_URL, HALL_URL, ME_URL = "https://grid.example:8443", "https://hall.example:8443", "https://localhost:8443"
FIRST, UNTIL = date(2025, 3, 29), date(2025, 4, 1)
START = datetime(2025, 3, 28, 23, tzinfo=UTC)
"""Midnight in Rome; the period has the 23-hour day of spring."""
PODS = ("IT999E00000001", "IT999E00000002")
PSEUDONYMS = ("11111111-1111-5111-8111-111111111111", "22222222-2222-5222-8222-222222222222")
GROUP = "33333333-3333-5333-8333-333333333333"
CONSENT = f"con_{'c' * 24}"
Enter = Callable[..., Client]
"""A person with these roles, signed in with a second factor `ago`."""


@dataclass
class Clock:
    """The machine's clock, moved by `ahead`."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def __hash__(self) -> int:
        return id(self)


class Breaking(httpx.SyncByteStream):
    """A body that breaks off after so many bytes."""

    def __init__(self, content: bytes, after: int | None) -> None:
        self._content, self._after = content, after

    def __iter__(self) -> Iterator[bytes]:
        if self._after is None:
            yield self._content
            return
        yield self._content[: self._after]
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


def curve(pseudonym: str = PSEUDONYMS[0], first: int = 100, *, gaps: tuple[int, ...] = (), scale: int = 0) -> LoadCurve:
    """Quarter hours from `first` on over the period, 1 more each slot."""
    values = np.arange(first, first + 284, dtype=np.int64)
    values[list(gaps)] = MISSING
    quality = np.full(284, 17, np.uint8)
    return LoadCurve(Series(pseudonym, 900, scale=scale), START, values, quality, START + timedelta(days=4))


@dataclass
class GridDouble:
    """The provider's B2B interface, as far as collecting needs it; `refuse` and `broken` make it misbehave."""

    key: SigningKey = field(default_factory=SigningKey.generate)
    manifests: dict[str, ManifestView] = field(default_factory=dict)
    files: dict[tuple[str, int], bytes] = field(default_factory=dict)
    broken: list[int] = field(default_factory=list)
    gone: dict[int, str] = field(default_factory=dict)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    seen: list[httpx.Request] = field(default_factory=list)
    on_gone: Any = None
    forms: list[dict[str, str]] = field(default_factory=list)
    grant: httpx.Response | None = None
    hall: dict[str, Any] = field(default_factory=dict)
    consent_page: str = "https://people.grid.example/may-they"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/.well-known/oauth-authorization-server":
            return httpx.Response(200, json={"issuer": GRID_URL, "authorization_endpoint": self.consent_page})
        if path == "/oauth/par":
            self.forms.append(dict(parse_qsl(request.content.decode())))
            return httpx.Response(201, json={"request_uri": "urn:request:1", "expires_in": 60})
        if path == "/oauth/token" and b"authorization_code" in request.content:
            self.forms.append(dict(parse_qsl(request.content.decode())))
            return self.grant or problem(400, "invalid_grant")
        if path == "/oauth/token":
            return httpx.Response(200, json={"access_token": "t", "token_type": "DPoP", "expires_in": 300})
        if path in self.hall:
            self.seen.append(request)
            return httpx.Response(200, json=self.hall[path])
        if path == "/v1/statements":
            return httpx.Response(201, json={"seq": 0, "leaf": digest(request.content)})
        self.seen.append(request)
        for ending, (status, code) in self.refusals.items():
            if path.endswith(ending):
                return problem(status, code)
        if found := re.fullmatch(r"/v1/deliveries/(\w+)", path):
            return httpx.Response(200, content=self.manifests[found[1]].canonical())
        if found := re.fullmatch(r"/v1/deliveries/(\w+)/parts/(\d+)", path):
            return self._part(request, found[1], int(found[2]))
        if path.endswith("/answers"):
            return httpx.Response(200, json={"items": self.answers})
        acknowledgement = Acknowledgement(statement="a.b.c").document()
        if path == "/v1/data-requests":
            return httpx.Response(202, json={"delivery_id": new_id("dlv"), "acknowledgement": acknowledgement})
        if path.endswith(("/activations", "/items")):
            activated = {"activation_id": f"act_{'a' * 24}", "accepted_items": 1, "acknowledgement": acknowledgement}
            return httpx.Response(202, json=activated)
        assert path.endswith("/receipt"), path
        return httpx.Response(201, json={"acknowledgement": acknowledgement})

    def _part(self, request: httpx.Request, delivery_id: str, number: int) -> httpx.Response:
        if number in self.gone:
            answer = problem(410, self.gone[number])
            if self.on_gone:
                self.on_gone()
            return answer
        content = self.files[delivery_id, number]
        start = int(re.sub(r"\D", "", request.headers.get("Range", "0")))
        after = self.broken.pop(0) if self.broken else None
        status = 206 if start else 200
        return httpx.Response(status, stream=Breaking(content[start:], after))

    def paths(self, ending: str) -> list[httpx.Request]:
        """The requests whose path ends so."""
        return [request for request in self.seen if request.url.path.endswith(ending)]

    def receipts(self) -> list[Receipt]:
        """What was receipted, in order."""
        bodies = [json.loads(request.content)["jws"] for request in self.paths("/receipt")]
        return [Receipt.model_validate_json(_payload(jws)) for jws in bodies]

    def publish(
        self, parts: dict[int, list[LoadCurve]], delivery_id: str, *, version: int = 1, form: str = "parquet",
        how: Compression = "none", **changes: Any,
    ) -> Manifest:  # fmt: skip
        """Sign a manifest over these parts and have them to be fetched."""
        made = tuple(self._write(delivery_id, number, curves, form, how) for number, curves in parts.items())
        if said := changes.pop("forecasts", None):
            made = tuple(Part.model_validate(one.document() | {"forecasts": said}) for one in made)
        facts: dict[str, Any] = {
            "delivery_id": delivery_id, "version": version, "activation_id": f"act_{'a' * 24}",
            "subscription_id": f"sub_{'5' * 24}", "provider": GRID, "requester": ME, "created_at": START,
            "period": Period(first=FIRST, until=UNTIL), "granularity": "PT15M", "format": form,
            "commitment_salt": new_salt(), "parts": made,
        }  # fmt: skip
        manifest = Manifest(**(facts | changes))
        jws = sign(manifest.document(), self.key, typ=MANIFEST_TYP)
        self.manifests[delivery_id] = ManifestView(manifest=manifest, jws=jws)
        return manifest

    def _write(self, delivery_id: str, number: int, curves: list[LoadCurve], form: str, how: Compression) -> Part:
        blocks = FORMATS[form].encode(curves, PartHeader(delivery_id, number, default_zone="Europe/Rome"))
        content = b"".join(packed(blocks, how))
        self.files[delivery_id, number] = content
        there = sum(int(one.present.sum()) for one in curves)
        return Part(
            number=number, media_type=FORMATS[form].media_type, extension=FORMATS[form].extension, compression=how,
            size_bytes=len(content), digest=digest(content), readings=there,
            pseudonyms=tuple(sorted({one.series.usage_point for one in curves})),
            missing=sum(len(one) for one in curves) - there,
        )  # fmt: skip


def _payload(jws: str) -> bytes:
    import base64

    body = jws.split(".")[1]
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


def problem(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": f"It is {code}."})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def grid() -> GridDouble:
    return GridDouble()


@pytest.fixture
def eso(db: None, tmp_path: Path, clock: Clock, grid: GridDouble) -> Iterator[Platform]:
    """The requester's platform."""
    create_ca(tmp_path / "ca")
    settings = {"role": "requester", "name": "Helios", "retry_first_s": 0.001}
    running = Platform(Home.create(tmp_path / "home", settings, tmp_path / "ca"), clock=clock)
    running.__dict__["http"] = httpx.Client(transport=httpx.MockTransport(grid))
    urls = "tests.platform.requester.urls"
    with override_settings(METERHALL=running, ROOT_URLCONF=urls):
        discover()
        Identity.objects.create(access_number=ME)
        key = SigningKey.generate()
        hall = {"name": "Hall", "document": {}, "b2b_url": HALL_URL, "is_marketplace": True}
        hall["transport_keys"] = [key.public.jwk()]
        Peer.objects.create(access_number=HALL, **hall)
        keys = [grid.key.public.jwk()]
        document = {"endpoints": {"b2b": GRID_URL, "portal": "https://grid.example:8444"}}
        Peer.objects.create(access_number=GRID, name="Grid", document=document, b2b_url=GRID_URL, transport_keys=keys)
        now = clock()
        HeldAttestation.objects.create(
            audience=GRID,
            jws=sign({}, key, typ="t"),
            expires_at=now + timedelta(days=7),
            fetched_at=now + timedelta(hours=1),
        )  # fmt: skip
        yield running


@pytest.fixture
def enter(eso: Platform, clock: Clock) -> Enter:
    """A person with these roles, signed in with a second factor `ago`."""

    def make(*roles: str, ago: timedelta = timedelta(seconds=1)) -> Client:
        person = Person.objects.create(email=f"{'-'.join(roles)}@helios.example", name="Ada", roles=list(roles))
        client = Client()
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        session = client.session
        session[PROOF] = asdict(Proof((clock() - ago).timestamp(), "totp", ("pwd", "otp", "mfa")))
        session.save()
        return client

    return make


@pytest.fixture
def subscription(eso: Platform) -> Subscription:
    return make_subscription(GRID)


def make_subscription(provider: str, repository: str | None = f"{ME_URL}/repository", mark: str = "5") -> Subscription:
    """An active subscription with a contract."""
    scope = DataScope(directions=("import", "export"), granularities=("PT15M", "PT1H", "P1D"))
    offer = Offer(
        title="History", scope=scope, formats=("parquet", "csv"), price=Price(amount="0", per="free"),
        countries=("IT",), coverage=(CoverageArea(kind="operator_code", country="IT", value="999"),),
        transmission=("pull", "push"),
    )  # fmt: skip
    gln = demonstration_gln(1)
    parties = [
        Party(access_number=number, organisation=name, legal_id=LegalIdentifier(kind="GLN", value=gln.value))
        for number, name in ((provider, "Grid"), (ME, "Helios"))
    ]
    subscription_id = f"sub_{mark * 24}"
    contract = ServiceContract(
        subscription_id=subscription_id, environment="regulated", general_contract=digest(b"terms"),
        offer_id=f"off_{'0' * 24}", offer_version=1, offer=offer, provider=parties[0], requester=parties[1],
        repository=Repository(url=repository) if repository else None, access_from=START,
        access_until=datetime(2030, 1, 1, tzinfo=UTC), drafted_at=START,
    )  # fmt: skip
    view = SubscriptionView(
        subscription_id=subscription_id, state="active", contract=contract, digest=contract.fingerprint(), signatures={}
    )
    return Subscription.objects.create(
        subscription_id=subscription_id, provider=provider, provider_name="Grid", offer_id=contract.offer_id,
        state="active", document=view.document(), digest=view.digest, updated_at=START,
    )  # fmt: skip


@pytest.fixture
def activation(subscription: Subscription) -> Activation:
    """Two PODs, both accepted."""
    scope = DataScope(granularities=("PT15M",), period=Period(first=FIRST, until=UNTIL))
    made = Activation.objects.create(
        subscription=subscription, scope=scope.document(), remote_id=f"act_{'a' * 24}", state="answered",
        created_at=START, work_state=WorkState.DONE,
    )  # fmt: skip
    for place, (pod, pseudonym) in enumerate(zip(PODS, PSEUDONYMS, strict=True)):
        ActivationItem.objects.create(
            activation=made, position=place, place=place, pod=pod, proof="ask_customer", state="accepted",
            pseudonym=pseudonym, consent_id=CONSENT,
        )  # fmt: skip
    return made


@pytest.fixture
def delivery_id() -> str:
    return new_id("dlv")


def ready(delivery_id: str, version: int = 1) -> Delivery:
    """The event arrives; everything due is done."""
    data = DeliveryReady(delivery_id=delivery_id, version=version, activation_id=f"act_{'a' * 24}")
    announce(GRID, data)
    work()
    return Delivery.objects.get(delivery_id=delivery_id)


def work() -> None:
    """Do what is due."""
    run_until_idle()


def statements(kind: str) -> list[dict[str, Any]]:
    """The statements of a type made so far."""
    bodies = Outbox.objects.filter(kind="statement", type=kind).order_by("created_at").values_list("body", flat=True)
    found: list[dict[str, Any]] = [json.loads(_payload(json.loads(body)["statement"])) for body in bodies]
    return found


def signed(key: SigningKey, number: str) -> SignedRequest:
    return SignedRequest(number, key)
