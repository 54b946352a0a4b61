"""Say something to another platform: an event to a party, a statement to the Market Place. Sent after the commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.db import transaction

from meterhall.client.statements import make_statement
from meterhall.domain.protocol.base import Message
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.events import Event
from meterhall.domain.protocol.keys import header_of, payload_of, sign
from meterhall.domain.protocol.statements import Statement, StatementPosted, StatementType
from meterhall.web.logs import correlation
from meterhall.web.messaging.models import Outbox, Peer
from meterhall.web.messaging.peers import marketplace, my_access_number
from meterhall.web.platform import platform
from meterhall.web.work.models import WorkState


@dataclass(frozen=True, slots=True)
class Recorded:
    """A statement as made: its id and its JWS."""

    id: str
    jws: str


Sink = Callable[[Statement, StatementPosted], None]
_sink: list[Sink] = []


def keep_statements_with(sink: Sink) -> None:
    """The Market Place appends its own statements to its ledger instead of sending them."""
    _sink[:] = [sink]


def notify(recipient: str, kind: str, subject: str, data: Message) -> str:
    """Queue an event for a party, in the caller's transaction; its id. Without an inbox it waits in the feed."""
    event = Event(
        id=new_id("evt"),
        source=f"urn:meterhall:{my_access_number()}",
        type=kind,
        time=platform().now(),
        subject=subject,
        correlation=correlation(),
        data=data.document(),
    )
    has_inbox = Peer.objects.filter(access_number=recipient).exclude(inbox_url="").exists()
    Outbox.objects.create(
        id=event.id,
        kind=Outbox.Kind.EVENT,
        recipient=recipient,
        type=kind,
        subject=subject,
        body=event.canonical().decode(),
        correlation=event.correlation,
        created_at=event.time,
        work_state=WorkState.PENDING if has_inbox else WorkState.HELD,
        due_at=event.time,
    )
    return event.id


def state(
    kind: StatementType,
    *,
    transaction_id: str,
    subject: str = "",
    parties: tuple[str, ...] = (),
    about: str | None = None,
    counts: Mapping[str, int] | None = None,
    commitments: Mapping[str, str] | None = None,
) -> Recorded:
    """Make a signed statement and queue it for the Market Place, in the caller's transaction."""
    statement, posted = make_statement(
        kind,
        platform().transport_key,
        by=my_access_number(),
        environment=platform().config.environment,
        at=platform().now(),
        transaction_id=transaction_id,
        subject=subject,
        parties=parties,
        about=about,
        counts=counts,
        commitments=commitments,
    )
    with transaction.atomic():
        if _sink and platform().role == "marketplace":
            _sink[0](statement, posted)
        else:
            _queue(statement, posted)
    return Recorded(statement.id, posted.statement)


def _queue(statement: Statement, posted: StatementPosted) -> None:
    Outbox.objects.create(
        id=statement.id,
        kind=Outbox.Kind.STATEMENT,
        recipient=marketplace().access_number,
        type=statement.type,
        subject=statement.subject,
        transaction_id=statement.transaction,
        body=posted.canonical().decode(),
        correlation=correlation(),
        created_at=statement.at,
        due_at=statement.at,
    )


def in_present_key(jws: str, typ: str) -> str:
    """The document signed with our present transport key, where the key it was signed with has been replaced since."""
    if header_of(jws).get("kid") == platform().transport_key.kid:
        return jws
    return sign(payload_of(jws), platform().transport_key, typ=typ)
