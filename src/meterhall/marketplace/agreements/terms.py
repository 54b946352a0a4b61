"""Commands about the general contract and standing acceptances: read, sign, register."""

from __future__ import annotations

from django.db import transaction

from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.agreements import (
    ACCEPTANCE_TYP,
    SIGNED_BY,
    Countersigned,
    GeneralContract,
    StandingAcceptance,
)
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.faults import inside
from meterhall.domain.protocol.keys import verify
from meterhall.marketplace.agreements.models import Acceptance, GeneralSignature, GeneralTerms
from meterhall.marketplace.agreements.signatures import SignatureMismatch, check_signature, check_signer, countersign
from meterhall.marketplace.catalogue.models import OfferVersion
from meterhall.marketplace.catalogue.service import NotAProvider
from meterhall.marketplace.players.service import admitted, view
from meterhall.web.messaging.peers import my_access_number, public_keys
from meterhall.web.messaging.service import state
from meterhall.web.platform import platform

SUBJECT = "general_contract"


class AcceptanceOver(InvalidInput):
    code = "acceptance_over"
    title = "The standing acceptance ends before it begins."


class AcceptanceOffer(InvalidInput):
    code = "acceptance_offer_unknown"
    title = "A standing acceptance names versions of the provider's own offers that are not withdrawn."


class AcceptanceKey(InvalidInput):
    code = "acceptance_key_unknown"
    title = "The transport key named is not one of the provider's present ones."


def terms_in_force() -> GeneralContract:
    """The general contract in force."""
    return GeneralContract.model_validate(GeneralTerms.objects.latest("version").document)


@inside("/jws")
def sign_terms(number: str, jws: str) -> Countersigned:
    """Take a player's signature of the general contract; the same version signed again keeps the first signature."""
    player = admitted(number)
    terms = terms_in_force()
    signed = check_signature(jws, view(player).keys, subject=SUBJECT, digest=terms.fingerprint(), party=number)
    with transaction.atomic():
        row, is_new = GeneralSignature.objects.get_or_create(
            player=number,
            version=terms.version,
            defaults={
                "jws": jws,
                "countersignature": countersign(SUBJECT, terms.fingerprint(), [jws]),
                "signed_at": signed.signed_at,
            },
        )
        if is_new:
            state(
                "general_contract.signed",
                transaction_id=number,
                subject=SUBJECT,
                parties=(number, my_access_number()),
                counts={"version": terms.version},
                commitments={"contract": terms.fingerprint()},
            )
    return Countersigned(countersignature=row.countersignature)


@inside("/jws")
def register_acceptance(number: str, jws: str) -> Countersigned:
    """Register a provider's standing acceptance, signed with its contract key by a person with a fresh second factor.

    Raises `BadSignature`, `NoSigner`, `SignerNotFresh`, `SignatureMismatch`, and the errors above.
    """
    player = admitted(number)
    if not player.is_provider:
        raise NotAProvider
    keys = view(player).keys
    signed = verify(jws, public_keys([key.document() for key in keys.contract]), typ=ACCEPTANCE_TYP, members=SIGNED_BY)
    acceptance = StandingAcceptance.model_validate(signed.document)
    check_signer(signed.header, acceptance)
    if acceptance.party != number:
        raise SignatureMismatch("The party is not the caller.", field="/party")
    _check_limits(acceptance, number, {key.kid for key in keys.transport})
    name = digest(jws.encode())
    with transaction.atomic():
        row, is_new = Acceptance.objects.get_or_create(
            digest=name,
            defaults={
                "provider": number,
                "document": acceptance.document(),
                "jws": jws,
                "countersignature": countersign("standing_acceptance", acceptance.fingerprint(), [jws]),
                "until": acceptance.until,
            },
        )
        if is_new:
            state(
                "general_contract.signed",
                transaction_id=number,
                subject="standing_acceptance",
                parties=(number, my_access_number()),
                commitments={"acceptance": name},
            )
    return Countersigned(countersignature=row.countersignature)


def _check_limits(acceptance: StandingAcceptance, number: str, transport: set[str]) -> None:
    if acceptance.until <= platform().now():
        raise AcceptanceOver(field="/until")
    if acceptance.transport_kid not in transport:
        raise AcceptanceKey(field="/transport_kid")
    own = OfferVersion.objects.filter(offer__provider=number, status__in=("draft", "published"))
    names = {f"{offer}:{version}" for offer, version in own.values_list("offer__offer_id", "version")}
    for at, name in enumerate(acceptance.offers):
        if name not in names:
            raise AcceptanceOffer(field=f"/offers/{at}")
