"""Asking a customer's consent at the provider: a link, the provider's page, and what came back."""

from __future__ import annotations

import secrets

from django.db import transaction
from pydantic import Field

from meterhall.client.b2b import RemoteRefusal
from meterhall.client.consents import WrongIssuer, ask_consent, consent_page, redeem_code
from meterhall.client.tokens import TokenEndpoint
from meterhall.domain.errors import Conflict, InvalidInput, NotFound
from meterhall.domain.protocol.base import Instant, Message, ShortText, SubscriptionId, Url
from meterhall.domain.protocol.consents import GrantedDetail, MeteringDataDetail
from meterhall.domain.protocol.offers import DataScope
from meterhall.requester.activations.models import Activation, ConsentRequest
from meterhall.requester.activations.service import SubscriptionNotActive, wake
from meterhall.requester.partners.service import contract_of, subscription
from meterhall.web.messaging.market_keys import discover
from meterhall.web.messaging.models import Peer
from meterhall.web.messaging.peers import my_access_number, peer
from meterhall.web.platform import platform

OPEN, STARTED, GRANTED, DENIED = "open", "started", "granted", "denied"


class ScopeBeyondContract(InvalidInput):
    code = "scope_beyond_contract"
    title = "The contract does not cover the data the customer would be asked for."


class UnknownConsentRequest(NotFound):
    code = "unknown_consent_request"
    title = "This link is not one of ours."


class AlreadyAnswered(Conflict):
    code = "consent_already_answered"
    title = "This request has been answered already."


class Need(Message):
    """One thing the data is needed for."""

    need: str = Field(pattern=r"^[a-z0-9_]{1,40}$")
    scope: DataScope
    purpose: ShortText
    access_until: Instant


class ConsentRequestIn(Message):
    """Whom to ask for what; `reference` is our own name of the customer."""

    subscription_id: SubscriptionId
    reference: ShortText
    needs: tuple[Need, ...] = Field(min_length=1, max_length=10)


class ConsentRequestView(Message):
    """A consent request and what became of it. `link` is for the customer."""

    id: int
    link: Url
    subscription_id: str
    reference: str
    state: str
    consent_id: str | None
    error: str | None
    granted: tuple[GrantedDetail, ...]
    created_at: Instant


def create_consent_request(body: ConsentRequestIn) -> ConsentRequest:
    """Make a link for a customer. Raises `SubscriptionNotActive`, `ScopeBeyondContract`."""
    sub = subscription(body.subscription_id)
    if sub.state != "active":
        raise SubscriptionNotActive(f"The subscription is {sub.state}.", field="/subscription_id")
    offer = contract_of(body.subscription_id).offer
    for place, need in enumerate(body.needs):
        if not need.scope.within(offer.scope):
            raise ScopeBeyondContract(field=f"/needs/{place}/scope")
    details = [MeteringDataDetail(subscription_id=body.subscription_id, **dict(need)) for need in body.needs]
    return ConsentRequest.objects.create(
        token=secrets.token_urlsafe(32),
        subscription=sub,
        reference=body.reference,
        details=[detail.document() for detail in details],
        oauth_state=secrets.token_urlsafe(24),
        verifier=b"",
        created_at=platform().now(),
    )


def link_of(asked: ConsentRequest) -> str:
    """What the customer opens."""
    return f"{platform().portal_url}/consents/start/{asked.token}"


def callback_url() -> str:
    """Where the provider sends the customer back to; declared at enrolment."""
    return f"{platform().portal_url}/consents/callback"


def find_by_token(token: str) -> ConsentRequest:
    """Raises `UnknownConsentRequest`."""
    found = ConsentRequest.objects.select_related("subscription").filter(token=token).first()
    if found is None:
        raise UnknownConsentRequest
    return found


def details_of(asked: ConsentRequest) -> tuple[MeteringDataDetail, ...]:
    """What the customer is asked for."""
    return tuple(MeteringDataDetail.model_validate(detail) for detail in asked.details)


def start(asked: ConsentRequest) -> str:
    """Push the request to the provider (RFC 9126); the URL to send the customer to. Raises `AlreadyAnswered`."""
    if asked.state not in {OPEN, STARTED}:
        raise AlreadyAnswered
    endpoint = _endpoint(peer(asked.subscription.provider))
    asking = ask_consent(endpoint, consent_page(endpoint), my_access_number(), callback_url(), details_of(asked))
    asked.state, asked.oauth_state = STARTED, asking.state
    asked.verifier = platform().seal(asking.verifier.encode())
    asked.save(update_fields=["state", "oauth_state", "verifier"])
    return asking.url


def page_of(asked: ConsentRequest) -> str:
    """Where the customer will decide. Raises like `meterhall.client.consents.consent_page`."""
    return consent_page(_endpoint(peer(asked.subscription.provider)))


def _endpoint(provider: Peer) -> TokenEndpoint:
    """The code is bound to the key shown when it was asked for, so that key is one both processes have."""
    key = platform().transport_key
    return TokenEndpoint(provider.b2b_url, my_access_number(), key, http=platform().http, dpop_key=key)


def portal_of(provider: Peer) -> str:
    """Where the provider's customers are received."""
    stated = (provider.document.get("endpoints") or {}).get("portal")
    return str(stated or discover(provider.b2b_url).endpoints.portal or provider.b2b_url).rstrip("/")


def take_answer(state: str, iss: str, code: str, error: str) -> ConsentRequest:
    """The customer came back from the provider: exchange the code for the grant (RFC 9207: only from who was asked).

    Raises `UnknownConsentRequest`, `AlreadyAnswered`, `WrongIssuer` and what the exchange may raise.
    """
    asked = ConsentRequest.objects.select_related("subscription").filter(oauth_state=state, state=STARTED).first()
    if asked is None:
        if ConsentRequest.objects.filter(oauth_state=state).exclude(state=OPEN).exists():
            raise AlreadyAnswered
        raise UnknownConsentRequest
    provider = peer(asked.subscription.provider)
    endpoint = _endpoint(provider)
    if iss != endpoint.issuer:
        raise WrongIssuer(field="/iss")
    if error or not code:
        return _deny(asked, error or "no_code")
    verifier = platform().unseal(bytes(asked.verifier)).decode()
    try:
        grant = redeem_code(endpoint, code, iss, verifier, callback_url())
    except RemoteRefusal as refusal:
        if refusal.remote_status >= 500:
            raise  # the code may still be good: the customer loads the page again
        return _deny(asked, refusal.remote_code)
    with transaction.atomic():
        asked.state, asked.consent_id, asked.error, asked.verifier = GRANTED, grant.consent_id, "", b""
        asked.granted = [detail.document() for detail in grant.details]
        asked.save()
        for activation in Activation.objects.filter(subscription=asked.subscription, state="waiting"):
            wake(activation)
    return asked


def _deny(asked: ConsentRequest, error: str) -> ConsentRequest:
    asked.state, asked.error, asked.verifier = DENIED, error[:60], b""
    asked.save(update_fields=["state", "error", "verifier"])
    return asked


def consent_view(asked: ConsentRequest) -> ConsentRequestView:
    """The request as the back office sees it."""
    return ConsentRequestView(
        id=asked.pk,
        link=link_of(asked),
        subscription_id=asked.subscription_id,
        reference=asked.reference,
        state=asked.state,
        consent_id=asked.consent_id or None,
        error=asked.error or None,
        granted=tuple(GrantedDetail.model_validate(detail) for detail in asked.granted or ()),
        created_at=asked.created_at,
    )
