"""Judging the evidence a requester brings: believed or refused with a code, kept sealed, answered the same again."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from meterhall.domain.protocol.base import Assurance
from meterhall.domain.protocol.canonical import digest, new_id
from meterhall.domain.protocol.consents import ConsentStatement, EvidenceView
from meterhall.domain.protocol.consents import Evidence as EvidenceIn
from meterhall.provider.consents.evidence import Read, check_dates, read_customer_signed, read_stated, trust_list
from meterhall.provider.consents.models import Consent, ConsentItem, Evidence
from meterhall.provider.consents.service import announce_granted
from meterhall.provider.points.models import Occupancy, Point
from meterhall.provider.points.service import pod_key, points_by_pod
from meterhall.web.messaging.peers import peer, transport_keys
from meterhall.web.platform import platform


def take_evidence(evidence: EvidenceIn, requester: str) -> Evidence:
    """Read, judge and keep a requester's evidence; the same again, under the same assurance, gives the same answer.

    Raises `BadEvidence` and `BadSignature` for what is not what its assurance says; of that nothing is kept.
    """
    name = digest(evidence.jws.encode())
    known = _known(requester, name, evidence.assurance)
    if known is not None:
        return known
    try:
        with transaction.atomic():
            return _judge(evidence, requester, name)
    except IntegrityError:
        known = _known(requester, name, evidence.assurance)
        if known is None:
            raise
        return known


def view(evidence: Evidence) -> EvidenceView:
    """The evidence as its requester sees it."""
    return EvidenceView(
        digest=evidence.digest,
        assurance=evidence.assurance,
        accepted=evidence.accepted,
        code=evidence.code or None,
    )


def _known(requester: str, name: str, assurance: Assurance) -> Evidence | None:
    return Evidence.objects.filter(requester=requester, digest=name, assurance=assurance).first()


def _judge(evidence: EvidenceIn, requester: str, name: str) -> Evidence:
    now = platform().now()
    consent: Consent | None = None
    code = "evidence_assurance"
    # `customer_confirmed` is what happens at the provider's own page; nobody can bring it.
    if evidence.assurance in platform().config.accepted_assurance and evidence.assurance != "customer_confirmed":
        code, consent = _believe(evidence, requester, now)
    return Evidence.objects.create(
        digest=name,
        requester=requester,
        assurance=evidence.assurance,
        sealed=platform().seal(evidence.jws.encode()),
        accepted=consent is not None,
        code=code,
        consent=consent,
        taken_at=now,
    )


def _believe(evidence: EvidenceIn, requester: str, now: datetime) -> tuple[str, Consent | None]:
    """The refusal code, or none and the consent the evidence stands for."""
    read = _read(evidence, requester, now)
    statement = read.statement
    check_dates(statement, now)
    if statement.requester != requester:
        return "consent_missing", None
    if evidence.assurance == "customer_signed" and read.signer_reference != statement.holder_reference:
        return "evidence_holder", None
    point = _point_of(statement.pod)
    if point is None:
        return "pod_unknown", None
    if not _has_held(point, statement):
        return "evidence_holder", None
    if statement.access_until <= now:
        return "consent_expired", None
    if _withdrawn_since(point, statement):
        return "consent_revoked", None
    return "", _consent_from(read, point, evidence.assurance, requester)


def _read(evidence: EvidenceIn, requester: str, now: datetime) -> Read:
    if evidence.assurance == "requester_stated":
        return read_stated(evidence.jws, transport_keys(requester))
    return read_customer_signed(evidence.jws, trust_list(platform().home.path / "trust" / "consent"), now)


def _point_of(pod: str) -> Point | None:
    key = pod_key(pod, platform().config.country)
    return points_by_pod({key}).get(key) if key else None


def _has_held(point: Point, statement: ConsentStatement) -> bool:
    """Whether the holder had moved in when consenting. Which readings follow from it is asked day by day."""
    day = statement.given_at.astimezone(ZoneInfo(point.zone)).date()
    held = Occupancy.objects.filter(point=point, holder_reference=statement.holder_reference, first__lte=day)
    return held.exists()


def _withdrawn_since(point: Point, statement: ConsentStatement) -> bool:
    """Whether the holder withdrew a consent to this requester after signing this: an old paper does not revive it."""
    return ConsentItem.objects.filter(
        point=point,
        consent__requester=statement.requester,
        consent__holder_reference=statement.holder_reference,
        ended_at__gte=statement.given_at,
    ).exists()


def _consent_from(read: Read, point: Point, assurance: Assurance, requester: str) -> Consent:
    statement = read.statement
    consent = Consent.objects.create(
        consent_id=new_id("con"),
        requester=requester,
        requester_name=peer(requester).name,
        holder_reference=statement.holder_reference,
        assurance=assurance,
        granted_at=statement.given_at,
    )
    ConsentItem.objects.create(
        consent=consent,
        point=point,
        need="evidence",
        scope=statement.scope.document(),
        purpose=statement.purpose,
        access_until=statement.access_until,
    )
    announce_granted(consent, 1)
    return consent
