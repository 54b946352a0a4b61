"""Collecting in the background: data requests out, deliveries in, ended consents worked off; the lake kept tidy."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from meterhall.domain.protocol.events import ConsentChanged, DeliveryMatched, DeliveryReady, Event
from meterhall.requester.collection.collect import collect
from meterhall.requester.collection.models import DataAsked, Delivery, Withdrawal
from meterhall.requester.collection.service import announce, note_match, send_request
from meterhall.requester.collection.store import lake
from meterhall.requester.collection.withdrawal import end_processing, hear
from meterhall.web.messaging.handlers import on
from meterhall.web.messaging.peers import UnknownPeer, transport_keys
from meterhall.web.work.engine import LONG_S, every, works_on


@works_on(DataAsked, gettext_lazy("ask a provider for data"))
def send(asked: DataAsked) -> None:
    """Send what was asked for."""
    send_request(asked)


@works_on(Delivery, gettext_lazy("fetch a delivery"), lease_s=LONG_S)
def collect_delivery(delivery: Delivery) -> None:
    """Collect the newest version."""
    collect(delivery)


@works_on(Withdrawal, gettext_lazy("erase what was taken back"), lease_s=300)
def work_off(withdrawal: Withdrawal) -> None:
    """Erase what was taken back."""
    end_processing(withdrawal)


@every(3600)
def compact() -> None:
    """Rewrite crowded partitions of the lake."""
    lake().compact()


@on("delivery.ready", DeliveryReady)
def ready(event: Event, data: DeliveryReady) -> None:
    """A version of a delivery can be collected."""
    if not transport_keys(event.sender):
        raise UnknownPeer(f"{event.sender} is not vouched for.")
    announce(event.sender, data)


@on("delivery.matched", DeliveryMatched)
def matched(event: Event, data: DeliveryMatched) -> None:
    """Both sides say the same of a delivery."""
    note_match(data.delivery_id, data.version, True)


@on("delivery.mismatched", DeliveryMatched)
def mismatched(event: Event, data: DeliveryMatched) -> None:
    """The two sides do not say the same of a delivery."""
    note_match(data.delivery_id, data.version, False)


@on("consent.granted", ConsentChanged)
def granted(event: Event, data: ConsentChanged) -> None:
    """A customer consented."""
    hear(event.sender, data)


@on("consent.revoked", ConsentChanged)
def revoked(event: Event, data: ConsentChanged) -> None:
    """A customer withdrew, wholly or in part, or the time ran out."""
    hear(event.sender, data)
