"""Which functions take which type of event, and who may send it. Apps register theirs in `tasks.py`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar, cast

import structlog

from meterhall.domain.errors import Conflict
from meterhall.domain.protocol.base import Message
from meterhall.domain.protocol.events import DATA, Event
from meterhall.web.messaging.models import Peer
from meterhall.web.platform import platform
from meterhall.web.work.engine import NotYet

log = structlog.get_logger(__name__)
Data = TypeVar("Data", bound=Message)
Handler = Callable[[Event, Message], None]
HANDLERS: dict[str, list[Handler]] = {}
FROM_MARKETPLACE: Final = frozenset(
    kind
    for kind in DATA
    if kind.partition(".")[0] in {"player", "certification", "wish", "offer", "subscription"}
    or kind in {"delivery.matched", "delivery.mismatched"}
)
"""What only the Market Place can know; from anybody else it would be a forgery."""
OVERTAKEN_FOR: Final = timedelta(days=1)
"""How long an event waits for the one it overtook before it counts as failing."""


class Overtaken(Conflict):
    code = "event_overtaken"
    title = "The event speaks of something that has not been heard of here; it is tried again, then laid aside."


def on(kind: str, data: type[Data]) -> Callable[[Callable[[Event, Data], None]], Callable[[Event, Data], None]]:
    """Register a function for events of type `kind`, whose data is a `data`. Several may be registered.

    It runs in the worker, may run twice for one event after a crash, and must bear that.
    """
    if DATA[kind] is not data:
        raise TypeError(f"{kind} carries {DATA[kind].__name__}, not {data.__name__}")

    def register(run: Callable[[Event, Data], None]) -> Callable[[Event, Data], None]:
        HANDLERS.setdefault(kind, []).append(cast(Handler, run))
        return run

    return register


def overtaken(event: Event, what: str) -> NotYet | Overtaken:
    """What to raise for an event about something not heard of yet: order is not promised, so the other may be on its
    way. It waits, longer as it grows older; after a day it fails as anything does that is tried again."""
    age = platform().now() - event.time
    if age > OVERTAKEN_FOR:
        return Overtaken(f"{event.type} speaks of {what}, which is not known here.")
    return NotYet(min(max(age.total_seconds() / 10, 0.5), 300.0))


def may_come_from(kind: str, sender: str) -> bool:
    """Whether a party may send events of this type."""
    if kind not in FROM_MARKETPLACE:
        return True
    return Peer.objects.filter(access_number=sender, is_marketplace=True).exists()


def handle(event: Event) -> None:
    """Give an event to the functions of its type; a type nobody registered for, or a forged one, is taken and left."""
    if not may_come_from(event.type, event.sender):
        log.warning("event.forged", type=event.type, sender=event.sender, id=event.id)
        return
    for handler in HANDLERS.get(event.type, []):
        handler(event, DATA[event.type].model_validate(event.data))
