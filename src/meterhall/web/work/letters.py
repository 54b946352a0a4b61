"""Dead letters: work of any queue that was tried for days in vain and laid aside; and what still fails and is tried."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Literal

import structlog
from django.db.models import Q, QuerySet
from pydantic import Field

from meterhall.domain.errors import NotFound
from meterhall.domain.protocol.base import Instant, Message
from meterhall.web.platform import platform
from meterhall.web.work.metrics import queues
from meterhall.web.work.models import PendingWork, WorkState

log = structlog.get_logger(__name__)
LetterState = Literal["dead", "retrying"]
STATES: dict[LetterState, Q] = {
    "dead": Q(work_state=WorkState.DEAD),
    "retrying": Q(work_state=WorkState.PENDING) & ~Q(last_error=""),
}


class NoDeadLetter(NotFound):
    code = "no_dead_letter"
    title = "Nothing of this id was laid aside or is being tried again."


class DeadLetter(Message):
    """A piece of work that fails."""

    id: str = Field(description="The queue and the row, `<queue>:<row>`.")
    queue: str
    row: str
    type: str = Field(description="Of a message its type.")
    party: str = Field(description="Who a message is for, or from.")
    state: LetterState
    attempts: int
    error: str = Field(description="Why the last attempt failed.")
    due_at: Instant = Field(description="When it is tried next; of a dead letter, when it was tried last.")
    correlation: str


def letters(state: LetterState = "dead", after: str = "") -> Iterator[DeadLetter]:
    """Everything in this state, by queue and row, after the one named."""
    name, _, row = after.partition(":")
    for model in sorted(queues(), key=_name):
        if _name(model) < name:
            continue
        rows = _of(model, STATES[state]).order_by("pk")
        if row and _name(model) == name:
            rows = rows.filter(pk__gt=row)
        for one in rows.iterator(chunk_size=200):
            yield letter_of(one, state)


def laid_aside() -> int:
    """How many pieces of work are laid aside."""
    return sum(_of(model, STATES["dead"]).count() for model in queues())


def tried_again() -> int:
    """How many pieces of work failed and are tried again by themselves."""
    return sum(_of(model, STATES["retrying"]).count() for model in queues())


def some(state: LetterState, after: str, limit: int) -> tuple[list[DeadLetter], bool]:
    """So many of them, and whether there are more."""
    found = list(islice(letters(state, after), limit + 1))
    return found[:limit], len(found) > limit


def letter_of(row: PendingWork, state: LetterState) -> DeadLetter:
    """A row as the lists show it."""
    due_at: datetime = row.due_at
    return DeadLetter(
        id=f"{_name(type(row))}:{row.pk}",
        queue=_name(type(row)),
        row=str(row.pk),
        type=str(getattr(row, "type", "")),
        party=str(getattr(row, "recipient", "") or getattr(row, "sender", "") or getattr(row, "requester", "")),
        state=state,
        attempts=row.attempts,
        error=row.last_error,
        due_at=due_at,
        correlation=row.correlation,
    )


def redeliver(letter: str) -> DeadLetter:
    """Try it again from the start, as long as is set. Raises `NoDeadLetter`.

    Of a message the id alone is enough.
    """
    name, _, row = letter.rpartition(":")
    for model in queues():
        if name not in ("", _name(model)) or (not name and "messaging" not in _name(model)):
            continue
        found = _found(model, row)
        if found is None:
            continue
        _of(model, Q(pk=found.pk)).update(
            work_state=WorkState.PENDING, attempts=0, due_at=platform().now(), leased_until=None
        )
        log.info("work.redelivered", queue=_name(model), row=row)
        found.refresh_from_db()
        return letter_of(found, "retrying")
    raise NoDeadLetter


def _found(model: type[PendingWork], row: str) -> PendingWork | None:
    try:
        return _of(model, STATES["dead"] | STATES["retrying"]).filter(pk=row).first()
    except (ValueError, TypeError):
        return None  # no key of this queue


def _of(model: type[PendingWork], which: Q) -> QuerySet[Any]:
    found: QuerySet[Any] = model._default_manager.filter(which)
    return found


def _name(model: type[PendingWork]) -> str:
    return model._meta.label_lower
