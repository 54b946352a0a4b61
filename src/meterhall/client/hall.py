"""`Meterhall`: what an engineer of a requester imports. From a list of points of delivery to a frame, in ten lines.

    hall = Meterhall.connect("my-company")
    offer = hall.search(country="ES", text="load curves")[0]
    found = hall.localise("customers.csv")
    subscription = hall.subscribe(offer, signer=hall.signer("Stella Signer", passphrase)).wait()
    activation = subscription.activate(found.lines(offer.provider), proof=SignedByCustomer.from_csv("consents.csv"))
    activation.wait()
    curves = activation.load_curves(("2025-03-01", "2025-04-01"), "PT1H")
    print(curves.frame, curves.completeness)

The same script again goes on where it stopped. `aio` has the same for asyncio.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from meterhall.client import enrolling, wishes
from meterhall.client.activations import Activation, kept_activations
from meterhall.client.asking import ConsentGiven, take
from meterhall.client.desk import Desk, OnProgress
from meterhall.client.home import ClientHome, SignerKey, folder_of
from meterhall.client.kept import ActivationKept
from meterhall.client.localising import Localised, localise
from meterhall.client.news import News, news, state_erased
from meterhall.client.patience import Pace
from meterhall.client.periods import PeriodLike, as_period
from meterhall.client.pods import Pods
from meterhall.client.subscriptions import Subscription, subscribe
from meterhall.domain.errors import NotFound
from meterhall.domain.protocol.agreements import Repository, SubscriptionState, SubscriptionView
from meterhall.domain.protocol.base import DirectionName, FormatName, GranularityName
from meterhall.domain.protocol.offers import DataScope, OfferView, Price, ServiceType, Wish, WishView
from meterhall.domain.protocol.players import Activity, Membership, PlayerView


class UnknownKeptActivation(NotFound):
    code = "unknown_kept_activation"
    title = "This client sent no such activation."


class UnknownAddress(NotFound):
    code = "unknown_address"
    title = "The address is neither the Market Place's nor that of a provider we have a contract with."


class Meterhall:
    """One requester at one Market Place. Use as a context, or `close` it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @classmethod
    def connect(cls, client: str | Path, *, on_progress: OnProgress | None = None, patience_s: float = 300) -> Self:
        """The client of this name (`~/.meterhall/<name>`) or in this folder; nobody is called yet.

        Calls that fail for reasons that may pass are repeated for `patience_s`. While parts of a delivery come,
        `on_progress` is called on threads of the client's, one at a time. Raises `NoClient`, `BadClient`.
        """
        home = ClientHome(folder_of(client))
        desk = Desk(home, Pace(patience_s), on_progress)
        desk.pace.tell = lambda what: desk.tell("again", 0, None, what)
        _ = desk.card
        return cls(desk)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Send what waits to be stated, and let connections and files go."""
        if self._desk.card.access_number is not None and "memory" in self._desk.__dict__:
            self._desk.flush()
        self._desk.close()

    def watch(self, on_progress: OnProgress | None) -> None:
        """Tell how far steps are to this from now on."""
        self._desk.on_progress = on_progress

    def headers(self, method: str, url: str) -> dict[str, str]:
        """The headers that authorise one call made with another tool, `Authorization` and `DPoP`; good for once.

        Raises `UnknownAddress`, and like `Line.call`.
        """
        line = self._desk.marketplace
        if not _below(url, line.client.base_url):
            numbers = {one.provider for one in self.subscriptions("active")}
            lines = [self._desk.provider(number) for number in sorted(numbers)]
            found = next((one for one in lines if _below(url, one.client.base_url)), None)
            if found is None:
                raise UnknownAddress(field="/url")
            line = found
        return line.client.headers(method, url)

    @property
    def access_number(self) -> str:
        """Ours. Raises `NotEnrolled`."""
        return self._desk.me

    def enrol(self, legal_id: str, activity: Activity) -> PlayerView:
        """Apply at the Market Place (step 1); `legal_id` is `KIND:VALUE`. Again it is the same player."""
        return enrolling.enrol(self._desk, enrolling.legal_id_of(legal_id), activity)

    def declare_addresses(
        self, *, address: str | None = None, redirect_uris: Sequence[str] | None = None
    ) -> PlayerView:
        """Tell the Market Place, and by it the partners, another address of the organisation, or other places where
        customers come back after consenting; what is not given stays.
        """
        redirects = None if redirect_uris is None else tuple(redirect_uris)
        return enrolling.declare_addresses(self._desk, address, redirects)

    def standing(self) -> Membership:
        """How we stand at the Market Place."""
        return enrolling.standing(self._desk)

    def wait_admitted(self, timeout_s: float = 7 * 86_400.0) -> Membership:
        """Wait until the Market Place's operator has admitted us. Raises `TimedOut`."""
        return enrolling.wait_admitted(self._desk, timeout_s)

    def signer(self, name: str, passphrase: str) -> SignerKey:
        """The contract key, opened now by the person of this name; good for five minutes. Raises `WrongPassphrase`."""
        return SignerKey.open(self._desk.home, name, passphrase)

    def sign_terms(self, signer: SignerKey) -> None:
        """Sign the general contract, once. Raises `NotAdmittedYet`, `SignerNotFresh`."""
        enrolling.sign_terms(self._desk, signer)

    def search(
        self,
        *,
        text: str | None = None,
        country: str | None = None,
        granularity: GranularityName | None = None,
        format: FormatName | None = None,
        service_type: ServiceType | None = None,
        provider: str | None = None,
        most: int = 1000,
    ) -> list[OfferView]:
        """Offers that have everything asked for (step 2); `text` is looked for in title, summary, provider's name. One
        need not be enrolled to search."""
        asked = {
            "text": text, "country": country, "granularity": granularity, "format": format,
            "service_type": service_type, "provider": provider,
        }  # fmt: skip
        return list(self._desk.catalogue.items("/v1/offers", OfferView, asked, most))

    def wish(
        self,
        countries: Iterable[str],
        customers: int,
        *,
        text: str = "",
        granularities: tuple[GranularityName, ...] = ("PT15M",),
        directions: tuple[DirectionName, ...] = ("import",),
        period: PeriodLike | None = None,
        formats: tuple[FormatName, ...] = (),
        highest_price: Price | None = None,
        until: datetime | None = None,
    ) -> WishView:
        """Say what we need, for how many customers and where (step 3); the answer has the offers that fit, and `news`
        tells of new ones. Without a `period` it is for readings of all times. The same again is the same wish.

        Raises `NoPeriod`, `BadDay`, and like `Line.call`.
        """
        wanted = Wish(
            text=text, countries=tuple(countries), customers=customers, formats=formats, highest_price=highest_price,
            until=until, scope=DataScope(
                granularities=granularities, directions=directions, period=as_period(period) if period else None
            ),
        )  # fmt: skip
        return wishes.wish(self._desk, wanted)

    def wishes(self) -> list[WishView]:
        """Ours, with the offers that fit now."""
        return wishes.wishes(self._desk)

    def close_wish(self, wish_id: str) -> WishView:
        """Stop looking."""
        return wishes.close(self._desk, wish_id)

    def localise(self, pods: Pods) -> Localised:
        """Who holds each point (step 4): of a list, a CSV file or a frame. No POD leaves this machine."""
        return localise(self._desk, pods)

    def subscribe(
        self,
        offer: OfferView | str,
        options: tuple[str, ...] = (),
        *,
        signer: SignerKey | None = None,
        repository: Repository | str | None = None,
    ) -> Subscription:
        """The contract under an offer (step 5): the open one where there is one, else a new one.

        With a `signer` it is signed; without one it waits for a signer of ours (`Subscription.sign`, or `meterhall
        client sign`). The provider signs by itself where it has a standing acceptance. `Subscription.wait` waits.

        `repository` fixes where deliveries may be pushed, and nowhere else: an address as `https://…`,
        `sftp://host/folder` or `s3://bucket/folder`. Raises `BadRepository` where it is none; the Market Place refuses
        with `repository_unusable` what no provider could reach, and with `repository_needed` to leave it out.
        """
        return subscribe(self._desk, offer, options, signer, repository)

    def subscription(self, subscription_id: str) -> Subscription:
        """One of ours, as the Market Place has it."""
        path = f"/v1/subscriptions/{subscription_id}"
        return Subscription(self._desk, self._desk.marketplace.call("GET", path, None, SubscriptionView))

    def subscriptions(self, state: SubscriptionState | None = None) -> list[Subscription]:
        """Ours, as the Market Place has them."""
        found = self._desk.marketplace.items("/v1/subscriptions", SubscriptionView, {"state": state})
        ours = (one for one in found if one.contract.requester.access_number == self.access_number)
        return [Subscription(self._desk, one) for one in ours]

    def take_consent(self, answer: str) -> ConsentGiven:
        """What a customer granted: `answer` is the whole address the customer came back to; see
        `Subscription.ask_consent`.

        Raises `ConsentRefused`, `ConsentNotAsked`, `WrongIssuer`, `TokenRefused`, `RemoteUnreachable`.
        """
        return take(self._desk, answer)

    def activation(self, activation_id: str) -> Activation:
        """One this client sent. Raises `UnknownKeptActivation`."""
        kept: ActivationKept | None = kept_activations(self._desk).get(activation_id)
        if kept is None:
            raise UnknownKeptActivation(field="/activation")
        return Activation(self._desk, kept)

    def activations(self) -> list[Activation]:
        """Those this client sent."""
        return [Activation(self._desk, kept) for kept in kept_activations(self._desk).values()]

    def news(self) -> Iterator[News]:
        """The events that wait for us, each taken off its feed when you come back for the next."""
        return news(self._desk)

    def state_erased(self, provider: str, consent_id: str, erased: int) -> None:
        """State that what was collected under an ended consent is erased: how many series."""
        state_erased(self._desk, provider, consent_id, erased)


def _below(url: str, base: str) -> bool:
    return url == base or url.startswith((base + "/", base + "?"))
