"""Commands towards the Market Place: search, wish, subscribe, sign, quit."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from meterhall.client.b2b import RemoteRefusal
from meterhall.domain.errors import NotFound
from meterhall.domain.market import SUBSCRIPTION, comes_before
from meterhall.domain.protocol.agreements import (
    QUIT_TYP,
    Quit,
    ServiceContract,
    SubscriptionRequest,
    SubscriptionView,
)
from meterhall.domain.protocol.base import Page, Signed
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.events import SubscriptionActive
from meterhall.domain.protocol.keys import sign
from meterhall.domain.protocol.offers import OfferView, Wish, WishView
from meterhall.requester.partners.models import Subscription, WishKept
from meterhall.web.membership.service import BadAttestation, Signer, accept_attestation, contract_signature
from meterhall.web.messaging.clients import marketplace_client
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.platform import platform


class UnknownSubscription(NotFound):
    code = "unknown_subscription"
    title = "There is no such subscription of ours."


def search(**filters: Any) -> Page[OfferView]:
    """Offers that fit (step 2): `text`, `country`, `granularity`, `format`, `kind`, `service_type`, `provider`."""
    return marketplace_client().call("GET", "/v1/offers", None, Page[OfferView], params=filters)


def wish(body: Wish) -> WishView:
    """Register what we need (step 3); told when a new offer fits."""
    return _keep_wish(marketplace_client().call("POST", "/v1/wishes", body, WishView, key=body.fingerprint()[-64:]))


def refresh_wish(wish_id: str) -> WishView:
    """The wish with what fits it now."""
    return _keep_wish(marketplace_client().call("GET", f"/v1/wishes/{wish_id}", None, WishView))


def close_wish(wish_id: str) -> WishView:
    """Stop looking; offers published from now on are not matched with it."""
    return _keep_wish(marketplace_client().call("DELETE", f"/v1/wishes/{wish_id}", None, WishView))


def _keep_wish(view: WishView) -> WishView:
    WishKept.objects.update_or_create(
        wish_id=view.wish_id, defaults={"document": view.document(), "updated_at": platform().now()}
    )
    return view


def subscribe(request: SubscriptionRequest) -> SubscriptionView:
    """Ask for a contract under an offer version (step 5); it is then to be signed.

    Asked twice before it is signed, the same contract is meant; afterwards, a further one.
    """
    earlier = Subscription.objects.filter(offer_id=request.offer_id).exclude(state="drafted").count()
    key = digest(f"{request.fingerprint()} {earlier}".encode())[-64:]
    return _keep(marketplace_client().call("POST", "/v1/subscriptions", request, SubscriptionView, key=key))


def sign_subscription(subscription_id: str, signer: Signer) -> SubscriptionView:
    """Sign the contract with the contract key, after checking that it is the one whose digest is signed."""
    contract = contract_of(subscription_id)
    jws = contract_signature(subscription_id, contract.fingerprint(), signer)
    return _signed_command(subscription_id, "signatures", jws)


def quit_subscription(subscription_id: str, reason: str) -> SubscriptionView:
    """End a subscription; the provider is told and nothing moves any more."""
    body = Quit(subscription_id=subscription_id, party=my_access_number(), reason=reason, quit_at=platform().now())
    jws = sign(body.document(), platform().transport_key, typ=QUIT_TYP)
    return _signed_command(subscription_id, "quit", jws)


def _signed_command(subscription_id: str, command: str, jws: str) -> SubscriptionView:
    """Post what we signed. Where the Market Place took it before and the answer was lost, what it says now."""
    path, key = f"/v1/subscriptions/{subscription_id}", digest(jws.encode())[-64:]
    before = subscription(subscription_id).state
    try:
        view = marketplace_client().call("POST", f"{path}/{command}", Signed(jws=jws), SubscriptionView, key=key)
    except RemoteRefusal as refusal:
        if refusal.remote_code != "wrong_state":
            raise
        view = marketplace_client().call("GET", path, None, SubscriptionView)
        reached = {"quit"} if command == "quit" else {"requester_signed", "active", "suspended"}
        if view.state not in reached or not (before == view.state or comes_before(SUBSCRIPTION, before, view.state)):
            raise
    return _keep(view)


@transaction.atomic
def _keep(view: SubscriptionView) -> SubscriptionView:
    """Keep what the Market Place says, unless something later is known: an answer may come after an event."""
    held = Subscription.objects.select_for_update().filter(subscription_id=view.subscription_id).first()
    if held is not None and comes_before(SUBSCRIPTION, view.state, held.state):
        return SubscriptionView.model_validate(held.document)
    contract = view.contract
    Subscription.objects.update_or_create(
        subscription_id=view.subscription_id,
        defaults={
            "provider": contract.provider.access_number,
            "provider_name": contract.provider.organisation,
            "offer_id": contract.offer_id,
            "state": view.state,
            "document": view.document(),
            "digest": view.digest,
            "updated_at": platform().now(),
        },
    )
    return view


def accept_active(data: SubscriptionActive) -> None:
    """The contract is in force: remember the provider the Market Place vouches for."""
    claims = accept_attestation(data.attestation)
    if claims.player.access_number != data.subscription.contract.provider.access_number:
        raise BadAttestation(field="/attestation")
    _keep(data.subscription)


def subscription(subscription_id: str) -> Subscription:
    """Ours. Raises `UnknownSubscription`."""
    found = Subscription.objects.filter(subscription_id=subscription_id).first()
    if found is None:
        raise UnknownSubscription
    return found


def contract_of(subscription_id: str) -> ServiceContract:
    """The contract of a subscription of ours."""
    return SubscriptionView.model_validate(subscription(subscription_id).document).contract
