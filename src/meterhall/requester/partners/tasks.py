"""What the Market Place tells about our subscriptions and wishes."""

from __future__ import annotations

from meterhall.domain.protocol.events import Event, SubscriptionActive, SubscriptionEnded, WishMatched
from meterhall.requester.activations.service import end_of
from meterhall.requester.partners.models import Subscription
from meterhall.requester.partners.service import accept_active, refresh_wish
from meterhall.web.messaging.handlers import on
from meterhall.web.platform import platform


@on("subscription.active", SubscriptionActive)
def active(event: Event, data: SubscriptionActive) -> None:
    """A contract came into force."""
    accept_active(data)


@on("subscription.quit", SubscriptionEnded)
def ended(event: Event, data: SubscriptionEnded) -> None:
    """A contract ended."""
    Subscription.objects.filter(subscription_id=data.subscription_id).update(state="quit", updated_at=platform().now())
    end_of(data.subscription_id)


@on("wish.matched", WishMatched)
def matched(event: Event, data: WishMatched) -> None:
    """A new offer fits a wish."""
    refresh_wish(data.wish_id)
