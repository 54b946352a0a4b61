"""Commands about subscriptions: draft, sign by either party, refuse, quit, expire; and what their parties see."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from meterhall.domain.errors import Conflict, InvalidInput, NotFound, NotPermitted
from meterhall.domain.market import (
    SUBSCRIPTION,
    advance,
    readable_contract,
    readable_terms,
    service_contract,
)
from meterhall.domain.market.declared import check_called
from meterhall.domain.market.texts import refuse_pods
from meterhall.domain.protocol.agreements import (
    QUIT_TYP,
    GeneralContract,
    Quit,
    ServiceContract,
    SubscriptionRequest,
    SubscriptionView,
)
from meterhall.domain.protocol.canonical import commitment, new_id
from meterhall.domain.protocol.events import SubscriptionActive, SubscriptionEnded, SubscriptionRequested
from meterhall.domain.protocol.faults import inside
from meterhall.domain.protocol.keys import verify
from meterhall.domain.protocol.offers import OfferView
from meterhall.domain.protocol.statements import StatementType
from meterhall.marketplace.agreements.models import GeneralTerms, Subscription
from meterhall.marketplace.agreements.signatures import (
    CLOCKS_DIFFER,
    SignatureMismatch,
    check_provider_signature,
    check_signature,
    countersign,
)
from meterhall.marketplace.agreements.standing import general_contract_signed, of_party
from meterhall.marketplace.agreements.terms import terms_in_force
from meterhall.marketplace.catalogue.models import OfferVersion
from meterhall.marketplace.catalogue.search import catalogue
from meterhall.marketplace.catalogue.service import GeneralContractUnsigned
from meterhall.marketplace.catalogue.wishes import NotARequester
from meterhall.marketplace.players.attestations import attest
from meterhall.marketplace.players.models import Player
from meterhall.marketplace.players.service import admitted, view
from meterhall.web.messaging.peers import public_keys
from meterhall.web.messaging.service import Recorded, notify, state
from meterhall.web.platform import platform

DRAFT_LIFE = timedelta(days=30)
"""A contract both parties have not signed by then is over."""


class QuitDated(InvalidInput):
    code = "quit_dated"
    title = "A Quit is dated when it is signed: after the contract was drafted, and not in the future."


class UnknownSubscription(NotFound):
    code = "unknown_subscription"
    title = "There is no such subscription of the caller's."


class OfferUnavailable(Conflict):
    code = "offer_unavailable"
    title = "This version of the offer is not published at present."


class OwnOffer(InvalidInput):
    code = "own_offer"
    title = "Nobody subscribes to an offer of their own."


class UnknownOption(InvalidInput):
    code = "option_unknown"
    title = "The offer has no such option, or it is named twice."


class RepositoryNeeded(InvalidInput):
    code = "repository_needed"
    title = "The offer delivers by push only: name the repository deliveries go to."


class RepositoryUnusable(InvalidInput):
    code = "repository_unusable"
    title = "The offer does not deliver by push: a repository would stay empty."


class PartyNotAdmitted(Conflict):
    code = "party_not_admitted"
    title = "The other party is not admitted at present."


class NotYourTurn(NotPermitted):
    code = "not_your_command"
    title = "This is for the other party of the subscription to do."


def draft(number: str, request: SubscriptionRequest) -> SubscriptionView:
    """Generate the contract under an offer version (step 5), for the requester to sign first.

    Raises `PlayerNotAdmitted`, `GeneralContractUnsigned` and the errors above, naming the member at fault.
    """
    requester = admitted(number)
    if not requester.is_requester:
        raise NotARequester
    offer = _offer(request)
    if offer.provider == number:
        raise OwnOffer(field="/offer_id")
    for party in (number, offer.provider):
        if not general_contract_signed(party):
            raise GeneralContractUnsigned(f"{party} has not signed the general contract yet.")
    _check_choices(request, offer)
    provider = admitted(offer.provider)
    contract = service_contract(
        new_id("sub"),
        offer,
        view(provider),
        view(requester),
        general=terms_in_force(),
        options=request.options,
        repository=request.repository,
        drafted_at=platform().now(),
    )
    with transaction.atomic():
        row = _store(contract)
        _state("subscription.requested", row)
        return show(row)


def _offer(request: SubscriptionRequest) -> OfferView:
    found = catalogue().visible().filter(offer__offer_id=request.offer_id, version=request.offer_version).first()
    if found is None:
        known = catalogue().visible().filter(offer__offer_id=request.offer_id).exists()
        raise OfferUnavailable(field="/offer_version" if known else "/offer_id")
    return catalogue().view(found)


def _check_choices(request: SubscriptionRequest, offer: OfferView) -> None:
    known = {option.code for option in offer.offer.options}
    for at, code in enumerate(request.options):
        if code not in known or code in request.options[:at]:
            raise UnknownOption(field=f"/options/{at}")
    ways = offer.offer.transmission
    if request.repository is None and set(ways) == {"push"}:
        raise RepositoryNeeded(field="/repository")
    if request.repository is not None and "push" not in ways:
        raise RepositoryUnusable(field="/repository")
    if request.repository is not None:
        refuse_pods(request.repository.url, field="/repository/url")
        if request.repository.kind != "s3":  # which names a bucket, and no host
            check_called(request.repository.url, platform().base_url, field="/repository/url")


def _store(contract: ServiceContract) -> Subscription:
    return Subscription.objects.create(
        subscription_id=contract.subscription_id,
        requester=contract.requester.access_number,
        provider=contract.provider.access_number,
        offer_id=contract.offer_id,
        offer_version=contract.offer_version,
        contract=contract.document(),
        digest=contract.fingerprint(),
        drafted_at=contract.drafted_at,
        access_until=contract.access_until,
    )


def sign(number: str, subscription_id: str, jws: str) -> SubscriptionView:
    """Take a party's signature: the requester's first, then the provider's, which puts the contract in force."""
    admitted(number)
    with transaction.atomic():
        row = _locked(number, subscription_id)
        if number == row.requester:
            _sign_requester(row, jws)
        else:
            _sign_provider(row, jws)
        return show(row)


