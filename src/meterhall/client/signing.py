"""Signing a contract with a player's contract key, which a person releases by a second factor just shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from meterhall.domain.errors import NotPermitted
from meterhall.domain.protocol.agreements import SIGNATURE_TYP, SIGNER_FRESH_S, ContractSignature
from meterhall.domain.protocol.keys import SigningKey, sign


class SignerNotFresh(NotPermitted):
    code = "signer_not_fresh"
    title = "A contract is signed within five minutes of a second factor."


@dataclass(frozen=True, slots=True)
class Signer:
    """A person who signs, with the second factor just shown: RFC 8176 methods and when."""

    name: str
    auth_time: datetime
    amr: tuple[str, ...]


def check_fresh(signer: Signer, now: datetime) -> None:
    """Raises `SignerNotFresh` when the second factor is too old for the contract key."""
    if not timedelta(seconds=-5) <= now - signer.auth_time <= timedelta(seconds=SIGNER_FRESH_S):
        raise SignerNotFresh


def contract_signature(subject: str, digest: str, signer: Signer, key: SigningKey, *, party: str, now: datetime) -> str:
    """The party's JWS over a contract's digest, with its contract key. Raises `SignerNotFresh`."""
    check_fresh(signer, now)
    body = ContractSignature(subject=subject, digest=digest, party=party, signed_at=now)
    return sign(
        body.document(),
        key,
        typ=SIGNATURE_TYP,
        signer=signer.name,
        auth_time=int(signer.auth_time.timestamp()),
        amr=list(signer.amr),
    )
