"""The worker's engine: what is due, what is claimed once, what is tried again, and when an idle worker looks again."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import override_settings

from meterhall.web.messaging.models import Inbox
from meterhall.web.platform import Platform
from meterhall.web.work import engine, schedules
from meterhall.web.work.engine import Grip, NotYet, Queue, Worker, claim, next_due, perform, stamp
from meterhall.web.work.models import Schedule, WorkState
from meterhall.web.work.schedules import Clockwork, Repeated, fire_schedules

NOW = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    """One queue, whose work succeeds, and no schedule."""
    held = Queue(Inbox, lambda row: None, lease_s=60)
    monkeypatch.setattr(engine, "QUEUES", {Inbox: held})
    monkeypatch.setattr(schedules, "REPEATED", {})
    return held


def arrived(name: str, due_at: datetime = NOW, leased_until: datetime | None = None, attempts: int = 0) -> Inbox:
    return Inbox.objects.create(
        id=name, sender="MH0000000001", type="t", body="{}", received_at=NOW, due_at=due_at, leased_until=leased_until,
        attempts=attempts,
    )  # fmt: skip


def attempts_in(days: float) -> int:
    """How often something has been tried in so many days."""
    return next(attempts for attempts in range(1, 10_000) if engine.tried_s(attempts + 1) >= days * 86_400)


@pytest.mark.django_db
def test_a_row_is_claimed_once_while_its_lease_holds_and_again_after_it(queue: Queue) -> None:
    arrived("evt_1")
    assert claim(queue, NOW) is not None
    assert claim(queue, NOW + timedelta(seconds=59)) is None
    again = claim(queue, NOW + timedelta(seconds=61))
    assert again is not None
    assert again.attempts == 2


@pytest.mark.django_db
def test_a_worker_keeps_its_row_while_it_works_and_a_killed_one_loses_it_soon(queue: Queue) -> None:
    arrived("evt_1")
    grip = Grip(lease_s=8)
    row = grip.claim(queue, NOW)
    assert row is not None
    for second in (6, 12, 18):
        grip.renew(NOW + timedelta(seconds=second))
        assert claim(queue, NOW + timedelta(seconds=second + 7)) is None
    assert claim(queue, NOW + timedelta(seconds=27)) is not None, "nobody renews any more"


@pytest.mark.django_db
def test_a_row_that_ends_its_worker_again_and_again_is_laid_aside(queue: Queue) -> None:
    arrived("evt_1")
    hours = [NOW + timedelta(hours=hour) for hour in range(2 * engine.MOST_LOST)]
    assert all(claim(queue, hour) for hour in hours[: engine.MOST_LOST]), "each ends without a word"
    assert claim(queue, hours[engine.MOST_LOST]) is None
    row = Inbox.objects.get()
    assert (row.work_state, row.leased_until, row.last_error) == (WorkState.DEAD, None, engine.LOST)


@pytest.mark.django_db
def test_a_row_lost_now_and_then_is_not_laid_aside(queue: Queue) -> None:
    arrived("evt_1")
    for hour in range(2 * engine.MOST_LOST):
        row = claim(queue, NOW + timedelta(hours=hour))
        assert row is not None, hour
        if hour % 3 == 2:
            engine._again(queue, row, 0.0, "refused")
            Inbox.objects.update(due_at=NOW)


@pytest.mark.django_db
def test_a_clock_that_ran_ahead_and_was_set_right_holds_up_nothing(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = NOW + timedelta(days=2)
    arrived("evt_due", due_at=ahead)
    arrived("evt_leased", leased_until=ahead)
    arrived("evt_resting", due_at=NOW + engine.longest_wait())
    claimed = [claim(queue, NOW), claim(queue, NOW), claim(queue, NOW)]
    assert sorted(row.pk for row in claimed if row) == ["evt_due", "evt_leased"]
    ran: list[str] = []
    task = Repeated("often", lambda: ran.append("often"), 60)
    monkeypatch.setattr(schedules, "REPEATED", {"often": task})
    Schedule.objects.create(name="often", due_at=ahead)
    assert [fire_schedules(NOW), fire_schedules(NOW), fire_schedules(NOW + timedelta(seconds=60))] == [1, 0, 1]


@pytest.mark.django_db
def test_a_row_that_takes_too_long_or_was_woken_is_not_kept(queue: Queue) -> None:
    arrived("evt_1")
    grip = Grip(lease_s=50)
    row = grip.claim(queue, NOW)
    assert row is not None
    grip.renew(NOW + timedelta(seconds=49))
    assert row.leased_until == NOW + timedelta(seconds=60)
    Inbox.objects.update(leased_until=None)
    grip.renew(NOW + timedelta(seconds=50))
    assert Inbox.objects.get().leased_until is None
    grip.let_go(row)
    perform(queue, row)
    assert Inbox.objects.get().work_state == WorkState.PENDING, "it is looked at again"


@pytest.mark.django_db
def test_a_failed_row_waits_twice_as_long_each_time_and_is_laid_aside_in_the_end() -> None:
    def fails(row: object) -> None:
        raise ValueError("no")

    failing = Queue(Inbox, fails, lease_s=60)
    home = settings.METERHALL.home
    with override_settings(METERHALL=Platform(home, clock=lambda: NOW)):
        waits = []
        for attempts in (0, 1, 2):
            row = arrived(f"evt_{attempts}", attempts=attempts)
            claimed = claim(failing, NOW)
            assert claimed is not None
            perform(failing, claimed)
            row.refresh_from_db()
            waits.append((row.due_at - NOW).total_seconds())
        assert waits == [1, 2, 4]
        arrived("evt_last", attempts=attempts_in(days=13.9))
        claimed = claim(failing, NOW)
        assert claimed is not None
        perform(failing, claimed)
        assert Inbox.objects.get(pk="evt_last").work_state == WorkState.PENDING, "it is tried for two weeks"
        Inbox.objects.filter(pk="evt_last").update(due_at=NOW, attempts=attempts_in(days=14))
        claimed = claim(failing, NOW)
        assert claimed is not None
        perform(failing, claimed)
    last = Inbox.objects.get(pk="evt_last")
    assert last.work_state == WorkState.DEAD
    assert last.last_error.startswith("ValueError in ")


@pytest.mark.django_db
def test_a_row_that_is_not_ready_waits_and_loses_no_attempt() -> None:
    def waits(row: object) -> None:
        raise NotYet(7)

    waiting = Queue(Inbox, waits, lease_s=60)
    arrived("evt_1")
    with override_settings(METERHALL=Platform(settings.METERHALL.home, clock=lambda: NOW)):
        claimed = claim(waiting, NOW)
        assert claimed is not None
        perform(waiting, claimed)
    row = Inbox.objects.get()
    assert (row.due_at - NOW, row.attempts, row.leased_until) == (timedelta(seconds=7), 0, None)


@pytest.mark.django_db
def test_a_schedule_runs_when_it_is_due_and_then_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(schedules, "REPEATED", {"tick": Repeated("tick", lambda: ran.append("tick"), every_s=30)})
    for second, runs in ((0, 1), (29, 1), (30, 2), (31, 2)):
        fire_schedules(NOW + timedelta(seconds=second))
        assert len(ran) == runs


@pytest.mark.django_db
def test_the_next_look_is_when_the_first_row_or_schedule_falls_due(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds() -> float:
        return (next_due(NOW) - NOW).total_seconds()

    assert seconds() == 60
    arrived("evt_retry", due_at=NOW + timedelta(seconds=40))
    Inbox.objects.filter(pk=arrived("evt_done").pk).update(work_state=WorkState.DONE)
    assert seconds() == 40
    arrived("evt_at_work", leased_until=NOW + timedelta(seconds=25))
    assert seconds() == 25
    Schedule.objects.create(name="gone", due_at=NOW - timedelta(days=1))
    assert seconds() == 25, "a schedule nobody runs any more wakes nobody"
    monkeypatch.setattr(schedules, "REPEATED", {"tick": Repeated("tick", lambda: None, every_s=30)})
    Schedule.objects.create(name="tick", due_at=NOW + timedelta(seconds=0.5))
    assert seconds() == 0.5


@pytest.mark.django_db(transaction=True)
def test_the_stamp_changes_when_somebody_else_commits_and_not_before() -> None:
    def commit() -> None:
        arrived("evt_other")
        connection.close()

    before = stamp()
    assert stamp() == before
    other = threading.Thread(target=commit)
    other.start()
    other.join()
    assert stamp() != before


@pytest.mark.django_db(transaction=True)
def test_a_long_schedule_holds_up_no_other_and_does_not_run_twice_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ends, ran = threading.Event(), []
    long = Repeated("long", lambda: ran.append("long") or ends.wait(20), every_s=1)
    quick = Repeated("quick", lambda: ran.append("quick"), every_s=1)
    monkeypatch.setattr(schedules, "REPEATED", {"long": long, "quick": quick})
    clockwork = Clockwork()
    try:
        assert clockwork.fire(NOW) == 2
        assert clockwork.fire(NOW + timedelta(seconds=5)) <= 1, "what runs is not started again"
        wait(lambda: "quick" in ran)
    finally:
        ends.set()
        clockwork.stop()
    assert ran.count("long") == 1
    clockwork = Clockwork()
    clockwork.fire(NOW + timedelta(seconds=10))
    clockwork.stop()


def wait(for_: object) -> None:
    until = time.monotonic() + 20
    while not for_():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.django_db(transaction=True)
def test_a_worker_outlives_a_database_that_goes_away(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr(engine, "QUEUES", {Inbox: Queue(Inbox, lambda row: done.set(), lease_s=60)})
    monkeypatch.setattr(engine, "WITHOUT_DATABASE_S", (0.01, 0.02))
    monkeypatch.setattr(engine, "discover", lambda: None)
    gone = [OperationalError("the connection is lost")] * 3
    looks = engine.stamp
    monkeypatch.setattr(engine, "stamp", lambda: looks() if not gone else (_ for _ in ()).throw(gone.pop()))
    arrived("evt_1", due_at=datetime(2020, 1, 1, tzinfo=UTC))
    worker = Worker(threads=1, poll_s=0.01)
    running = threading.Thread(target=worker.run)
    running.start()
    try:
        assert done.wait(20), "what waits is done once the database is back"
    finally:
        worker.stop()
        running.join()
    assert Inbox.objects.get().work_state == WorkState.DONE
