"""Sending what waits in the outbox and working off what came into the inbox; and forgetting both in the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from meterhall.client.b2b import B2BClient, post_event
from meterhall.domain.protocol.events import Event
from meterhall.domain.protocol.statements import LogReceipt, StatementPosted
from meterhall.web.messaging.clients import marketplace_client
from meterhall.web.messaging.handlers import handle
from meterhall.web.messaging.models import IdempotencyRecord, Inbox, Outbox
from meterhall.web.messaging.peers import my_access_number, peer
from meterhall.web.platform import platform
from meterhall.web.work.engine import every, works_on
from meterhall.web.work.models import WorkState

ANSWERS_KEPT = timedelta(days=30)
"""How long a command may be repeated with its key and get the first answer; far longer than anybody retries."""
AT_ONCE = 500


@works_on(Outbox, gettext_lazy("send a message"), lease_s=60)
def send(message: Outbox) -> None:
    """Deliver one message; an event to its recipient's inbox, a statement to the Market Place."""
    if message.kind == Outbox.Kind.STATEMENT:
        message.receipt = _post_statement(marketplace_client(), message).document()
    else:
        _post_event(message)
    message.sent_at = platform().now()
    message.save(update_fields=["receipt", "sent_at"])


def _post_statement(client: B2BClient, message: Outbox) -> LogReceipt:
    posted = StatementPosted.model_validate_json(message.body)
    return client.call("POST", "/v1/statements", posted, LogReceipt, key=message.id, correlation=message.correlation)


def _post_event(message: Outbox) -> None:
    post_event(
        platform().http,
        peer(message.recipient).inbox_url,
        message.body.encode(),
        event_id=message.id,
        access_number=my_access_number(),
        key=platform().transport_key,
        correlation=message.correlation,
    )


@works_on(Inbox, gettext_lazy("work off a message that came"), lease_s=120)
def take(arrived: Inbox) -> None:
    """Hand an event to its handler."""
    event = Event.model_validate_json(arrived.body)
    with structlog.contextvars.bound_contextvars(correlation=event.correlation or arrived.id):
        handle(event)


@every(3600)
def forget_answers() -> None:
    """Forget the answers nobody asks for again."""
    IdempotencyRecord.objects.filter(created_at__lt=platform().now() - ANSWERS_KEPT).delete()


@every(3600)
def forget_messages() -> None:
    """Forget the messages that were sent or worked off so long ago that nobody sends them again."""
    before = platform().now() - timedelta(days=platform().config.message_days)
    _forget(Outbox.objects.filter(work_state=WorkState.DONE, sent_at__lt=before))
    _forget(Inbox.objects.filter(work_state=WorkState.DONE, received_at__lt=before))


def _forget(rows: QuerySet[Any]) -> None:
    """A few at a time: no transaction is long."""
    while some := list(rows.values_list("pk", flat=True)[:AT_ONCE]):
        rows.model._default_manager.filter(pk__in=some).delete()
