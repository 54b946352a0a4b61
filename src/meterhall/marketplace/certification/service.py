"""Commands and questions about certifications: request, run, finish, lapse; and whether a provider is certified."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Max

from meterhall.domain.errors import Conflict, InvalidInput, NotFound, NotPermitted
from meterhall.domain.pods import is_sandbox, read
from meterhall.domain.protocol.canonical import canonical, digest, new_id
from meterhall.domain.protocol.events import CertificationFinished, CertificationStarted
from meterhall.domain.protocol.offers import CertificationCheck, CertificationView, Profile
from meterhall.domain.protocol.players import PlayerView
from meterhall.marketplace.certification.conformance import CHECKS, Assignment
from meterhall.marketplace.certification.models import Certification
from meterhall.marketplace.players.attestations import CERTIFIER_NUMBER
from meterhall.marketplace.players.service import certifier_key, sandbox_attestation
from meterhall.web.messaging.models import Outbox
from meterhall.web.messaging.peers import my_access_number, peer
from meterhall.web.messaging.service import notify, state
from meterhall.web.platform import platform
from meterhall.web.work.engine import NotYet
from meterhall.web.work.models import WorkState

log = structlog.get_logger(__name__)
RUN_S = 300
"""How long a run may take altogether."""
ANNOUNCED_WITHIN = timedelta(hours=1)
"""How long a provider may take to receive the announcement."""
LONGEST = timedelta(days=31)
"""The longest reading period of a run: it is a check, not a load test."""


class NotAProvider(NotPermitted):
    code = "not_a_provider"
    title = "Only a player enrolled as a provider is certified."


class NotSandboxPod(InvalidInput):
    code = "not_a_sandbox_pod"
    title = "A conformance run uses PODs of the ranges reserved for sandboxes only."


class BadRunPeriod(InvalidInput):
    code = "bad_run_period"
    title = "The reading period of a conformance run is one to 31 days."


class CertificationRunning(Conflict):
    code = "certification_running"
    title = "A conformance run of this provider is under way."


class UnknownCertification(NotFound):
    code = "unknown_certification"
    title = "There is no such certification, or it is not the caller's."


def request_certification(profile: Profile, provider: str) -> CertificationView:
    """Queue a conformance run.

    Raises `NotAProvider`, `NotSandboxPod`, `InvalidPod`, `BadRunPeriod`, `CertificationRunning`.
    """
    player = PlayerView.model_validate(peer(provider).document)
    if "provider" not in player.roles:
        raise NotAProvider
    _check_profile(profile, player.country)
    now = platform().now()
    try:
        with transaction.atomic():
            row = Certification.objects.create(
                certification_id=new_id("crt"),
                provider=provider,
                sealed_profile=platform().seal(profile.canonical()),
                requested_at=now,
                due_at=now,
            )
    except IntegrityError:
        raise CertificationRunning from None
    return view(row)


def _check_profile(profile: Profile, country: str) -> None:
    for index, text in enumerate(profile.sandbox_pods):
        where = f"/sandbox_pods/{index}"
        candidates = read(text, country=country, field=where)
        if not all(is_sandbox(candidate.pod) for candidate in candidates):
            raise NotSandboxPod(field=where)
    length = profile.period.until - profile.period.first
    if not timedelta(days=1) <= length <= LONGEST:
        raise BadRunPeriod(field="/period")


def view(row: Certification) -> CertificationView:
    """A certification as its provider sees it."""
    return CertificationView(
        certification_id=row.certification_id,
        status=row.status,
        requested_at=row.requested_at,
        finished_at=row.finished_at,
        valid_until=row.valid_until,
        checks=tuple(CertificationCheck.model_validate(check) for check in row.checks),
    )


def find(certification_id: str, provider: str) -> Certification:
    """The caller's certification. Raises `UnknownCertification`."""
    found = Certification.objects.filter(certification_id=certification_id, provider=provider).first()
    if found is None:
        raise UnknownCertification
    return found


def certified(provider: str) -> datetime | None:
    """Until when the provider is certified, or None when it is not, now."""
    return all_certified().get(provider) if provider else None


