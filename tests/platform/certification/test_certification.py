"""Certifications: who may ask, what is kept, how a run is announced, done apart and remembered."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meterhall.client.b2b import B2BClient, RemoteRefusal
from meterhall.domain.pods import InvalidPod, demonstration_pod
from meterhall.domain.protocol.events import CertificationStarted, Event
from meterhall.domain.protocol.keys import verify
from meterhall.domain.protocol.offers import CertificationCheck, CertificationView, Profile
from meterhall.domain.protocol.players import ATTESTATION_TYP
from meterhall.marketplace.certification import service, tasks
from meterhall.marketplace.certification.conformance import CHECKS
from meterhall.marketplace.certification.models import Certification
from meterhall.marketplace.certification.service import (
    BadRunPeriod,
    CertificationRunning,
    NotAProvider,
    NotSandboxPod,
    UnknownCertification,
    announce,
    certified,
    find,
    finish,
    request_certification,
    run_apart,
)
from meterhall.marketplace.ledger.models import KeptStatement
from meterhall.marketplace.players.attestations import CERTIFIER_NUMBER
from meterhall.web.messaging.models import Outbox
from meterhall.web.messaging.peers import remember_player
from meterhall.web.platform import platform
from meterhall.web.work.engine import QUEUES, NotYet, claim, perform
from meterhall.web.work.models import WorkState
from tests.platform.ledger.conftest import Market

PODS = tuple(demonstration_pod("BE", n).value for n in (1, 2))
GOOD = tuple(CertificationCheck(name=name, passed=True, detail="ok") for name, _ in CHECKS)


def profile(*pods: str, until: str = "2026-03-08") -> Profile:
    return Profile.model_validate(
        {
            "sandbox_pods": pods or PODS,
            "period": {"from": "2026-03-01", "until": until},
            "granularity": "PT15M",
            "format": "csv",
        }
    )


@pytest.fixture
def row(market: Market) -> Certification:
    view = request_certification(profile(), market.provider.number)
    return Certification.objects.get(pk=view.certification_id)


def work(row: Certification) -> Certification:
    """Let the worker do the row once."""
    queue = QUEUES[Certification]
    claimed = claim(queue, platform().now() + timedelta(seconds=1))
    assert claimed is not None
    perform(queue, claimed)
    return Certification.objects.get(pk=row.pk)


def delivered(row: Certification) -> None:
    Outbox.objects.filter(id=row.announcement).update(work_state=WorkState.DONE)


@pytest.mark.parametrize("scheme", ["BE", "IT", "ES"])
def test_sandbox_pods_of_every_scheme_are_taken(market: Market, scheme: str):
    taken = request_certification(profile(demonstration_pod(scheme, 7).value), market.provider.number)
    assert taken.status == "pending"


@pytest.mark.parametrize(
    ("given", "error", "field"),
    [
        (profile(PODS[0], "IT001E12345678"), NotSandboxPod, "/sandbox_pods/1"),
        (profile("no pod at all"), InvalidPod, "/sandbox_pods/0"),
        (profile(until="2026-03-01"), BadRunPeriod, "/period"),
        (profile(until="2026-04-02"), BadRunPeriod, "/period"),
    ],
)
def test_a_profile_that_is_refused(market: Market, given: Profile, error: type, field: str):
    with pytest.raises(error) as caught:
        request_certification(given, market.provider.number)
    assert caught.value.field == field
    assert "IT001E" not in str(caught.value.problem())


def test_only_providers_and_one_run_at_a_time(market: Market, row: Certification):
    with pytest.raises(CertificationRunning):
        request_certification(profile(), market.provider.number)
    remember_player(market.requester.view("requester"), None)
    with pytest.raises(NotAProvider):
        request_certification(profile(), market.requester.number)
    with pytest.raises(UnknownCertification):
        find(row.pk, market.requester.number)


def test_pods_do_not_rest_here(market: Market, row: Certification):
    """Not even sandbox PODs are legible in the row, and none are left behind the run."""
    held = bytes(row.sealed_profile or b"")
    assert all(pod.encode() not in held for pod in PODS)
    finish(row, GOOD)
    assert Certification.objects.get(pk=row.pk).sealed_profile is None


def test_the_certifier_is_announced_first(market: Market, row: Certification):
    row = work(row)
    assert (row.status, row.work_state, row.attempts) == ("running", WorkState.PENDING, 0)
    event = Event.model_validate_json(Outbox.objects.get(id=row.announcement).body)
    told = CertificationStarted.model_validate(event.data)
    claims = verify(told.attestation, [market.platform.transport_key.public], typ=ATTESTATION_TYP).document
    assert (claims["kind"], claims["aud"], claims["sub"]) == ("sandbox", market.provider.number, CERTIFIER_NUMBER)
    assert claims["sandbox"] == {"certification_id": row.pk}
    with pytest.raises(NotYet):
        service.run(row)


@pytest.mark.parametrize("how", ["dead", "late"])
def test_a_provider_that_cannot_be_told_fails(market: Market, row: Certification, how: str):
    announce(row)
    if how == "dead":
        Outbox.objects.filter(id=row.announcement).update(work_state=WorkState.DEAD)
    else:
        market.clock.ahead += timedelta(hours=2)
    row = work(row)
    assert (row.status, row.work_state, [check["name"] for check in row.checks]) == (
        "failed", WorkState.DONE, ["announcement"],
    )  # fmt: skip


def test_the_run_is_a_process_of_its_own(market: Market, row: Certification, monkeypatch: pytest.MonkeyPatch):
    """Nobody answers at the provider's address: the process says so, and nothing of the platform is in its world."""
    nobody = market.provider.view(base="https://localhost:1")
    remember_player(nobody, None)
    announce(row)
    delivered(row)
    monkeypatch.setenv("METERHALL_HOME", "/secret")
    row = work(row)
    assert row.status == "failed"
    assert row.checks == [{"name": "discovery", "passed": False, "detail": "The connection failed: ConnectError."}]
    statement = KeptStatement.objects.get()
    assert (statement.type, statement.document["counts"]) == ("certification.failed", {"checks": 12, "passed": 0})


