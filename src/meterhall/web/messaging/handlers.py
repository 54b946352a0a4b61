"""Which function takes which type of event. Apps register theirs in `tasks.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from meterhall.domain.protocol.base import Message
from meterhall.domain.protocol.events import DATA, Event

Data = TypeVar("Data", bound=Message)
Handler = Callable[[Event, Message], None]
HANDLERS: dict[str, Handler] = {}


def on(kind: str, data: type[Data]) -> Callable[[Callable[[Event, Data], None]], Callable[[Event, Data], None]]:
    """Register the function for events of type `kind`, whose data is a `data`.

    It runs in the worker, may run twice for one event after a crash, and must bear that.
    """
    if DATA[kind] is not data:
        raise TypeError(f"{kind} carries {DATA[kind].__name__}, not {data.__name__}")

    def register(run: Callable[[Event, Data], None]) -> Callable[[Event, Data], None]:
        HANDLERS[kind] = cast(Handler, run)
        return run

    return register


def handle(event: Event) -> None:
    """Give an event to the function of its type; a type nobody registered for is taken and left."""
    handler = HANDLERS.get(event.type)
    if handler is not None:
        handler(event, DATA[event.type].model_validate(event.data))
