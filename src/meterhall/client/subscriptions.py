"""A subscription in an engineer's hand: its contract is signed, waited for, used, ended (step 5)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from meterhall.client.activations import Activation, activate
from meterhall.client.asking import ConsentAsked, Need, ask
from meterhall.client.desk import Desk
from meterhall.client.errors import RemoteRefusal
from meterhall.client.home import SignerKey
from meterhall.client.kept import ActivationKept
from meterhall.client.patience import TimedOut
from meterhall.client.periods import PeriodLike, period_of
from meterhall.client.pods import Pods
from meterhall.client.proofs import Proof
from meterhall.client.signing import contract_signature
from meterhall.domain.errors import Conflict, InvalidInput
from meterhall.domain.protocol.agreements import (
    QUIT_TYP,
    Quit,
    Repository,
    ServiceContract,
    SubscriptionRequest,
    SubscriptionState,
    SubscriptionView,
)
from meterhall.domain.protocol.base import DirectionName, GranularityName, Signed
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.consents import MeteringDataDetail
from meterhall.domain.protocol.keys import sign
from meterhall.domain.protocol.offers import DataScope, OfferView

OPEN: frozenset[SubscriptionState] = frozenset({"drafted", "requester_signed", "active", "suspended"})
WEEK_S = 7 * 86_400.0
DOOR_S = 120.0
"""How long a provider may take to let in a requester whose contract has just come into force."""


class SubscriptionOver(Conflict):
    code = "subscription_over"
    title = "The contract was refused, or has ended."


class NotSignedYet(Conflict):
    code = "not_signed_yet"
    title = "The contract waits for our own signer."


class DigestDiffers(InvalidInput):
    code = "contract_digest_differs"
    title = "The contract shown is not the one of the digest; it is not signed."


class BadRepository(InvalidInput):
    code = "bad_repository"
    title = "A repository is https://…, sftp://host/folder or s3://bucket/folder, without name, password or query."


class Subscription:
    """A service contract with its state."""

    def __init__(self, desk: Desk, view: SubscriptionView) -> None:
        self._desk = desk
        self._view = view

    def __repr__(self) -> str:
        return f"<Subscription {self.id} {self.state}>"

    @property
    def id(self) -> str:
        return self._view.subscription_id

    @property
    def state(self) -> SubscriptionState:
        """As last heard; `refresh` asks."""
        return self._view.state

    @property
    def contract(self) -> ServiceContract:
        """What is signed."""
        return self._view.contract

    @property
    def provider(self) -> str:
        """The provider's access number."""
        return self._view.contract.provider.access_number

    @property
    def _path(self) -> str:
        return f"/v1/subscriptions/{self.id}"

    def refresh(self) -> SubscriptionState:
        """Ask the Market Place how it stands."""
        self._view = self._desk.marketplace.call("GET", self._path, None, SubscriptionView)
        return self.state

    def text(self) -> str:
        """The readable contract (Markdown), made from what is signed."""
        return self._desk.marketplace.send("GET", f"{self._path}/document").text

    def sign(self, signer: SignerKey) -> None:
        """Sign for our organisation. Raises `SignerNotFresh`, `DigestDiffers`, and like `Line.call`."""
        shown = self._view.contract.fingerprint()
        if shown != self._view.digest:
            raise DigestDiffers(field="/digest")
        now = datetime.now(UTC)
        jws = contract_signature(self.id, shown, signer.signer, signer.key, party=self._desk.me, now=now)
        body, key = Signed(jws=jws), digest(jws.encode())[-64:]
        self._view = self._desk.marketplace.call("POST", f"{self._path}/signatures", body, SubscriptionView, key=key)

    def wait(self, timeout_s: float = WEEK_S) -> Subscription:
        """Wait until the contract is in force and the provider lets us in; returns itself.

        It waits for our own signer as well, who may sign elsewhere. Raises `SubscriptionOver`, `TimedOut`.
        """

        def look() -> bool:
            self._desk.tell("wait", 0, None, f"contract ({self.state})")
            if self.refresh() not in OPEN:
                raise SubscriptionOver(f"The contract is {self.state}.")
            return self.state == "active"

        if self.state != "active":
            self._desk.pace.until(look, timeout_s, "The contract")
        return self

    def activate(
        self,
        pods: Pods,
        proof: Proof = "ask_customer",
        *,
        period: PeriodLike | None = None,
        granularities: tuple[GranularityName, ...] | None = None,
        directions: tuple[DirectionName, ...] | None = None,
    ) -> Activation:
        """Activate PODs with their proof (step 6); period, granularities and directions are the offer's where none are
        given. The same again is the same activation.

        Raises `NotSignedYet`, `SubscriptionOver`, `NothingToActivate`, `NoProof`, and like `Line.call`.
        """
        source = pods if isinstance(pods, (str, Path)) or hasattr(pods, "columns") else list(pods)
        return self._activate(self._scope(period, granularities, directions), source, proof)

    def activate_areas(
        self,
        *,
        period: PeriodLike | None = None,
        granularities: tuple[GranularityName, ...] | None = None,
        directions: tuple[DirectionName, ...] | None = None,
    ) -> Activation:
        """An activation without points, for `Activation.group_curves` over areas, which need nobody's consent.

        Raises like `activate`.
        """
        return self._activate(self._scope(period, granularities, directions), None, "ask_customer")

    def _activate(self, scope: DataScope, pods: Pods | None, proof: Proof) -> Activation:
        self._check()
        kept = ActivationKept(
            key="",
            subscription_id=self.id,
            provider=self.provider,
            formats=self.contract.offer.formats,
            scope=scope,
            country=next(iter(self.contract.offer.countries), ""),
        )
        done: list[Activation] = []
        refused: list[RemoteRefusal] = []

        def let_in() -> bool:
            try:
                done.append(activate(self._desk, kept, pods, proof))
            except RemoteRefusal as refusal:
                if refusal.remote_code == "no_contract" or refusal.code == "token_refused":
                    refused.append(refusal)
                    return False
                raise
            return True

        try:
            self._desk.pace.until(let_in, DOOR_S, "The provider's door")
        except TimedOut:
            raise refused[-1] from None
        return done[0]

    def ask_consent(
        self,
        *needs: Need,
        period: PeriodLike | None = None,
        granularities: tuple[GranularityName, ...] | None = None,
        directions: tuple[DirectionName, ...] | None = None,
        redirect_uri: str | None = None,
    ) -> ConsentAsked:
        """Ask a customer on the provider's page: send the customer to the `url` of what comes back.

        The customer returns to `redirect_uri`, the first of the client's home where none is given; hand the address
        the customer came to to `Meterhall.take_consent`. Raises `NoRedirectUri`, `UnknownRedirectUri`, like `activate`.
        """
        self._check()
        scope = self._scope(period, granularities, directions)
        details = [
            MeteringDataDetail(
                need=one.name, subscription_id=self.id, scope=scope, purpose=one.purpose, access_until=one.access_until
            )
            for one in needs
        ]
        return ask(self._desk, self.provider, self.id, details, redirect_uri)

    def _scope(
        self,
        period: PeriodLike | None,
        granularities: tuple[GranularityName, ...] | None,
        directions: tuple[DirectionName, ...] | None,
    ) -> DataScope:
        offered = self.contract.offer.scope
        return DataScope(
            kind=offered.kind,
            timing=offered.timing,
            directions=directions or offered.directions,
            granularities=granularities or offered.granularities,
            period=period_of(period, offered) if period or offered.timing == "historical" else offered.period,
        )

    def _check(self) -> None:
        if self.state != "active" and self.refresh() != "active":
            if self.state == "drafted":
                raise NotSignedYet
            if self.state not in OPEN:
                raise SubscriptionOver(f"The contract is {self.state}.")
            self.wait(DOOR_S)

    def quit(self, reason: str = "") -> None:
        """End the contract, and with it everything under it."""
        body = Quit(subscription_id=self.id, party=self._desk.me, reason=reason, quit_at=datetime.now(UTC))
        signed = Signed(jws=sign(body.document(), self._desk.key, typ=QUIT_TYP))
        self._view = self._desk.marketplace.call(
            "POST", f"{self._path}/quit", signed, SubscriptionView, key=f"quit-{self.id}"
        )


