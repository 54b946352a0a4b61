"""Commands about consents: grant, take evidence, revoke; and the question asked before any byte moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F

from meterhall.domain.consent import (
    Asked,
    ForPoint,
    ForRequester,
    Granted,
    NotEnded,
    Refused,
    UnderSubscription,
    Until,
    WithinScope,
    verify,
)
from meterhall.domain.errors import MeterhallError, NotFound
from meterhall.domain.pods import InvalidPod
from meterhall.domain.protocol.base import Assurance
from meterhall.domain.protocol.canonical import digest, new_id
from meterhall.domain.protocol.consents import ConsentView, EvidenceView, GrantedDetail
from meterhall.domain.protocol.consents import Evidence as EvidenceIn
from meterhall.domain.protocol.events import ConsentChanged
from meterhall.domain.protocol.offers import DataScope
from meterhall.provider.consents.evidence import Read, check_dates, read_customer_signed, read_stated, trust_list
from meterhall.provider.consents.models import Consent, ConsentEpoch, ConsentItem, Evidence
from meterhall.provider.points.models import Occupancy, Point
from meterhall.provider.points.service import find_point, one_pod
from meterhall.web.messaging.peers import my_access_number, peer, transport_keys
from meterhall.web.messaging.service import notify, state
from meterhall.web.platform import platform


class UnknownConsent(NotFound):
    code = "unknown_consent"
    title = "There is no such consent, or it is not the caller's."


class UnknownPoint(NotFound):
    code = "unknown_point"
    title = "There is no such metering point of this holder."


@dataclass(frozen=True, slots=True)
class Covered:
    """The consent item that lets it pass."""

    item: ConsentItem


def grant(
    requester: str, holder_reference: str, details: Iterable[GrantedDetail], assurance: Assurance = "customer_confirmed"
) -> Consent:
    """A holder consents at the provider: several data needs, each for some of the holder's points.

    Raises `UnknownPoint` for a point the holder does not hold.
    """
    now = platform().now()
    with transaction.atomic():
        consent = Consent.objects.create(
            consent_id=new_id("con"),
            requester=requester,
            requester_name=peer(requester).name,
            holder_reference=holder_reference,
            assurance=assurance,
            granted_at=now,
        )
        count = 0
        for detail in details:
            for handle in detail.points:
                _add_item(consent, detail, _own_point(handle, holder_reference))
                count += 1
        _announce_granted(consent, count)
    return consent


def _own_point(handle: str, holder_reference: str) -> Point:
    point = Point.objects.filter(handle=handle, occupancies__holder_reference=holder_reference).distinct().first()
    if point is None:
        raise UnknownPoint(field="/points")
    return point


def _add_item(consent: Consent, detail: GrantedDetail, point: Point) -> None:
    ConsentItem.objects.create(
        consent=consent,
        point=point,
        need=detail.need,
        subscription_id=detail.subscription_id,
        scope=detail.scope.document(),
        purpose=detail.purpose,
        access_until=detail.access_until,
    )


def _announce_granted(consent: Consent, items: int) -> None:
    state(
        "consent.granted",
        transaction_id=consent.consent_id,
        subject=consent.consent_id,
        parties=(my_access_number(), consent.requester),
        counts={"items": items},
    )
    changed = ConsentChanged(consent_id=consent.consent_id, state=consent.state, at=consent.granted_at)
    notify(consent.requester, "consent.granted", consent.consent_id, changed)


def holder_points(holder_reference: str) -> list[Point]:
    """The points a holder holds or held, newest stretch first."""
    return list(Point.objects.filter(occupancies__holder_reference=holder_reference).distinct().order_by("handle"))


def take_evidence(evidence: EvidenceIn, requester: str) -> EvidenceView:
    """Read, judge and keep a requester's evidence; the same evidence again gives the same answer."""
    name = digest(evidence.jws.encode())
    known = Evidence.objects.filter(requester=requester, digest=name).first()
    if known is None:
        known = _judge(evidence, requester, name)
    return EvidenceView(
        digest=name,
        assurance=known.assurance,  # type: ignore[arg-type]
        accepted=known.accepted,
        code=known.code or None,
    )


def _judge(evidence: EvidenceIn, requester: str, name: str) -> Evidence:
    now = platform().now()
    consent: Consent | None = None
    with transaction.atomic():
        if evidence.assurance not in platform().config.accepted_assurance or evidence.assurance == "customer_confirmed":
            code = "evidence_assurance"
        else:
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
    """The refusal code, or none and the consent the evidence stands for. Raises `BadEvidence`."""
    read = _read(evidence, requester, now)
    statement = read.statement
    check_dates(statement, now)
    if statement.requester != requester:
        return "evidence_holder", None
    if read.signer_reference is not None and read.signer_reference != statement.holder_reference:
        return "evidence_holder", None
    point = _point_of(statement.pod)
    if point is None:
        return "pod_unknown", None
    if not _held_then(point, statement.holder_reference, statement.given_at):
        return "evidence_holder", None
    if statement.access_until <= now:
        return "consent_expired", None
    return "", _consent_from(read, point, evidence.assurance, requester)