def _sign_requester(row: Subscription, jws: str) -> None:
    following = advance(SUBSCRIPTION, row.state, "sign_requester")
    keys = view(admitted(row.requester)).keys
    drafted_at = ServiceContract.model_validate(row.contract).drafted_at
    check_signature(
        jws, keys, subject=row.subscription_id, digest=row.digest, party=row.requester, drafted_at=drafted_at
    )
    published = OfferVersion.objects.filter(
        offer__offer_id=row.offer_id, version=row.offer_version, status="published"
    ).exists()
    if not published:
        raise OfferUnavailable
    _check_admitted(row.provider)
    row.signatures, row.state = {"requester": jws}, following
    row.save(update_fields=["signatures", "state"])
    _state("contract.signed", row, counts={"requester": 1})
    news = SubscriptionRequested(subscription=show(row), attestation=_vouch(row, row.requester, row.provider))
    notify(row.provider, "subscription.requested", row.subscription_id, news)


def _sign_provider(row: Subscription, jws: str) -> None:
    following = advance(SUBSCRIPTION, row.state, "sign_provider")
    keys = view(admitted(row.provider)).keys
    contract = ServiceContract.model_validate(row.contract)
    _check_admitted(row.requester)
    row.acceptance = check_provider_signature(
        jws, keys, subject=row.subscription_id, digest=row.digest, contract=contract
    )
    both = [row.signatures["requester"], jws]
    seal = countersign(row.subscription_id, row.digest, both)
    row.signatures = {**row.signatures, "provider": jws, "marketplace": seal}
    row.state = following
    row.save(update_fields=["signatures", "state", "acceptance"])
    _state("contract.signed", row, counts={"provider": 1})
    _state("contract.countersigned", row)
    for reader, other in ((row.provider, row.requester), (row.requester, row.provider)):
        news = SubscriptionActive(subscription=show(row), attestation=_vouch(row, other, reader))
        notify(reader, "subscription.active", row.subscription_id, news)


def _check_admitted(other: str) -> None:
    if not Player.objects.filter(access_number=other, status="admitted").exists():
        raise PartyNotAdmitted


def _vouch(row: Subscription, party: str, audience: str) -> str:
    return attest(
        view(admitted(party)),
        audience,
        kind="subscription",
        subscription_id=row.subscription_id,
        contract_digest=row.digest,
    ).attestation


def refuse(number: str, subscription_id: str, reason: str) -> SubscriptionView:
    """The provider does not sign, for a reason it states; the requester is told."""
    refuse_pods(reason, field="/reason")
    with transaction.atomic():
        row = _locked(number, subscription_id)
        if number != row.provider:
            raise NotYourTurn
        _end(row, "refuse", reason)
        _tell_end(row, row.requester)
        return show(row)