def test_a_run_that_crashes_is_a_failed_one(market: Market, row: Certification):
    assignment = service._assignment(row).model_copy(update={"trust_pem": "/nowhere.pem"})
    [check] = run_apart(assignment)
    assert (check.name, check.passed) == ("run", False)


def test_a_passed_run_certifies_until_it_lapses(market: Market, row: Certification):
    announce(row)
    assert certified(market.provider.number) is None
    finish(row, GOOD)
    until = certified(market.provider.number)
    assert until == market.clock().replace(microsecond=until.microsecond, second=until.second) + timedelta(days=365)
    assert KeptStatement.objects.get().type == "certification.passed"
    told = Outbox.objects.get(type="certification.finished")
    assert Event.model_validate_json(told.body).data == {"certification_id": row.pk, "passed": True}
    tasks.lapse()
    assert Certification.objects.get().status == "passed"
    market.clock.ahead += timedelta(days=365, seconds=1)
    assert certified(market.provider.number) is None
    tasks.lapse()
    assert Certification.objects.get().status == "lapsed"
    assert request_certification(profile(), market.provider.number).status == "pending"


@pytest.mark.parametrize("checks", [GOOD[:-1], (*GOOD[:-1], GOOD[-1].model_copy(update={"passed": False})), ()])
def test_short_of_every_check_is_not_passed(market: Market, row: Certification, checks: tuple[CertificationCheck, ...]):
    announce(row)
    finish(row, checks)
    assert Certification.objects.get().status == "failed"
    assert certified(market.provider.number) is None


def test_what_the_worker_gave_up_is_closed(market: Market, row: Certification):
    announce(row)
    Certification.objects.update(work_state=WorkState.DEAD)
    tasks.lapse()
    assert Certification.objects.get().status == "failed"


def test_over_the_interface(market: Market):
    client: B2BClient = market.provider.client(market.http)
    asked = client.call("POST", "/v1/certifications", profile(), CertificationView)
    path = f"/v1/certifications/{asked.certification_id}"
    assert client.call("GET", path, None, CertificationView) == asked
    with pytest.raises(RemoteRefusal) as caught:
        market.requester.client(market.http).call("GET", path, None, CertificationView)
    assert caught.value.remote_code == "unknown_certification"
