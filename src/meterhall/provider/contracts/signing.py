"""Signing contracts: each by a person, or by the transport key under a standing acceptance a person signed once."""

from __future__ import annotations

from datetime import datetime

from meterhall.domain.errors import Conflict, NotFound
from meterhall.domain.protocol.agreements import (
    ACCEPTANCE_TYP,
    SIGNATURE_TYP,
    ContractSignature,
    ServiceContract,
    StandingAcceptance,
    SubscriptionView,
)
from meterhall.domain.protocol.base import Signed
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.keys import sign
from meterhall.provider.contracts.models import Contract, StandingAcceptanceHeld
from meterhall.web.membership.service import Signer, check_fresh, contract_signature
from meterhall.web.messaging.clients import marketplace_client
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.platform import platform


class UnknownContract(NotFound):
    code = "unknown_contract"
    title = "There is no such contract."


class NotToSign(Conflict):
    code = "not_to_sign"
    title = "The contract does not wait for our signature."


class NotCovered(Conflict):
    code = "acceptance_does_not_cover"
    title = "No standing acceptance covers this contract; a signer has to sign it."


def to_sign(subscription_id: str) -> tuple[Contract, ServiceContract]:
    """A contract that waits for our signature. Raises `UnknownContract` and `NotToSign`."""
    row = Contract.objects.filter(subscription_id=subscription_id).first()
    if row is None:
        raise UnknownContract
    if row.state != "requester_signed" or row.signed_at is not None:
        raise NotToSign
    return row, SubscriptionView.model_validate(row.document).contract


def acceptance_for(contract: ServiceContract) -> StandingAcceptanceHeld | None:
    """The standing acceptance of ours that covers this contract, if any."""
    name = f"{contract.offer_id}:{contract.offer_version}"
    for held in StandingAcceptanceHeld.objects.filter(registered=True):
        acceptance = StandingAcceptance.model_validate(held.document)
        taken = Contract.objects.filter(signed_under=held.digest, ended_at=None).count()
        holds = platform().now() < acceptance.until and acceptance.transport_kid == platform().transport_key.kid
        if holds and name in acceptance.offers and taken < acceptance.most_subscriptions:
            return held
    return None


def accept_standing(offers: tuple[str, ...], most: int, until: datetime, signer: Signer) -> StandingAcceptanceHeld:
    """Sign once that our transport key may sign single contracts for these offer versions (`off_…:<version>`).

    Raises `SignerNotFresh`.
    """
    check_fresh(signer)
    body = StandingAcceptance(
        party=my_access_number(),
        offers=offers,
        most_subscriptions=most,
        until=until,
        transport_kid=platform().transport_key.kid,
        signed_at=platform().now(),
    )
    jws = sign(
        body.document(),
        platform().contract_key,
        typ=ACCEPTANCE_TYP,
        signer=signer.name,
        auth_time=int(signer.auth_time.timestamp()),
        amr=list(signer.amr),
    )
    name = digest(jws.encode())
    marketplace_client().call("POST", "/v1/standing-acceptances", Signed(jws=jws), None, key=name[-64:])
    held, _ = StandingAcceptanceHeld.objects.update_or_create(
        digest=name, defaults={"document": body.document(), "jws": jws, "registered": True}
    )
    return held


def sign_by_signer(subscription_id: str, signer: Signer) -> None:
    """A person signs one contract with the contract key. Raises `UnknownContract`, `NotToSign`, `SignerNotFresh`."""
    row, contract = to_sign(subscription_id)
    _post_signature(row, contract_signature(subscription_id, contract.fingerprint(), signer), "")


def sign_under_acceptance(subscription_id: str) -> None:
    """Sign with the transport key, quoting the standing acceptance. Raises `NotCovered`."""
    row, contract = to_sign(subscription_id)
    held = acceptance_for(contract)
    if held is None:
        raise NotCovered
    body = ContractSignature(
        subject=subscription_id,
        digest=contract.fingerprint(),
        party=my_access_number(),
        signed_at=platform().now(),
    )
    jws = sign(body.document(), platform().transport_key, typ=SIGNATURE_TYP, acceptance=held.digest)
    _post_signature(row, jws, held.digest)


def _post_signature(row: Contract, jws: str, under: str) -> None:
    path = f"/v1/subscriptions/{row.subscription_id}/signatures"
    marketplace_client().call("POST", path, Signed(jws=jws), None, key=digest(jws.encode())[-64:])
    Contract.objects.filter(pk=row.pk).update(signed_at=platform().now(), signed_under=under)