def _read(evidence: EvidenceIn, requester: str, now: datetime) -> Read:
    if evidence.assurance == "requester_stated":
        return read_stated(evidence.jws, transport_keys(requester))
    return read_customer_signed(evidence.jws, trust_list(platform().home.path / "trust" / "consent"), now)


def _point_of(pod: str) -> Point | None:
    country = platform().config.country
    try:
        return find_point(one_pod(pod, country, "/pod"))
    except (InvalidPod, MeterhallError):
        return None


def _held_then(point: Point, holder_reference: str, at: datetime) -> bool:
    day = at.date()
    held = Occupancy.objects.filter(point=point, holder_reference=holder_reference, first__lte=day)
    return any(one.until is None or one.until > day for one in held)


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
    _announce_granted(consent, 1)
    return consent


def covering(
    requester: str,
    subscription_id: str,
    point: Point,
    scope: DataScope,
    consent: Consent | None = None,
) -> Covered | Refused:
    """The consent item that covers this now; else the refusal of the one that came nearest."""
    asked = Asked(requester, subscription_id, point.handle, scope, platform().now())
    items = ConsentItem.objects.filter(point=point, consent__requester=requester).select_related("consent", "point")
    if consent is not None:
        items = items.filter(consent=consent)
    nearest = Refused("consent_missing")
    for item in items.order_by("-consent__granted_at"):
        answer = verify(caveats(item), asked)
        if isinstance(answer, Granted):
            return Covered(item)
        if nearest.code == "consent_missing":
            nearest = answer
    return nearest


def caveats(
    item: ConsentItem,
) -> tuple[ForRequester, UnderSubscription, ForPoint, NotEnded, Until, WithinScope]:
    """The item as caveats, in the order in which they are asked."""
    return (
        ForRequester(item.consent.requester),
        UnderSubscription(item.subscription_id),
        ForPoint(item.point.handle),
        NotEnded(item.ended_at),
        Until(item.access_until),
        WithinScope(DataScope.model_validate(item.scope)),
    )


def epoch() -> int:
    """The present consent epoch: as long as it stands still, no consent has ended."""
    return ConsentEpoch.objects.values_list("value", flat=True).first() or 0


def advance_epoch() -> None:
    """In the transaction of whatever ends a consent."""
    if not ConsentEpoch.objects.filter(pk=1).update(value=F("value") + 1):
        ConsentEpoch.objects.get_or_create(pk=1, defaults={"value": 1})


def revoke(consent_id: str, holder_reference: str, points: tuple[str, ...] = ()) -> Consent:
    """The holder withdraws a consent, wholly or for some points; it takes effect at once."""
    consent = Consent.objects.filter(consent_id=consent_id, holder_reference=holder_reference).first()
    if consent is None:
        raise UnknownConsent
    return _end(consent, points, "revoked")


def terminate(consent_id: str, requester: str) -> Consent:
    """The requester needs the data no longer ((EU) 2023/1162, procedure 4)."""
    consent = Consent.objects.filter(consent_id=consent_id, requester=requester).first()
    if consent is None:
        raise UnknownConsent
    return _end(consent, (), "terminated")


def _end(consent: Consent, points: tuple[str, ...], how: str) -> Consent:
    now = platform().now()
    with transaction.atomic():
        consent = Consent.objects.select_for_update().get(pk=consent.pk)
        running = consent.items.filter(ended_at=None)
        if points:
            running = running.filter(point__handle__in=points)
        if not running.update(ended_at=now):
            return consent
        left = consent.items.filter(ended_at=None).exists()
        consent.state = "partly_revoked" if left else how
        consent.ended_at = None if left else now
        consent.save(update_fields=["state", "ended_at"])
        advance_epoch()
        _announce_ended(consent, now)
    return consent


def _announce_ended(consent: Consent, now: datetime) -> None:
    state(
        "consent.ended",
        transaction_id=consent.consent_id,
        subject=consent.consent_id,
        parties=(my_access_number(), consent.requester),
    )
    changed = ConsentChanged(consent_id=consent.consent_id, state=consent.state, at=now)
    notify(consent.requester, "consent.revoked", consent.consent_id, changed)


def expire_due() -> int:
    """Note the consents whose time is over; how many items. Nothing moved under them since: the clock is asked too."""
    now = platform().now()
    due = ConsentItem.objects.filter(ended_at=None, expiry_noted=False, access_until__lte=now)
    count = 0
    for item in due.select_related("consent"):
        with transaction.atomic():
            item.expiry_noted = True
            item.save(update_fields=["expiry_noted"])
            consent = item.consent
            if not consent.items.filter(ended_at=None, access_until__gt=now).exists() and consent.ended_at is None:
                consent.state, consent.ended_at = "expired", now
                consent.save(update_fields=["state", "ended_at"])
                _announce_ended(consent, now)
            advance_epoch()
            count += 1
    return count


def view(consent: Consent) -> ConsentView:
    """The consent as its requester sees it."""
    until = max(consent.items.values_list("access_until", flat=True))
    return ConsentView(
        consent_id=consent.consent_id,
        state=consent.state,  # type: ignore[arg-type]
        epoch=epoch(),
        assurance=consent.assurance,  # type: ignore[arg-type]
        granted_at=consent.granted_at,
        access_until=until,
        ended_at=consent.ended_at,
    )
