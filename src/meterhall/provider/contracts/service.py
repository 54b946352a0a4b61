"""Commands about contracts: take one in, sign one, end one; and the question whether one is in force."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction

from meterhall.domain.errors import Conflict, NotPermitted
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
from meterhall.domain.protocol.events import CertificationStarted, SubscriptionActive, SubscriptionRequested
from meterhall.domain.protocol.keys import sign
from meterhall.domain.protocol.players import Attestation
from meterhall.provider.contracts.models import Contract, SandboxAccess, SigningJob, StandingAcceptanceHeld
from meterhall.web.membership.service import (
    BadAttestation,
    Signer,
    accept_attestation,
    contract_signature,
    read_attestation,
)
from meterhall.web.messaging.clients import marketplace_client
from meterhall.web.messaging.peers import my_access_number, remember_player
from meterhall.web.messaging.service import state
from meterhall.web.oauth.service import admit_client, suspend_client
from meterhall.web.platform import platform

SANDBOX_SUBSCRIPTION = "sandbox"


class NoContract(NotPermitted):
    code = "no_contract"
    title = "There is no contract in force under which this could be done."


class NotCovered(Conflict):
    code = "acceptance_does_not_cover"
    title = "No standing acceptance covers this contract; a signer has to sign it."


def take_request(data: SubscriptionRequested) -> None:
    """A requester signed: keep the contract for our signer, or sign it under a standing acceptance."""
    accept_attestation(data.attestation)
    contract = data.subscription.contract
    if contract.provider.access_number != my_access_number():
        raise NoContract("This contract is with another provider.", field="/subscription/contract/provider")
    with transaction.atomic():
        if Contract.objects.filter(subscription_id=contract.subscription_id).exists():
            return
        _store(data.subscription, "requester_signed")
        if acceptance_for(contract) is not None:
            SigningJob.objects.get_or_create(
                subscription_id=contract.subscription_id, defaults={"due_at": platform().now()}
            )


def _store(view: SubscriptionView, state_name: str) -> Contract:
    contract = view.contract
    row, _ = Contract.objects.update_or_create(
        subscription_id=contract.subscription_id,
        defaults={
            "requester": contract.requester.access_number,
            "requester_name": contract.requester.organisation,
            "state": state_name,
            "document": view.document(),
            "digest": view.digest,
            "access_from": contract.access_from,
            "access_until": contract.access_until,
        },
    )
    return row


def accept_active(data: SubscriptionActive) -> None:
    """The contract is in force: keep it and open the door to the requester. Nobody types anything.

    Raises `BadAttestation` when the attestation does not vouch for this very contract.
    """
    claims = accept_attestation(data.attestation)
    view = data.subscription
    vouched = (claims.kind, claims.subscription_id, claims.contract_digest, claims.player.access_number)
    contract = view.contract
    if vouched != ("subscription", contract.subscription_id, view.digest, contract.requester.access_number):
        raise BadAttestation(field="/attestation")
    if contract.fingerprint() != view.digest or contract.provider.access_number != my_access_number():
        raise BadAttestation("The contract is not the one whose digest was signed.", field="/subscription/digest")
    with transaction.atomic():
        if Contract.objects.filter(subscription_id=contract.subscription_id, state="active").exists():
            return
        _store(view, "active")
        open_door(claims, ("data",))
        state(
            "contract.acknowledged",
            transaction_id=contract.subscription_id,
            subject=contract.subscription_id,
            parties=(my_access_number(), contract.requester.access_number),
        )


def open_door(claims: Attestation, scopes: tuple[str, ...]) -> None:
    """Create or refresh the OAuth client the attestation vouches for (RFC 7591 without a form)."""
    player = claims.player
    admit_client(
        client_id=player.access_number,
        name=player.organisation,
        keys=[key.document() for key in player.keys.transport],
        redirect_uris=list(player.endpoints.redirect_uris),
        scopes=list(scopes),
        valid_until=datetime.fromtimestamp(claims.exp, UTC),
        source=claims.jti,
    )


def refresh_from_attestation(client_id: str, jws: str) -> None:
    """A known or new client shows a fresh attestation with its token request."""
    claims = read_attestation(jws)
    if claims.player.access_number != client_id:
        raise BadAttestation(field="/attestation")
    scopes = ("sandbox",) if claims.kind == "sandbox" else ("data",)
    active = Contract.objects.filter(requester=client_id, state="active").exists()
    if claims.kind != "sandbox" and not active:
        raise NoContract
    with transaction.atomic():
        remember_player(claims.player, datetime.fromtimestamp(claims.exp, UTC))
        open_door(claims, scopes)


def admit_certifier(data: CertificationStarted) -> None:
    """The Market Place's certifier announces itself: let it in, for sandbox PODs only."""
    claims = accept_attestation(data.attestation)
    if claims.kind != "sandbox" or claims.sandbox is None:
        raise BadAttestation(field="/attestation")
    with transaction.atomic():
        open_door(claims, ("sandbox",))
        SandboxAccess.objects.update_or_create(
            certification_id=data.certification_id,
            defaults={
                "access_number": claims.player.access_number,
                "until": datetime.fromtimestamp(claims.exp, UTC),
            },
        )


