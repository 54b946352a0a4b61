"""Commands about contracts: take one in, end one, and the question whether one is in force. Signing is in `signing`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from django.db import transaction

from meterhall.domain.errors import NotPermitted
from meterhall.domain.protocol.agreements import SIGNATURE_TYP, SIGNED_BY, ServiceContract, SubscriptionView
from meterhall.domain.protocol.events import CertificationStarted, SubscriptionActive, SubscriptionRequested
from meterhall.domain.protocol.keys import BadSignature, PublicKey, verify
from meterhall.domain.protocol.players import Attestation, PlayerView
from meterhall.provider.consents.epoch import advance_epoch
from meterhall.provider.contracts.models import Contract, SandboxAccess, SigningJob
from meterhall.web.membership.service import BadAttestation, accept_attestation, read_attestation
from meterhall.web.messaging.models import Peer
from meterhall.web.messaging.peers import my_access_number, public_keys, remember_player
from meterhall.web.messaging.service import state
from meterhall.web.oauth.service import ATTESTATION_LIFE, admit_client, suspend_client
from meterhall.web.platform import platform
from meterhall.web.work.models import WorkState

SANDBOX_SUBSCRIPTION = "sandbox"


class NoContract(NotPermitted):
    code = "no_contract"
    title = "There is no contract in force under which this could be done."


def take_request(data: SubscriptionRequested) -> None:
    """A requester signed: keep the contract for our signer, and for the worker to try our standing acceptances.

    Raises `BadAttestation` and `BadSignature` when it is not what the requester signed.
    """
    claims = accept_attestation(data.attestation)
    view = data.subscription
    _check_ours(view, claims)
    with transaction.atomic():
        if Contract.objects.filter(subscription_id=view.contract.subscription_id).exists():
            return
        _check_signature(view, "requester", public_keys([key.document() for key in claims.player.keys.contract]))
        _store(view, "requester_signed")
        SigningJob.objects.get_or_create(
            subscription_id=view.contract.subscription_id, defaults={"due_at": platform().now()}
        )


def _check_ours(view: SubscriptionView, claims: Attestation) -> None:
    """The document is the one whose digest is signed, between us and the player the attestation vouches for."""
    contract = view.contract
    if contract.provider.access_number != my_access_number():
        raise BadAttestation("This contract is with another provider.", field="/subscription/contract/provider")
    if contract.requester.access_number != claims.player.access_number:
        raise BadAttestation("The attestation vouches for another player.", field="/attestation")
    if contract.fingerprint() != view.digest:
        raise BadAttestation("The contract is not the one whose digest was signed.", field="/subscription/digest")


def _check_signature(view: SubscriptionView, party: Literal["requester", "provider"], keys: list[PublicKey]) -> None:
    jws = view.signatures.get(party)
    if jws is None:
        raise BadSignature(f"The {party} has not signed.", field=f"/subscription/signatures/{party}")
    signed = verify(jws, keys, typ=SIGNATURE_TYP, members=SIGNED_BY).document
    if not isinstance(signed, dict) or signed.get("digest") != view.digest:
        raise BadSignature("The signature is over another contract.", field=f"/subscription/signatures/{party}")


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

    A contract that has ended stays ended. Raises `BadAttestation` when the attestation does not vouch for this very
    contract, `BadSignature` when it is not one that we signed.
    """
    claims = accept_attestation(data.attestation)
    view = data.subscription
    vouched = (claims.kind, claims.subscription_id, claims.contract_digest, claims.player.access_number)
    contract = view.contract
    if vouched != ("subscription", contract.subscription_id, view.digest, contract.requester.access_number):
        raise BadAttestation(field="/attestation")
    _check_ours(view, claims)
    _check_signature(view, "provider", [platform().contract_key.public, platform().transport_key.public])
    with transaction.atomic():
        known = Contract.objects.filter(subscription_id=contract.subscription_id).first()
        if known is not None and (known.state == "active" or known.ended_at is not None):
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
    if claims.kind != "sandbox" and not Contract.objects.filter(requester=client_id, state="active").exists():
        raise NoContract
    with transaction.atomic():
        remember_player(claims.player, datetime.fromtimestamp(claims.exp, UTC))
        if claims.kind == "sandbox":
            _open_sandbox(claims)
        else:
            open_door(claims, ("data",))


def admit_certifier(data: CertificationStarted) -> None:
    """The Market Place's certifier announces itself: let it in, for sandbox PODs only."""
    claims = accept_attestation(data.attestation)
    if claims.kind != "sandbox":
        raise BadAttestation(field="/attestation")
    with transaction.atomic():
        _open_sandbox(claims)


def _open_sandbox(claims: Attestation) -> None:
    if claims.sandbox is None:
        raise BadAttestation(field="/attestation")
    open_door(claims, ("sandbox",))
    SandboxAccess.objects.update_or_create(
        certification_id=claims.sandbox.certification_id,
        defaults={"access_number": claims.player.access_number, "until": datetime.fromtimestamp(claims.exp, UTC)},
    )


def end_contract(subscription_id: str, reason: Literal["quit", "expired"], about: str | None = None) -> Contract | None:
    """The requester quit, or the contract ran out: nothing moves under it any more, from now on.

    `about` is the requester's statement that it quit, which ours acknowledges.
    """
    with transaction.atomic():
        contract = Contract.objects.select_for_update().filter(subscription_id=subscription_id).first()
        if contract is None or contract.ended_at is not None:
            return None
        contract.state, contract.ended_at = reason, platform().now()
        contract.save(update_fields=["state", "ended_at"])
        SigningJob.objects.filter(subscription_id=subscription_id).update(work_state=WorkState.DONE)
        advance_epoch()
        if not Contract.objects.filter(requester=contract.requester, state="active").exists():
            suspend_client(contract.requester)
        if reason == "quit":
            state(
                "subscription.quit.acknowledged",
                transaction_id=subscription_id,
                subject=subscription_id,
                parties=(my_access_number(), contract.requester),
                about=about,
            )
        return contract


def shut_out(player: PlayerView, at: datetime) -> None:
    """The Market Place suspended a requester: its tokens, and whatever is on its way to it, stop at once.

    Admitted again, it shows a fresh attestation with its next token request, and its contracts hold as before.
    """
    with transaction.atomic():
        remember_player(player, at + ATTESTATION_LIFE)
        suspend_client(player.access_number, at)
        advance_epoch()


def contract_in_force(subscription_id: str, requester: str) -> ServiceContract:
    """The contract of this requester, in force now. Raises `NoContract` saying why not."""
    row = Contract.objects.filter(subscription_id=subscription_id, requester=requester).first()
    if row is None:
        raise NoContract("No such subscription of yours is known here.", field="/subscription_id")
    now = platform().now()
    if row.state != "active" or not row.access_from <= now < row.access_until:
        raise NoContract(f"The subscription is not in force (state {row.state}).", field="/subscription_id")
    check_not_suspended(requester)
    return SubscriptionView.model_validate(row.document).contract


def check_not_suspended(requester: str) -> None:
    """Raises `NoContract` for a player whom the Market Place has suspended."""
    if Peer.objects.filter(access_number=requester, status="suspended").exists():
        raise NoContract("The Market Place has suspended this player.")