@inside("/jws")
def quit_subscription(number: str, subscription_id: str, jws: str) -> SubscriptionView:
    """The requester ends a subscription, signed with its transport key; a provider that knows of it is told."""
    with transaction.atomic():
        row = _locked(number, subscription_id)
        if number != row.requester:
            raise NotYourTurn
        keys = view(Player.objects.get(access_number=number)).keys
        signers = [key.document() for key in (*keys.transport, *keys.contract)]
        body = Quit.model_validate(verify(jws, public_keys(signers), typ=QUIT_TYP).document)
        if body.subscription_id != subscription_id:
            raise SignatureMismatch("The Quit names another subscription.", field="/subscription_id")
        if body.party != number:
            raise SignatureMismatch("The Quit names another party.", field="/party")
        refuse_pods(body.reason, field="/reason")
        now = platform().now()
        if not row.drafted_at - CLOCKS_DIFFER <= body.quit_at <= now + CLOCKS_DIFFER:
            raise QuitDated(field="/quit_at")
        provider_knows = row.state != "drafted"
        _end(row, "quit", body.reason)
        row.end_jws = jws
        row.save(update_fields=["end_jws"])
        if provider_knows:
            _tell_end(row, row.provider)
        return show(row)


def _end(row: Subscription, command: str, reason: str = "") -> None:
    row.state = advance(SUBSCRIPTION, row.state, command)
    row.ended_at, row.reason = platform().now(), reason
    row.save(update_fields=["state", "ended_at", "reason"])


def _tell_end(row: Subscription, reader: str) -> None:
    made = _state("subscription.quit", row)
    news = SubscriptionEnded(subscription_id=row.subscription_id, at=row.ended_at, statement_id=made.id)
    notify(reader, "subscription.quit", row.subscription_id, news)


def expire() -> int:
    """End what has run out: contracts at their date, contracts nobody finished signing after a month; how many."""
    now = platform().now()
    over = Q(state__in=("active", "suspended"), access_until__lte=now)
    stale = Q(state__in=("drafted", "requester_signed"), drafted_at__lte=now - DRAFT_LIFE)
    ended = 0
    for pk in Subscription.objects.filter(over | stale).values_list("pk", flat=True):
        with transaction.atomic():
            row = Subscription.objects.select_for_update().get(pk=pk)
            if (row.state, "expire") in SUBSCRIPTION:
                _end(row, "expire")
                ended += 1
    return ended


def of_player(number: str) -> QuerySet[Subscription]:
    """The subscriptions this player sees: its own as requester, and as provider those a requester has signed."""
    return Subscription.objects.filter(Q(requester=number) | (Q(provider=number) & ~Q(signatures={})))


def find(number: str, subscription_id: str) -> Subscription:
    """A subscription of this party. Raises `UnknownSubscription`."""
    found = of_player(number).filter(subscription_id=subscription_id).first()
    if found is None:
        raise UnknownSubscription
    return found


def _locked(number: str, subscription_id: str) -> Subscription:
    row = Subscription.objects.select_for_update().filter(of_party(number), subscription_id=subscription_id).first()
    if row is None or (number == row.provider and not row.signatures):
        raise UnknownSubscription
    return row


def show(row: Subscription) -> SubscriptionView:
    """The subscription as its parties see it."""
    return SubscriptionView(
        subscription_id=row.subscription_id,
        state=row.state,
        contract=ServiceContract.model_validate(row.contract),
        digest=row.digest,
        signatures=row.signatures,
        ended_at=row.ended_at,
    )


def document(row: Subscription) -> str:
    """The readable contract: the service contract, and the general contract it names."""
    contract = ServiceContract.model_validate(row.contract)
    terms = GeneralContract.model_validate(GeneralTerms.objects.get(digest=contract.general_contract).document)
    return f"{readable_contract(contract)}\n---\n\n{readable_terms(terms)}"


def _state(kind: StatementType, row: Subscription, counts: dict[str, int] | None = None) -> Recorded:
    return state(
        kind,
        transaction_id=row.subscription_id,
        subject=row.subscription_id,
        parties=(row.requester, row.provider),
        counts=counts,
        commitments={"contract": commitment(row.subscription_id, row.digest)},
    )
