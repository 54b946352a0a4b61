"""The conformance run against the provider this package ships, over its B2B listener; and what each check catches."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import get_args
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client as Browser
from django.test import override_settings

from meterhall.domain.identifiers import access_number
from meterhall.domain.pods import demonstration_pod
from meterhall.domain.protocol.base import FormatName
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.domain.protocol.events import CertificationStarted
from meterhall.domain.protocol.keys import sign
from meterhall.domain.protocol.offers import CertificationCheck, Profile
from meterhall.domain.protocol.players import ATTESTATION_TYP, Attestation, Discovery, Endpoints, SandboxGrant
from meterhall.marketplace.certification import conformance as conformance_run
from meterhall.marketplace.certification.conformance import CHECKS, Assignment, Run, TlsSeen, run_checks
from meterhall.provider.contracts.service import admit_certifier
from meterhall.provider.metering.service import take_readings
from meterhall.provider.points.schemas import PointIn
from meterhall.provider.points.service import register_points
from meterhall.web.home import Home, create_ca
from meterhall.web.messaging.models import Outbox
from meterhall.web.messaging.peers import remember_marketplace, set_access_number
from meterhall.web.platform import Platform
from meterhall.web.work.engine import discover, run_until_idle
from tests.platform.ledger.conftest import BASE, Party

MARKET, CERTIFIER = Party(access_number(0)), Party(access_number(1))
NUMBER = access_number(2)
PODS = tuple(demonstration_pod("BE", n).value for n in (1, 2))
NAMES = [name for name, _ in CHECKS]
Spoil = Callable[[str, httpx.Response], httpx.Response]


@dataclass
class Provider(httpx.BaseTransport):
    """The provider's B2B listener; `spoil` changes what it answers, as a provider that is not conformant would."""

    spoil: dict[str, Spoil] = field(default_factory=dict)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = urlsplit(str(request.url))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Django warns that the test client reads an asynchronous body at once
            answer = Browser().generic(
                request.method,
                url.path + (f"?{url.query}" if url.query else ""),
                request.read(),
                content_type=request.headers.get("Content-Type", "application/json"),
                headers={k: v for k, v in request.headers.items() if k not in {"host", "content-length"}},
            )
            content = b"".join(answer) if answer.streaming else answer.content
        response = httpx.Response(answer.status_code, headers=dict(answer.items()), content=content)
        for part, change in self.spoil.items():
            if part in f"{request.method} {url.path}":
                response = change(request.headers.get("Range", ""), response)
        return response


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("conformance")
    create_ca(folder / "ca")
    return Home.create(folder / "home", {"role": "provider", "name": "Grid", "country": "BE"}, folder / "ca")


@pytest.fixture
def provider(db: None, home: Home) -> Iterator[Provider]:
    held, listener = Platform(home), Provider()
    with override_settings(METERHALL=held, ROOT_URLCONF="meterhall.provider.urls_b2b"):
        discover()
        set_access_number(NUMBER)
        remember_marketplace(
            Discovery(
                role="marketplace", environment="regulated", organisation="Market", access_number=MARKET.number,
                keys=(MARKET.key.public.jwk(),), endpoints=Endpoints(b2b="https://market.example"),
            )
        )  # fmt: skip
        points = tuple(PointIn(pod=pod, country="BE", zone="Europe/Brussels", sandbox=True) for pod in PODS)
        register_points(points)
        take_readings(readings(), "PT15M")
        run_until_idle()
        admit_certifier(CertificationStarted(certification_id=GRANT.certification_id, attestation=attestation()))
        yield listener


GRANT = SandboxGrant(certification_id=new_id("crt"))


def readings() -> bytes:
    """Two days of both points in 15-minute values."""
    start = datetime(2026, 3, 1, 23, tzinfo=UTC) - timedelta(days=1)
    rows = [f"{pod},{(start + timedelta(minutes=15 * n)).isoformat()},{100 + n}" for pod in PODS for n in range(192)]
    return "\n".join(["pod,start,energy_wh", *rows]).encode()


def attestation() -> str:
    now = int(datetime.now(UTC).timestamp())
    claims = Attestation(
        iss="https://market.example", sub=CERTIFIER.number, aud=NUMBER, iat=now, exp=now + 3600, jti="1",
        kind="sandbox", environment="regulated", player=CERTIFIER.view("requester"), sandbox=GRANT,
    )  # fmt: skip
    return sign(claims.document(), MARKET.key, typ=ATTESTATION_TYP)


def conformance(provider: Provider, home: Home, **more: object) -> tuple[CertificationCheck, ...]:
    """A run with the provider's worker at work whenever the run waits."""
    profile = {"sandbox_pods": PODS, "period": {"from": "2026-03-01", "until": "2026-03-03"},
               "granularity": "PT15M", "format": "csv"} | more  # fmt: skip
    given = Assignment(
        provider=Party(NUMBER, home.key("transport")).view("provider", base=BASE), environment="regulated",
        certifier=CERTIFIER.number, key=CERTIFIER.key.to_bytes().hex(), attestation=attestation(),
        profile=Profile.model_validate(profile), patience_s=2,
    )  # fmt: skip
    with httpx.Client(transport=provider) as http:
        seen = TlsSeen("TLSv1.3", datetime(2030, 1, 1, tzinfo=UTC))
        return run_checks(Run(given, http, lambda base: seen, wait=lambda seconds: work()))


def work() -> None:
    """The worker, but for the messages to others: nobody else is there."""
    Outbox.objects.all().delete()
    run_until_idle()


