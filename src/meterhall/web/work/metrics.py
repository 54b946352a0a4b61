"""Figures of pending work: how much waits in each queue, for how long, what is tried again and what was laid aside."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db.models import Count, Min, Q

from meterhall.web.metrics import at_scrape, gauge
from meterhall.web.platform import platform
from meterhall.web.work.models import PendingWork, WorkState

WAITING = gauge("meterhall_work_waiting", "Rows that wait for the worker or are being worked on.", "queue")
LATE = gauge(
    "meterhall_work_late_seconds", "How long the oldest row that is due has been due; 0 when none is.", "queue"
)
RETRYING = gauge("meterhall_work_retrying", "Rows whose last attempt failed and that are tried again.", "queue")
DEAD = gauge("meterhall_work_dead", "Rows laid aside after the last attempt: the dead-letter list.", "queue")


def queues() -> Iterator[type[PendingWork]]:
    """Every kind of pending work of this platform."""
    for model in apps.get_models():
        if issubclass(model, PendingWork):
            yield model


@at_scrape
def work() -> None:
    pending = Q(work_state=WorkState.PENDING)
    now = platform().now()
    for model in queues():
        name = model._meta.label_lower
        found = model._default_manager.filter(work_state__in=[WorkState.PENDING, WorkState.DEAD]).aggregate(
            waiting=Count("pk", filter=pending),
            retrying=Count("pk", filter=pending & ~Q(last_error="")),
            dead=Count("pk", filter=Q(work_state=WorkState.DEAD)),
            due=Min("due_at", filter=pending & Q(due_at__lte=now)),
        )
        WAITING.labels(name).set(found["waiting"])
        RETRYING.labels(name).set(found["retrying"])
        DEAD.labels(name).set(found["dead"])
        LATE.labels(name).set((now - found["due"]).total_seconds() if found["due"] else 0)
