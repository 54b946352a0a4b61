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
    player: PlayerView
    reason: str = ""


class CertificationStarted(Message):
    """The certifier announces itself with its sandbox attestation."""

    certification_id: CertificationId
    attestation: Jws


class CertificationFinished(Message):
    certification_id: CertificationId
    passed: bool


class WishMatched(Message):
    wish_id: WishId
    offer_id: OfferId
    version: int


class OfferChanged(Message):
    """A newer version of an offer under which the reader has a contract; the contract keeps its own version."""

    offer_id: OfferId
    version: int
    effective_at: Instant = Field(description="The end of the notice the running version promises.")


class SubscriptionRequested(Message):
    subscription: SubscriptionView
    attestation: Jws


class SubscriptionActive(Message):
    """The contract is in force; `attestation` vouches for the other party to the one who reads this."""

    subscription: SubscriptionView
    attestation: Jws


class SubscriptionEnded(Message):
    subscription_id: SubscriptionId
    at: Instant
    statement_id: StatementId


class ConsentChanged(Message):
    consent_id: ConsentId
    state: str
    at: Instant


class ActivationAnswered(Message):
    activation_id: ActivationId
    accepted: int
    refused: int
    pending: int


class DeliveryReady(Message):
    delivery_id: DeliveryId
    version: int
    activation_id: ActivationId


class DeliveryMatched(Message):
    delivery_id: DeliveryId
    version: int
    matched: bool


DATA: dict[str, type[Message]] = {
    "player.admitted": PlayerChanged,
    "player.suspended": PlayerChanged,
    "player.keys_changed": PlayerChanged,
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

    specversion: Literal["1.0"] = "1.0"
    id: EventId
    source: str = Field(description="`urn:meterhall:<access number>` of the sender.")
    type: EventType
    time: Instant
    subject: str = Field("", description="The id of the thing it is about.")
    datacontenttype: Literal["application/json"] = "application/json"
    correlation: str = Field("", max_length=64, description="The correlation id that crosses platforms.")
    data: dict[str, Any]

    @property
    def sender(self) -> AccessNumber:
        return self.source.removeprefix("urn:meterhall:")


class FeedPage(Message):
    """The oldest events not yet acknowledged."""

    events: tuple[Event, ...]
    more: bool


class FeedAcknowledgement(Message):
    """Events that were taken and need not be shown again."""

    ids: tuple[EventId, ...] = Field(min_length=1, max_length=1000)