@pytest.mark.parametrize("form", get_args(FormatName))
def test_our_own_provider_passes(provider: Provider, home: Home, form: str):
    checks = conformance(provider, home, format=form)
    assert [(one.name, one.passed) for one in checks] == [(name, True) for name in NAMES], checks[-1].detail
    written = json.dumps([one.document() for one in checks])
    assert not any(pod in written for pod in PODS)
    assert "384 readings" in written


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_packed_parts_are_read_and_a_bomb_is_not(
    provider: Provider, home: Home, monkeypatch: pytest.MonkeyPatch, how: str
):
    monkeypatch.setattr(conformance_run, "DataRequest", partial(DataRequest, compression=how))
    checks = conformance(provider, home)
    assert [one.passed for one in checks] == [True] * len(NAMES), checks[-1].detail
    monkeypatch.setattr(conformance_run, "MOST_BYTES", 10_000)
    checks = conformance(provider, home)
    assert (checks[-1].name, checks[-1].passed) == ("format", False)
    assert "unpacked_too_large" in checks[-1].detail


def changed(**members: object) -> Spoil:
    """The JSON answer with some members changed; None takes one out."""

    def spoil(asked: str, response: httpx.Response) -> httpx.Response:
        document = {**response.json(), **members}
        kept = {name: value for name, value in document.items() if value is not None}
        return httpx.Response(response.status_code, json=kept)

    return spoil


def answering(status: int, **problem: object) -> Spoil:
    return lambda asked, response: httpx.Response(status, json=problem)


def flipped(asked: str, response: httpx.Response) -> httpx.Response:
    """The part with its last byte changed, whole or by range."""
    content = response.content[:-1] + bytes([response.content[-1] ^ 1])
    return httpx.Response(response.status_code, content=content)


def no_ranges(asked: str, response: httpx.Response) -> httpx.Response:
    return httpx.Response(200, content=response.content) if asked else response


def refused_answers(asked: str, response: httpx.Response) -> httpx.Response:
    document = response.json()
    document["items"][1] |= {"state": "refused", "code": "pod_unknown", "detail": PODS[1]}
    return httpx.Response(200, json=document)


def another_manifest(asked: str, response: httpx.Response) -> httpx.Response:
    document = response.json()
    if response.is_success:
        document["manifest"]["parts"][0]["readings"] -= 1
    return httpx.Response(response.status_code, json=document)


FAULTS: dict[str, tuple[str, str, Spoil]] = {
    "another role": ("discovery", "meterhall", changed(role="requester")),
    "another environment": ("discovery", "meterhall", changed(environment="unregulated")),
    "other keys": ("discovery", "meterhall", changed(keys=[CERTIFIER.key.public.jwk()])),
    "nonsense": ("discovery", "meterhall", lambda asked, response: httpx.Response(200, text=PODS[0])),
    "another issuer": ("oauth_metadata", "oauth-authorization-server", changed(issuer="https://other.example")),
    "no client_credentials": ("oauth_metadata", "oauth-authorization-server", changed(grant_types_supported=[])),
    "no DPoP": ("oauth_metadata", "oauth-authorization-server", changed(dpop_signing_alg_values_supported=None)),
    "open to anyone": ("token", "GET /v1/activations/act_", answering(200)),
    "no token": ("token", "oauth/token", answering(400, error="invalid_client", error_description=PODS[0])),
    "closed sandbox": ("activation", "POST /v1/activations", answering(403, code="no_contract", detail=PODS[0])),
    "forged acknowledgement": (
        "activation", "POST /v1/activations",
        changed(acknowledgement={"statement": sign({"by": NUMBER}, CERTIFIER.key, typ="meterhall-statement+jws")}),
    ),
    "a POD refused": ("answers", "/answers", refused_answers),
    "no request taken": ("data_request", "data-requests", answering(422, code="outside_activation", detail=PODS[0])),
    "another manifest than signed": ("manifest", "GET /v1/deliveries", another_manifest),
    "never ready": ("manifest", "GET /v1/deliveries", answering(409, code="delivery_not_ready")),
    "no ranges": ("parts", "/parts/", no_ranges),
    "another file": ("digests", "/parts/", flipped),
    "no receipt taken": ("receipt", "/receipt", answering(500)),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_each_check_catches(provider: Provider, home: Home, fault: str):
    name, where, spoil = FAULTS[fault]
    provider.spoil[where] = spoil
    checks = conformance(provider, home)
    assert [one.name for one in checks] == NAMES[: NAMES.index(name) + 1], checks[-1].detail
    assert [one.passed for one in checks] == [True] * (len(checks) - 1) + [False]
    assert not any(pod in checks[-1].detail for pod in PODS), "what a provider writes is not kept"


def test_a_file_that_is_not_its_format(provider: Provider, home: Home, monkeypatch: pytest.MonkeyPatch):
    """The provider signs and sends CSV and calls it JSON lines."""
    from meterhall.formats import FORMATS
    from meterhall.provider.deliveries import drawing

    monkeypatch.setattr(drawing, "FORMATS", {**FORMATS, "jsonl": FORMATS["csv"]})
    checks = conformance(provider, home, format="jsonl")
    assert (checks[-1].name, checks[-1].passed) == ("format", False)


def test_an_old_tls_is_refused(provider: Provider, home: Home):
    from meterhall.marketplace.certification.conformance import NotConformant, check_tls

    class Old:
        base = BASE

        @staticmethod
        def tls(base: str) -> TlsSeen:
            return TlsSeen("TLSv1.1", datetime(2030, 1, 1, tzinfo=UTC))

    with pytest.raises(NotConformant, match=r"TLSv1\.1"):
        check_tls(Old)  # type: ignore[arg-type]


def test_pods_nobody_knows(provider: Provider, home: Home):
    checks = conformance(provider, home, sandbox_pods=(demonstration_pod("BE", 9).value,))
    assert (checks[-1].name, checks[-1].detail) == ("answers", "Sandbox POD 1 is refused: pod_unknown.")
