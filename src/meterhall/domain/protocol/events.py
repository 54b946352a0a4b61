"""Events: what one platform tells another (CloudEvents 1.0), and the data each type carries."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from meterhall.domain.protocol.agreements import SubscriptionView
from meterhall.domain.protocol.base import (
    AccessNumber,
    ActivationId,
    CertificationId,
    ConsentId,
    DeliveryId,
    EventId,
    Instant,
    Jws,
    Message,
    OfferId,
    StatementId,
    SubscriptionId,
    WishId,
)
from meterhall.domain.protocol.players import PlayerView

EventType = Literal[
    "player.admitted",
    "player.suspended",
    "player.keys_changed",
    "player.endpoints_changed",
    "certification.started",
    "certification.finished",
    "wish.matched",
    "offer.changed",
    "subscription.requested",
    "subscription.active",
    "subscription.quit",
    "consent.granted",
    "consent.revoked",
    "activation.answered",
    "delivery.ready",
    "delivery.matched",
    "delivery.mismatched",
]


class PlayerChanged(Message):
    """A player was admitted or suspended, or has new keys or addresses; told to it and to its contract partners."""

    player: PlayerView = Field(description="The player as it is now: replace what is kept of it.")
    reason: str = Field("", description="Why, in the words of the Market Place's operator; empty: nothing was said.")


class CertificationStarted(Message):
    """The certifier announces itself with its sandbox attestation."""

    certification_id: CertificationId
    attestation: Jws = Field(description="JWT of an Attestation of kind `sandbox`: let its player in until its `exp`.")


class CertificationFinished(Message):
    """The conformance run is over; what was found is read from the certification."""

    certification_id: CertificationId
    passed: bool = Field(description="Whether every check held, and so a certificate is there.")


class WishMatched(Message):
    """An offer published now fits a wish of the reader's."""

    wish_id: WishId
    offer_id: OfferId
    version: int = Field(description="The version of the offer that fits, from 1.")


class OfferChanged(Message):
    """A newer version of an offer under which the reader has a contract; the contract keeps its own version."""

    offer_id: OfferId
    version: int = Field(description="The newer version, from 1.")
    effective_at: Instant = Field(description="The end of the notice the running version promises.")


class SubscriptionRequested(Message):
    """A requester has signed; the provider who reads this checks the contract, and signs or refuses."""

    subscription: SubscriptionView = Field(description="The subscription with the contract and the first signature.")
    attestation: Jws = Field(description="JWT of an Attestation of kind `subscription` for the requester.")


class SubscriptionActive(Message):
    """The contract is in force; `attestation` vouches for the other party to the one who reads this."""

    subscription: SubscriptionView = Field(description="The subscription with the contract and all three signatures.")
    attestation: Jws = Field(description="JWT of an Attestation of kind `subscription` for the other party.")


class SubscriptionEnded(Message):
    """The requester quit, or the provider refused to sign; nothing moves under the contract any more."""

    subscription_id: SubscriptionId
    at: Instant = Field(description="When it ended.")
    statement_id: StatementId = Field(
        description="The Market Place's statement of the end: what the reader's acknowledgement names as `about`."
    )


class ConsentChanged(Message):
    """A customer consented, or a consent or part of it ended."""

    consent_id: ConsentId
    state: str = Field(
        description="`granted`: it holds; `partly_revoked`: ended for some points or needs; `revoked`: withdrawn by "
        "the customer, erase what was collected; `terminated`: given up by the requester; `expired`: its time is over."
    )
    at: Instant = Field(description="When it was granted, or ended.")


class ActivationAnswered(Message):
    """The answers of an activation are there, or have changed."""

    activation_id: ActivationId
    accepted: int = Field(description="How many PODs are accepted now.")
    refused: int = Field(description="How many PODs are refused now.")
    pending: int = Field(description="How many PODs have no answer yet.")


class DeliveryReady(Message):
    """A version of a delivery is published: its manifest can be fetched."""

    delivery_id: DeliveryId
    version: int = Field(description="The version published, from 1.")
    activation_id: ActivationId = Field(description="The activation it is of.")


class DeliveryMatched(Message):
    """Both sides have stated what was sent and what was received, and the Market Place compared them."""

    delivery_id: DeliveryId
    version: int = Field(description="The version that was compared, from 1.")
    matched: bool = Field(description="Whether both committed to the same manifest; the type of the event says it too.")


DATA: dict[str, type[Message]] = {
    "player.admitted": PlayerChanged,
    "player.suspended": PlayerChanged,
    "player.keys_changed": PlayerChanged,
    "player.endpoints_changed": PlayerChanged,
    "certification.started": CertificationStarted,
    "certification.finished": CertificationFinished,
    "wish.matched": WishMatched,
    "offer.changed": OfferChanged,
    "subscription.requested": SubscriptionRequested,
    "subscription.active": SubscriptionActive,
    "subscription.quit": SubscriptionEnded,
    "consent.granted": ConsentChanged,
    "consent.revoked": ConsentChanged,
    "activation.answered": ActivationAnswered,
    "delivery.ready": DeliveryReady,
    "delivery.matched": DeliveryMatched,
    "delivery.mismatched": DeliveryMatched,
}
"""The data model of every event type."""

FROM_PROVIDERS: frozenset[str] = frozenset(
    {"consent.granted", "consent.revoked", "activation.answered", "delivery.ready"}
)
"""What a provider tells a requester; every other event is the Market Place's to send."""


class Event(Message):
    """A CloudEvents 1.0 envelope in JSON."""

    specversion: Literal["1.0"] = Field("1.0", description="The version of CloudEvents.")
    id: EventId
    source: str = Field(description="`urn:meterhall:<access number>` of the sender.")
    type: EventType = Field(description="What happened; it settles what `data` holds.")
    time: Instant = Field(description="When the sender wrote it down.")
    subject: str = Field("", description="The id of the thing it is about; empty: of nothing by itself.")
    datacontenttype: Literal["application/json"] = Field("application/json", description="The media type of `data`.")
    correlation: str = Field(
        "",
        max_length=64,
        description="The `X-Correlation-Id` of the request that caused it, or the sender's own; empty: there is none.",
    )
    data: dict[str, Any] = Field(description="The object of the event's type.")

    @property
    def sender(self) -> AccessNumber:
        return self.source.removeprefix("urn:meterhall:")


class FeedPage(Message):
    """The oldest events not yet acknowledged."""

    events: tuple[Event, ...] = Field(description="A hundred at most, the oldest first; empty: there are none.")
    more: bool = Field(description="Whether there are more: acknowledge these and ask again.")


class FeedAcknowledgement(Message):
    """Events that were taken and need not be shown again."""

    ids: tuple[EventId, ...] = Field(
        min_length=1, max_length=1000, description="The events the caller has kept; other ids are passed over."
    )
