"""Commands about consents: grant, revoke, terminate, let expire. Evidence brought by requesters is in `judging`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from meterhall.domain.errors import InvalidInput, NotFound
from meterhall.domain.protocol.base import Assurance
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.consents import ConsentView, GrantedDetail, MeteringDataDetail
from meterhall.domain.protocol.events import ConsentChanged
from meterhall.provider.consents.epoch import advance_epoch, epoch
from meterhall.provider.consents.models import Consent, ConsentItem
from meterhall.provider.contracts.service import contract_in_force
from meterhall.provider.points.models import Occupancy, Point
from meterhall.provider.points.service import holder_points
from meterhall.web.accounts.service import invite
from meterhall.web.messaging.peers import my_access_number, peer
from meterhall.web.messaging.service import notify, state
from meterhall.web.platform import platform
from meterhall.web.sets import pieces

LONGEST = timedelta(days=3 * 366)
"""No consent lasts longer, however it was given."""


class UnknownConsent(NotFound):
    code = "unknown_consent"
    title = "There is no such consent, or it is not the caller's."


class UnknownPoint(NotFound):
    code = "unknown_point"
    title = "There is no such metering point of this holder."


class BadNeed(InvalidInput):
    code = "bad_need"
    title = "A data need asks for what its contract does not cover, or for a time that cannot be granted."


class UnknownHolder(InvalidInput):
    code = "unknown_holder"
    title = "Nobody of this reference holds or held a metering point."


class NothingGranted(InvalidInput):
    code = "nothing_granted"
    title = "A consent is for at least one data need and one metering point."


def check_needs(requester: str, details: Sequence[MeteringDataDetail]) -> None:
    """What a requester may ask a customer for: under a contract in force, nothing beyond it, for a time to come.

    Raises `NoContract` and `BadNeed` naming the need by its place.
    """
    now = platform().now()
    for index, detail in enumerate(details):
        contract = contract_in_force(detail.subscription_id, requester)
        if not detail.scope.within(contract.offer.scope):
            raise BadNeed(field=f"/{index}/scope")
        if not now < detail.access_until <= now + LONGEST:
            raise BadNeed(field=f"/{index}/access_until")


def grant(
    requester: str, holder_reference: str, details: Iterable[GrantedDetail], assurance: Assurance = "customer_confirmed"
) -> Consent:
    """A holder consents at the provider: several data needs, each for some of the holder's points.

    Raises `UnknownPoint` for a point the holder does not hold, `NothingGranted` and what `check_needs` raises.
    """
    wanted = list(details)
    if not wanted:
        raise NothingGranted
    check_needs(requester, wanted)
    own = {point.handle: point for point in holder_points(holder_reference)}
    with transaction.atomic():
        consent = Consent.objects.create(
            consent_id=new_id("con"),
            requester=requester,
            requester_name=peer(requester).name,
            holder_reference=holder_reference,
            assurance=assurance,
            granted_at=platform().now(),
        )
        items = [_item(consent, detail, own, handle) for detail in wanted for handle in dict.fromkeys(detail.points)]
        ConsentItem.objects.bulk_create(items)
        announce_granted(consent, len(items))
    return consent


def _item(consent: Consent, detail: GrantedDetail, own: dict[str, Point], handle: str) -> ConsentItem:
    if handle not in own:
        raise UnknownPoint(field="/points")
    return ConsentItem(
        consent=consent,
        point=own[handle],
        need=detail.need,
        subscription_id=detail.subscription_id,
        scope=detail.scope.document(),
        purpose=detail.purpose,
        access_until=detail.access_until,
    )


def announce_granted(consent: Consent, items: int) -> None:
    """Tell the Market Place how many, and the requester which consent; in the caller's transaction."""
    state(
        "consent.granted",
        transaction_id=consent.consent_id,
        subject=consent.consent_id,
        parties=(my_access_number(), consent.requester),
        counts={"items": items},
    )
    changed = ConsentChanged(consent_id=consent.consent_id, state=consent.state, at=consent.granted_at)
    notify(consent.requester, "consent.granted", consent.consent_id, changed)


def revoke(consent_id: str, holder_reference: str, points: tuple[str, ...] = ()) -> Consent:
    """The holder withdraws a consent, wholly or for some points; it takes effect at once. Again is the same."""
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
        left = consent.items.filter(ended_at=None, access_until__gt=now).exists()
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
    found = list(due.values_list("pk", "consent_id"))
    for some in pieces(found, 400):
        with transaction.atomic():
            ConsentItem.objects.filter(pk__in=[pk for pk, _ in some]).update(expiry_noted=True)
            left = ConsentItem.objects.filter(consent=OuterRef("pk"), ended_at=None, access_until__gt=now)
            over = Consent.objects.select_for_update().filter(pk__in={consent for _, consent in some}, ended_at=None)
            for consent in over.filter(~Exists(left)):
                consent.state, consent.ended_at = "expired", now
                consent.save(update_fields=["state", "ended_at"])
                _announce_ended(consent, now)
            advance_epoch()
    return len(found)


def view(consent: Consent) -> ConsentView:
    """The consent as its requester sees it."""
    return ConsentView(
        consent_id=consent.consent_id,
        state=consent.state,
        epoch=epoch(),
        assurance=consent.assurance,
        granted_at=consent.granted_at,
        access_until=max(consent.items.values_list("access_until", flat=True), default=consent.granted_at),
        ended_at=consent.ended_at,
    )


def invite_customer(email: str, name: str, holder_reference: str) -> str:
    """The link that lets the holder of metering points into the portal, once. Raises `UnknownHolder` and what
    `invite` raises."""
    if not Occupancy.objects.filter(holder_reference=holder_reference).exists():
        raise UnknownHolder(field="/holder_reference")
    return invite(email, name, "customer", holder_reference)