def all_certified() -> dict[str, datetime]:
    """Every provider certified now, with the end of its certificate."""
    valid = Certification.objects.filter(status="passed", valid_until__gt=platform().now())
    return dict(valid.values_list("provider").annotate(Max("valid_until")))


def announce(row: Certification) -> None:
    """Tell the provider that the certifier is coming, with its attestation."""
    with transaction.atomic():
        attestation = sandbox_attestation(row.provider, row.certification_id)
        started = CertificationStarted(certification_id=row.certification_id, attestation=attestation)
        row.announcement = notify(row.provider, "certification.started", row.certification_id, started)
        row.status = "running"
        row.save(update_fields=["announcement", "status"])


def run(row: Certification) -> None:
    """Run the checks once the provider has the announcement, and finish. Raises `NotYet` before that."""
    sent = Outbox.objects.filter(id=row.announcement).values_list("work_state", flat=True).first()
    late = platform().now() > row.requested_at + ANNOUNCED_WITHIN
    if sent == WorkState.DONE:
        finish(row, run_apart(_assignment(row)))
    elif sent == WorkState.DEAD or late:
        finish(row, (_failure("announcement", "The provider did not receive certification.started."),))
    else:
        raise NotYet(0.5)


def _failure(name: str, detail: str) -> CertificationCheck:
    return CertificationCheck(name=name, passed=False, detail=detail)


def _assignment(row: Certification) -> Assignment:
    trust = platform().trust_pem
    return Assignment(
        provider=PlayerView.model_validate(peer(row.provider).document),
        environment=platform().config.environment,
        certifier=CERTIFIER_NUMBER,
        key=certifier_key().to_bytes().hex(),
        attestation=sandbox_attestation(row.provider, row.certification_id),
        profile=Profile.model_validate_json(platform().unseal(bytes(row.sealed_profile or b""))),
        trust_pem=str(trust.resolve()) if trust.exists() and trust.stat().st_size else "",
    )


def run_apart(assignment: Assignment) -> tuple[CertificationCheck, ...]:
    """The run in a process of its own, which gets nothing of this platform but the assignment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("METERHALL_", "DATABASE"))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "meterhall.marketplace.certification.conformance"],
            input=assignment.canonical(),
            capture_output=True,
            timeout=RUN_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return (_failure("run", f"The run did not end within {RUN_S} s."),)
    if done.returncode:
        log.error("certification.crashed", code=done.returncode)
        return (_failure("run", "The run ended unexpectedly; this is a fault of the Market Place."),)
    return tuple(CertificationCheck.model_validate(check) for check in json.loads(done.stdout))


def finish(row: Certification, checks: tuple[CertificationCheck, ...]) -> None:
    """Keep the result, state it, tell the provider, and drop the sandbox PODs."""
    passed = [check.name for check in checks if check.passed] == [name for name, _ in CHECKS]
    now = platform().now()
    documents = [check.document() for check in checks]
    with transaction.atomic():
        row.status = "passed" if passed else "failed"
        row.checks, row.finished_at, row.sealed_profile = documents, now, None
        row.valid_until = now + timedelta(days=platform().config.certificate_days) if passed else None
        row.save(update_fields=["status", "checks", "finished_at", "sealed_profile", "valid_until"])
        state(
            "certification.passed" if passed else "certification.failed",
            transaction_id=row.certification_id,
            subject=row.certification_id,
            parties=(my_access_number(), row.provider),
            counts={"checks": len(CHECKS), "passed": sum(check.passed for check in checks)},
            commitments={"checks": digest(canonical(documents))},
        )
        told = CertificationFinished(certification_id=row.certification_id, passed=passed)
        notify(row.provider, "certification.finished", row.certification_id, told)


def lapse() -> int:
    """Mark certificates that have run out; how many."""
    return Certification.objects.filter(status="passed", valid_until__lte=platform().now()).update(status="lapsed")


def close_dead() -> None:
    """A run that could not be brought to an end has failed, so that the provider may ask for another."""
    for row in Certification.objects.filter(status__in=("pending", "running"), work_state=WorkState.DEAD):
        finish(row, (_failure("run", "The run could not be brought to an end."),))
