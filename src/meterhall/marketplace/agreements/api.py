"""Calls about agreements: the general contract, standing acceptances, subscriptions and their signatures."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from pydantic import StringConstraints

from meterhall.domain.market import WrongState
from meterhall.domain.market.declared import AddressInvalid
from meterhall.domain.market.texts import TextHoldsPod
from meterhall.domain.protocol.agreements import (
    Countersigned,
    GeneralContract,
    SubscriptionRequest,
    SubscriptionState,
    SubscriptionView,
)
from meterhall.domain.protocol.base import Message, Page, Signed
from meterhall.domain.protocol.keys import BadSignature
from meterhall.marketplace.agreements import service, terms
from meterhall.marketplace.agreements.signatures import (
    AcceptanceUsedUp,
    NoSigner,
    NotCovered,
    SignatureMismatch,
    SignerInvalid,
)
from meterhall.marketplace.catalogue.service import GeneralContractUnsigned, NotAProvider
from meterhall.marketplace.catalogue.wishes import NotARequester
from meterhall.marketplace.players.service import PlayerNotAdmitted
from meterhall.web.api import endpoint, page
from meterhall.web.membership.service import SignerNotFresh
from meterhall.web.security import TokenAuth, caller

SIGNED = (BadSignature, NoSigner, SignerInvalid, SignerNotFresh, SignatureMismatch, PlayerNotAdmitted)


class RefusalReason(Message):
    """Why a provider does not sign; the requester reads it in the subscription's history."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=4000)]


def add_agreements(api: NinjaAPI) -> None:
    """Publish the calls."""
    _add_terms(api)
    _add_subscriptions(api)
    _add_signing(api)


def _add_terms(api: NinjaAPI) -> None:
    member = TokenAuth("market")

    @endpoint(api, "GET", "/v1/general-contract", response=GeneralContract, step="1 terms")
    def get_general_contract(request: HttpRequest) -> GeneralContract:
        """The general contract in force; anyone may read it."""
        return terms.terms_in_force()

    @endpoint(api, "POST", "/v1/general-contract/signatures", response=Countersigned, status=201, auth=member,
              step="1 terms", refuses=SIGNED)  # fmt: skip
    def sign_general_contract(request: HttpRequest, body: Signed) -> Countersigned:
        """Sign the general contract with the contract key, within five minutes of a second factor."""
        return terms.sign_terms(caller(request), body.jws)

    @endpoint(api, "POST", "/v1/standing-acceptances", response=Countersigned, status=201, auth=member, step="1 terms",
              refuses=(*SIGNED, NotAProvider, terms.AcceptanceOver, terms.AcceptanceOffer,
                       terms.AcceptanceKey))  # fmt: skip
    def post_standing_acceptance(request: HttpRequest, body: Signed) -> Countersigned:
        """Accept beforehand the contracts under named offer versions; a transport key then signs each."""
        return terms.register_acceptance(caller(request), body.jws)


def _add_subscriptions(api: NinjaAPI) -> None:
    member = TokenAuth("market")
    unknown = (service.UnknownSubscription,)

    @endpoint(api, "POST", "/v1/subscriptions", response=SubscriptionView, status=201, auth=member,
              step="5 subscription",
              refuses=(PlayerNotAdmitted, NotARequester, GeneralContractUnsigned, service.OfferUnavailable,
                       service.OwnOffer, service.UnknownOption, service.RepositoryNeeded,
                       service.RepositoryUnusable, AddressInvalid, TextHoldsPod))  # fmt: skip
    def post_subscription(request: HttpRequest, body: SubscriptionRequest) -> SubscriptionView:
        """Ask for a contract under an offer version; the requester signs it first."""
        return service.draft(caller(request), body)

    @endpoint(api, "GET", "/v1/subscriptions", response=Page[SubscriptionView], auth=member, step="5 subscription")
    def list_subscriptions(
        request: HttpRequest, state: SubscriptionState | None = None, after: str | None = None, limit: int = 100
    ) -> Page[SubscriptionView]:
        """The caller's subscriptions, as requester and as provider."""
        rows = service.of_player(caller(request))
        return page(rows.filter(state=state) if state else rows, service.show, after=after, limit=limit)

    @endpoint(api, "GET", "/v1/subscriptions/{subscription_id}", response=SubscriptionView, auth=member,
              step="5 subscription", refuses=unknown)  # fmt: skip
    def get_subscription(request: HttpRequest, subscription_id: str) -> SubscriptionView:
        """A subscription with its contract and signatures."""
        return service.show(service.find(caller(request), subscription_id))

    @endpoint(api, "GET", "/v1/subscriptions/{subscription_id}/document", response=str, auth=member,
              step="5 subscription", refuses=unknown, gives="text/markdown")  # fmt: skip
    def get_document(request: HttpRequest, subscription_id: str) -> HttpResponse:
        """The readable contract, made from what is signed: Markdown (`text/markdown`)."""
        row = service.find(caller(request), subscription_id)
        return HttpResponse(service.document(row), content_type="text/markdown; charset=utf-8")


def _add_signing(api: NinjaAPI) -> None:
    member = TokenAuth("market")

    @endpoint(api, "POST", "/v1/subscriptions/{subscription_id}/signatures", response=SubscriptionView, status=202,
              auth=member, step="5 subscription",
              refuses=(*SIGNED, service.UnknownSubscription, WrongState, service.OfferUnavailable,
                       service.PartyNotAdmitted, NotCovered, AcceptanceUsedUp))  # fmt: skip
    def sign_subscription(request: HttpRequest, subscription_id: str, body: Signed) -> SubscriptionView:
        """Sign the contract: the requester, then the provider; the Market Place countersigns."""
        return service.sign(caller(request), subscription_id, body.jws)

    @endpoint(api, "POST", "/v1/subscriptions/{subscription_id}/refusal", response=SubscriptionView, auth=member,
              step="5 subscription",
              refuses=(service.UnknownSubscription, service.NotYourTurn, WrongState))  # fmt: skip
    def refuse_subscription(request: HttpRequest, subscription_id: str, body: RefusalReason) -> SubscriptionView:
        """Do not sign, as provider, with the reason."""
        return service.refuse(caller(request), subscription_id, body.reason)

    @endpoint(api, "POST", "/v1/subscriptions/{subscription_id}/quit", response=SubscriptionView, auth=member,
              step="5 subscription",
              refuses=(BadSignature, SignatureMismatch, service.UnknownSubscription, service.NotYourTurn,
                       service.QuitDated, TextHoldsPod, WrongState))  # fmt: skip
    def quit_subscription(request: HttpRequest, subscription_id: str, body: Signed) -> SubscriptionView:
        """End a subscription, as requester: a Quit signed with the transport key."""
        return service.quit_subscription(caller(request), subscription_id, body.jws)
