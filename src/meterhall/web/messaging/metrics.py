"""Figures of messages: how old the oldest is that has not gone out or not been worked on, and what waits in feeds."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Min

from meterhall.web.messaging.models import Inbox, Outbox
from meterhall.web.metrics import at_scrape, gauge
from meterhall.web.platform import platform
from meterhall.web.work.models import WorkState

OUTBOX = gauge("meterhall_outbox_oldest_seconds", "Age of the oldest message not yet sent; 0 when all are.", "kind")
INBOX = gauge("meterhall_inbox_oldest_seconds", "Age of the oldest event not yet worked on; 0 when all are.")
HELD = gauge("meterhall_feed_waiting", "Events that wait in the feed of a party without an inbox.")


@at_scrape
def messages() -> None:
    waiting = Outbox.objects.filter(work_state=WorkState.PENDING)
    oldest = dict(waiting.values_list("kind").annotate(at=Min("created_at")))
    for kind in Outbox.Kind.values:
        OUTBOX.labels(kind).set(_age(oldest.get(kind)))
    INBOX.set(_age(Inbox.objects.filter(work_state=WorkState.PENDING).aggregate(at=Min("received_at"))["at"]))
    HELD.set(Outbox.objects.filter(work_state=WorkState.HELD).count())


def _age(since: datetime | None) -> float:
    return (platform().now() - since).total_seconds() if since else 0.0