def end_contract(subscription_id: str, reason: str) -> Contract | None:
    """The requester quit, or the contract ran out: nothing moves under it any more."""
    with transaction.atomic():
        contract = Contract.objects.select_for_update().filter(subscription_id=subscription_id).first()
        if contract is None or contract.ended_at is not None:
            return None
        contract.state, contract.ended_at = reason, platform().now()
        contract.save()
        if not Contract.objects.filter(requester=contract.requester, state="active").exists():
            suspend_client(contract.requester)
        state(
            "subscription.quit.acknowledged",
            transaction_id=subscription_id,
            subject=subscription_id,
            parties=(my_access_number(), contract.requester),
        )
        return contract


def contract_in_force(subscription_id: str, requester: str) -> ServiceContract:
    """The contract of this requester, in force now. Raises `NoContract` saying why not."""
    row = Contract.objects.filter(subscription_id=subscription_id, requester=requester).first()
    if row is None:
        raise NoContract("No such subscription of yours is known here.", field="/subscription_id")
    now = platform().now()
    if row.state != "active" or not row.access_from <= now < row.access_until:
        raise NoContract(f"The subscription is not in force (state {row.state}).", field="/subscription_id")
    return SubscriptionView.model_validate(row.document).contract


def acceptance_for(contract: ServiceContract) -> StandingAcceptanceHeld | None:
    """The standing acceptance of ours that covers this contract, if any."""
    name = f"{contract.offer_id}:{contract.offer_version}"
    for held in StandingAcceptanceHeld.objects.filter(registered=True):
        acceptance = StandingAcceptance.model_validate(held.document)
        taken = Contract.objects.filter(state="active").count()
        fits = name in acceptance.offers and platform().now() < acceptance.until
        if fits and taken < acceptance.most_subscriptions:
            return held
    return None


def accept_standing(offers: tuple[str, ...], most: int, until: datetime, signer: Signer) -> StandingAcceptanceHeld:
    """Sign once that our transport key may sign single contracts for these offer versions (`off_…:<version>`)."""
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
    """A person signs one contract with the contract key."""
    row = Contract.objects.get(subscription_id=subscription_id)
    _post_signature(subscription_id, contract_signature(subscription_id, row.digest, signer))


def sign_under_acceptance(subscription_id: str) -> None:
    """Sign with the transport key, quoting the standing acceptance. Raises `NotCovered`."""
    row = Contract.objects.get(subscription_id=subscription_id)
    contract = SubscriptionView.model_validate(row.document).contract
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
    _post_signature(subscription_id, jws)


def _post_signature(subscription_id: str, jws: str) -> None:
    path = f"/v1/subscriptions/{subscription_id}/signatures"
    marketplace_client().call("POST", path, Signed(jws=jws), None, key=digest(jws.encode())[-64:])
