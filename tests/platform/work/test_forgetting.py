"""Messages are kept while anybody might send them again, and no longer; a job keeps the id of what asked for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import structlog
from django.conf import settings
from django.test import override_settings

from meterhall.web.logs import correlation
from meterhall.web.messaging import tasks
from meterhall.web.messaging.models import Inbox, Outbox
from meterhall.web.platform import Platform
from meterhall.web.work.engine import Queue, claim, perform
from meterhall.web.work.models import WorkState

NOW = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def sent(name: str, age: timedelta, state: WorkState = WorkState.DONE) -> None:
    at = NOW - age
    Outbox.objects.create(
        id=name, kind="event", recipient="MH1", type="t", body="{}", created_at=at, sent_at=at, work_state=state
    )


def received(name: str, age: timedelta, state: WorkState = WorkState.DONE) -> None:
    Inbox.objects.create(id=name, sender="MH1", type="t", body="{}", received_at=NOW - age, work_state=state)


@pytest.mark.django_db
def test_what_was_sent_and_worked_off_goes_after_ninety_days_and_what_was_not_stays(monkeypatch) -> None:
    monkeypatch.setattr(tasks, "AT_ONCE", 2)
    for number in range(5):
        sent(f"evt_old_{number}", 91 * DAY)
        received(f"evt_old_{number}", 91 * DAY)
    sent("evt_new", 89 * DAY)
    received("evt_new", 89 * DAY)
    for state in (WorkState.DEAD, WorkState.PENDING, WorkState.HELD):
        sent(f"evt_{state}", 400 * DAY, state)
        received(f"evt_{state}", 400 * DAY, state)
    with override_settings(METERHALL=Platform(settings.METERHALL.home, clock=lambda: NOW)):
        tasks.forget_messages()
    left = {"evt_new", "evt_dead", "evt_pending", "evt_held"}
    assert set(Outbox.objects.values_list("id", flat=True)) == left
    assert set(Inbox.objects.values_list("id", flat=True)) == left


@pytest.mark.django_db
def test_work_is_done_under_the_id_of_the_request_that_asked_for_it() -> None:
    seen: list[str] = []
    queue = Queue(Inbox, lambda row: seen.append(correlation()), lease_s=60)
    with structlog.contextvars.bound_contextvars(correlation="request-1234"):
        received("evt_1", DAY, WorkState.PENDING)
    received("evt_2", DAY, WorkState.PENDING)
    Inbox.objects.update(due_at=NOW)
    for _ in range(2):
        row = claim(queue, NOW)
        assert row is not None
        perform(queue, row)
    assert seen[0] == "request-1234"
    assert seen[1]
    assert seen[1] != seen[0], "nobody's request has an id of its own"
