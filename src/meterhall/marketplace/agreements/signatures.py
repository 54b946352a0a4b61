"""Checking a party's signature, by a person or under a standing acceptance; and giving the Market Place's own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from meterhall.domain.errors import Conflict, InvalidInput, NotPermitted
from meterhall.domain.market.declared import TextUnseen, check_seen
from meterhall.domain.market.texts import holds_pod
from meterhall.domain.protocol.agreements import (
    COUNTERSIGNATURE_TYP,
    SIGNATURE_TYP,
    SIGNED_BY,
    SIGNER_FRESH_S,
    ContractSignature,
    Countersignature,
    ServiceContract,
    StandingAcceptance,
)
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.faults import inside
from meterhall.domain.protocol.keys import header_of, sign, verify
from meterhall.domain.protocol.players import KeySet
from meterhall.marketplace.agreements.models import Acceptance, Subscription
from meterhall.web.membership.service import SignerNotFresh
from meterhall.web.messaging.peers import public_keys
from meterhall.web.platform import platform

CLOCKS_DIFFER = timedelta(seconds=60)
ON_ITS_WAY = timedelta(days=14)
"""How long a signature may wait to be sent: as long as an outbox tries."""
LONGEST_NAME = 200
KNOWLEDGE_ONLY = frozenset({"pwd", "pin", "kba"})
"""RFC 8176 methods that are no second factor."""


class NoSigner(InvalidInput):
    code = "signer_missing"
    title = "The header of a contract signature names signer, auth_time and amr (RFC 8176), a second factor among them."


class SignerInvalid(InvalidInput):
    code = "signer_invalid"
    title = "The signer's name is at most 200 characters, all of them seen."


class SignatureMismatch(InvalidInput):
    code = "signature_mismatch"
    title = "The signature is over something else: subject, digest or party do not fit."


class NotCovered(NotPermitted):
    code = "acceptance_does_not_cover"
    title = "No standing acceptance of the provider covers this contract; a signer has to sign it."


class AcceptanceUsedUp(Conflict):
    code = "acceptance_used_up"
    title = "As many subscriptions as the standing acceptance allows are in force under it."


@inside("/jws")
def check_signature(
    jws: str, keys: KeySet, *, subject: str, digest: str, party: str, drafted_at: datetime | None = None
) -> ContractSignature:
    """A party's signature by its contract key, released by a person's second factor at most five minutes before, and
    made after the contract was drafted and at most two weeks ago.

    Raises `BadSignature`, `NoSigner`, `SignerInvalid`, `SignerNotFresh`, `SignatureMismatch`.
    """
    signed = verify(jws, public_keys([key.document() for key in keys.contract]), typ=SIGNATURE_TYP, members=SIGNED_BY)
    body = ContractSignature.model_validate(signed.document)
    check_signer(signed.header, body)
    _check_body(body, subject, digest, party)
    if drafted_at is not None and body.signed_at < drafted_at - CLOCKS_DIFFER:
        raise SignerNotFresh("The signature is dated before the contract was drafted.", field="/signed_at")
    return body


def _check_body(body: ContractSignature, subject: str, contract_digest: str, party: str) -> None:
    for name, found, needed in (
        ("subject", body.subject, subject), ("digest", body.digest, contract_digest), ("party", body.party, party),
    ):  # fmt: skip
        if found != needed:
            raise SignatureMismatch(f"The {name} signed is not the one of this contract.", field=f"/{name}")


def check_signer(header: dict[str, Any], body: ContractSignature | StandingAcceptance) -> None:
    """Refuse a signature that names no signer, or whose second factor was not fresh when it was made."""
    signer, auth_time, amr = header.get("signer"), header.get("auth_time"), header.get("amr")
    if not (isinstance(signer, str) and signer.strip() and type(auth_time) is int):
        raise NoSigner(field="/jws")
    _check_name(signer)
    if not (isinstance(amr, list) and {one for one in amr if isinstance(one, str)} - KNOWLEDGE_ONLY):
        raise NoSigner(field="/jws")
    age_s = body.signed_at.timestamp() - auth_time
    if not -1 <= age_s <= SIGNER_FRESH_S + 5:
        raise SignerNotFresh(field="/jws")
    now = platform().now()
    if body.signed_at > now + CLOCKS_DIFFER:
        raise SignerNotFresh("The signature is dated in the future.", field="/signed_at")
    if body.signed_at < now - ON_ITS_WAY:
        raise SignerNotFresh("The signature is older than two weeks; sign again.", field="/signed_at")


def _check_name(signer: str) -> None:
    if len(signer) > LONGEST_NAME or holds_pod(signer):
        raise SignerInvalid(field="/jws")
    try:
        check_seen(signer, field="/jws")
    except TextUnseen:
        raise SignerInvalid(field="/jws") from None


@inside("/jws")
def check_provider_signature(
    jws: str, keys: KeySet, *, subject: str, digest: str, contract: ServiceContract
) -> Acceptance | None:
    """The provider's signature: by a person, or by its transport key under the standing acceptance that is returned.

    Raises as `check_signature`, and `NotCovered`, `AcceptanceUsedUp`.
    """
    party = contract.provider.access_number
    quoted = header_of(jws).get("acceptance")
    if quoted is None:
        check_signature(jws, keys, subject=subject, digest=digest, party=party, drafted_at=contract.drafted_at)
        return None
    signed = verify(jws, public_keys([key.document() for key in keys.transport]), typ=SIGNATURE_TYP, members=SIGNED_BY)
    _check_body(ContractSignature.model_validate(signed.document), subject, digest, party)
    held = Acceptance.objects.select_for_update().filter(digest=str(quoted), provider=party).first()
    if held is None:
        raise NotCovered(field="/jws")
    _check_covers(held, contract, str(signed.header["kid"]))
    return held


def _check_covers(held: Acceptance, contract: ServiceContract, kid: str) -> None:
    acceptance = StandingAcceptance.model_validate(held.document)
    if f"{contract.offer_id}:{contract.offer_version}" not in acceptance.offers:
        raise NotCovered("The standing acceptance does not name this offer version.", field="/jws")
    if platform().now() >= acceptance.until:
        raise NotCovered("The standing acceptance has run out.", field="/jws")
    if kid != acceptance.transport_kid:
        raise NotCovered("The standing acceptance names another transport key.", field="/jws")
    taken = Subscription.objects.filter(acceptance=held, state__in=("active", "suspended")).count()
    if taken >= acceptance.most_subscriptions:
        raise AcceptanceUsedUp(field="/jws")


def countersign(subject: str, contract_digest: str, signatures: Iterable[str]) -> str:
    """The Market Place's signature that these signatures over this digest reached it and hold."""
    body = Countersignature(
        subject=subject,
        digest=contract_digest,
        signatures=tuple(digest(jws.encode()) for jws in signatures),
        signed_at=platform().now(),
    )
    return sign(body.document(), platform().transport_key, typ=COUNTERSIGNATURE_TYP)