def subscribe(
    desk: Desk,
    offer: OfferView | str,
    options: tuple[str, ...],
    signer: SignerKey | None,
    repository: Repository | str | None = None,
) -> Subscription:
    """The open subscription under this offer, these options and this repository; a fresh one where there is none.
    Signed when a signer is given and none has signed yet. Raises `BadRepository`."""
    place = as_repository(repository)
    view = (
        offer if isinstance(offer, OfferView) else desk.marketplace.call("GET", f"/v1/offers/{offer}", None, OfferView)
    )
    subscription = _open(desk, view, options, place) or _draft(desk, view, options, place)
    if signer is not None and subscription.state == "drafted":
        subscription.sign(signer)
    return subscription


def as_repository(given: Repository | str | None) -> Repository | None:
    """A repository by its address, `https://…`, `sftp://host/folder`, `s3://bucket/folder`. Raises `BadRepository`."""
    if given is None or isinstance(given, Repository):
        return given
    try:
        return Repository.model_validate({"kind": given.partition(":")[0], "url": given.rstrip("/")})
    except ValidationError:
        raise BadRepository(f"{given[:80]!r} is no address of a repository.", field="/repository") from None


def _offer(desk: Desk, offer_id: str) -> OfferView:
    return desk.marketplace.call("GET", f"/v1/offers/{offer_id}", None, OfferView)


def _open(desk: Desk, view: OfferView, options: tuple[str, ...], repository: Repository | None) -> Subscription | None:
    for one in desk.marketplace.items("/v1/subscriptions", SubscriptionView):
        contract = one.contract
        same = (contract.offer_id, contract.offer_version, set(contract.options))
        mine = contract.requester.access_number == desk.me and contract.repository == repository
        if mine and one.state in OPEN and same == (view.offer_id, view.version, set(options)):
            return Subscription(desk, one)
    return None


def _draft(desk: Desk, view: OfferView, options: tuple[str, ...], repository: Repository | None) -> Subscription:
    request = SubscriptionRequest(
        offer_id=view.offer_id, offer_version=view.version, options=options, repository=repository
    )
    return Subscription(desk, desk.marketplace.call("POST", "/v1/subscriptions", request, SubscriptionView))
