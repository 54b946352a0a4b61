"""What others tell us: the event feeds of the Market Place and of each provider we have a contract with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from meterhall.client.desk import Desk
from meterhall.client.line import Line
from meterhall.domain.protocol.agreements import SubscriptionView
from meterhall.domain.protocol.base import Message
from meterhall.domain.protocol.events import DATA, FROM_PROVIDERS, Event, FeedAcknowledgement, FeedPage


@dataclass(frozen=True, slots=True)
class News:
    """One event: its type, what it is about, and its data as the model of that type."""

    id: str
    type: str
    sender: str
    subject: str
    at: datetime
    data: Message


def news(desk: Desk) -> Iterator[News]:
    """Every event that waits, oldest first, the Market Place's before the providers'.

    An event is taken off its feed when you come back for the next one, so that one during which your program was
    killed comes again. Events of others than their types' senders are dropped.
    """
    yield from _of(desk.marketplace, desk.card.marketplace_number, of_providers=False)
    active = {"state": "active"}
    numbers = {
        one.contract.provider.access_number
        for one in desk.marketplace.items("/v1/subscriptions", SubscriptionView, active)
        if one.contract.requester.access_number == desk.me
    }
    for number in sorted(numbers):
        yield from _of(desk.provider(number), number, of_providers=True)


def _of(line: Line, sender: str, *, of_providers: bool) -> Iterator[News]:
    while True:
        page = line.call("GET", "/v1/events", None, FeedPage)
        for event in page.events:
            if event.sender == sender and (event.type in FROM_PROVIDERS) == of_providers:
                yield _read(event)
            line.call("POST", "/v1/events/acknowledgements", FeedAcknowledgement(ids=(event.id,)))
        if not page.more:
            return


def _read(event: Event) -> News:
    return News(
        event.id, event.type, event.sender, event.subject, event.time, DATA[event.type].model_validate(event.data)
    )


def state_erased(desk: Desk, provider: str, consent_id: str, erased: int) -> None:
    """Tell the Market Place that what was collected under an ended consent is erased: how many series."""
    made = desk.statement(
        "processing.ended", provider, transaction_id=consent_id, subject=consent_id, counts={"erased": erased}
    )
    desk.notify(*made)
