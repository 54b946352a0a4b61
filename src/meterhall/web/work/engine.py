"""The worker's engine: claim a due row, do it, mark it; retry with back-off; lay aside what fails for days.

Repeated tasks are in `schedules`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import structlog
from django.db import DatabaseError, close_old_connections, connection
from django.db.models import F, Min, Q
from django.db.models.functions import Coalesce, Greatest
from django.utils.functional import Promise
from django.utils.module_loading import autodiscover_modules

from meterhall.web.logs import described, fresh_correlation
from meterhall.web.platform import platform
from meterhall.web.work.models import PendingWork, WorkState
from meterhall.web.work.schedules import CLOCKS_APART, REPEATED, Clockwork, next_schedule
from meterhall.web.work.schedules import every as every

log = structlog.get_logger(__name__)
Row = TypeVar("Row", bound=PendingWork)
LONGEST_REST = timedelta(minutes=1)
DAY_S = 86_400
MOST_LOST = 8
"""A row is laid aside when so many workers in a row ended while they were at it: it may be what ends them."""
LONG_S = 6 * 3600.0
"""The lease of work that may be on a million PODs."""
LOST = f"{MOST_LOST} workers ended, or took too long, while they were at it"
WITHOUT_DATABASE_S = (0.5, 15.0)
"""How long a worker waits for a database that went away: at first, and at most."""
STAMP = {"sqlite": "PRAGMA data_version", "postgresql": "SELECT pg_current_snapshot()::text"}
"""What each database is asked for a value that changes with every commit of another connection."""


class NotYet(Exception):
    """Raised by a handler whose row must wait for something else; costs no attempt."""

    def __init__(self, wait_s: float = 1.0) -> None:
        super().__init__(f"not ready, look again in {wait_s} s")
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Queue:
    """Rows of `model`, the function that does one of them, how long one may take at most, and what it is in words."""

    model: type[Any]
    run: Callable[[Any], None]
    lease_s: float
    says: str | Promise = ""


QUEUES: dict[type[Any], Queue] = {}


def works_on(
    model: type[Row], says: str | Promise, *, lease_s: float = 120
) -> Callable[[Callable[[Row], None]], Callable[[Row], None]]:
    """Register the function that does one row of `model`; `says` is for people: what it does.

    It runs outside any transaction, may run twice for one row after a crash, and must bear that. On return the row is
    done; on an exception it is tried again later; after the configured days it is dead and listed. What takes longer
    than `lease_s` is given to a worker anew; what a killed worker was at, much sooner.
    """

    def register(run: Callable[[Row], None]) -> Callable[[Row], None]:
        QUEUES[model] = Queue(model, run, lease_s, says)
        return run

    return register


def discover() -> None:
    """Import every app's `tasks` module, where work is registered."""
    autodiscover_modules("tasks")


def claim(queue: Queue, now: datetime, lease_s: float | None = None) -> PendingWork | None:
    """Lease one due row to this worker, or None. Two workers never get the same row while its lease holds.

    A row whose lease ran out was lost by a worker; one that is lost again and again is laid aside. What is due or
    leased for longer than may be was written by a clock that ran ahead, and is free.
    """
    until = now + timedelta(seconds=lease_s or queue.lease_s)
    due = Q(due_at__lte=now) | Q(due_at__gt=now + longest_wait() + CLOCKS_APART)
    longest = timedelta(seconds=queue.lease_s) + CLOCKS_APART
    lost = Q(leased_until__lt=now) | Q(leased_until__gt=now + longest)
    waiting = queue.model.objects.filter(due, work_state=WorkState.PENDING)
    free = waiting.filter(Q(leased_until=None) | lost).order_by("due_at", "pk")
    for pk, lease in free.values_list("pk", "leased_until")[:8]:
        mine = queue.model.objects.filter(pk=pk, work_state=WorkState.PENDING, leased_until=lease)
        times_lost = 0 if lease is None else F("lost") + 1
        if not mine.update(leased_until=until, attempts=F("attempts") + 1, lost=times_lost):
            continue
        row: PendingWork = queue.model.objects.get(pk=pk)
        if row.lost < MOST_LOST:
            return row
        _lay_aside(queue, row, LOST)
    return None


def perform(queue: Queue, row: PendingWork, let_go: Callable[[], None] = lambda: None) -> None:
    """Do a claimed row and write down how it went; `let_go` is called in between.

    What it logs and sends carries the correlation id of what asked for the row.
    """
    with structlog.contextvars.bound_contextvars(correlation=row.correlation or fresh_correlation()):
        _perform(queue, row, let_go)


def _perform(queue: Queue, row: PendingWork, let_go: Callable[[], None]) -> None:
    try:
        try:
            queue.run(row)
        finally:
            let_go()
    except NotYet as wait:
        _again(queue, row, wait.wait_s, "", free=True)
    except Exception as fault:
        _failed(queue, row, fault)
    else:
        _done(queue, row)


def _done(queue: Queue, row: PendingWork) -> None:
    """Mark the row done; one that was woken meanwhile (`due_at` moved or the lease taken off) is looked at again."""
    held = queue.model.objects.filter(pk=row.pk, work_state=WorkState.PENDING)
    same = held.filter(due_at=row.due_at, leased_until=row.leased_until)
    done = same.update(work_state=WorkState.DONE, leased_until=None, last_error="")
    if not done:
        held.filter(leased_until=row.leased_until).update(leased_until=None, attempts=0, last_error="")


def _failed(queue: Queue, row: PendingWork, fault: Exception) -> None:
    reason = described(fault)
    if tried_s(row.attempts) >= platform().config.retry_days * DAY_S:
        _lay_aside(queue, row, reason)
        return
    wait_s, name = wait_after_s(row.attempts), queue.model.__name__
    log.warning("work.retry", queue=name, row=str(row.pk), attempts=row.attempts, wait_s=wait_s, error=reason)
    _again(queue, row, wait_s, reason)


def _lay_aside(queue: Queue, row: PendingWork, reason: str) -> None:
    queue.model.objects.filter(pk=row.pk).update(work_state=WorkState.DEAD, leased_until=None, last_error=reason)
    log.error("work.dead", queue=queue.model.__name__, row=str(row.pk), attempts=row.attempts, error=reason)


def wait_after_s(attempts: int) -> float:
    """How long is waited after the so manieth attempt: twice as long each time, up to the longest."""
    config = platform().config
    return min(config.retry_first_s * 2.0 ** min(attempts - 1, 60), config.retry_last_s)


def longest_wait() -> timedelta:
    """The longest that a row may rest."""
    return timedelta(seconds=platform().config.retry_last_s)


def tried_s(attempts: int) -> float:
    """How long something has been tried when the so manieth attempt has failed."""
    return sum(wait_after_s(attempt) for attempt in range(1, attempts))


def _again(queue: Queue, row: PendingWork, wait_s: float, reason: str, *, free: bool = False) -> None:
    changes: dict[str, Any] = {
        "due_at": platform().now() + min(timedelta(seconds=wait_s), longest_wait()),
        "leased_until": None,
        "last_error": reason,
    }
    if free:
        changes["attempts"] = row.attempts - 1
    queue.model.objects.filter(pk=row.pk, work_state=WorkState.PENDING).update(**changes)


def stamp() -> object:
    """A value that differs once another connection has committed anything; far cheaper than a look at every queue."""
    with connection.cursor() as cursor:
        cursor.execute(STAMP[connection.vendor])
        return cursor.fetchone()


def next_due(now: datetime) -> datetime:
    """When the first waiting row or schedule falls due, as far as is known now; in a while at the latest."""
    free = Greatest("due_at", Coalesce("leased_until", "due_at"))
    times: list[datetime | None] = [
        queue.model.objects.filter(work_state=WorkState.PENDING).aggregate(at=Min(free))["at"]
        for queue in QUEUES.values()
    ]
    times.append(next_schedule())
    return min([now + LONGEST_REST, *(at for at in times if at is not None)])


def run_until_idle(most: int = 10_000) -> int:
    """Do everything that is due, in this thread; how many rows were done. For commands that wait, and for tests."""
    done = 0
    while done < most:
        claimed = [(queue, row) for queue in QUEUES.values() if (row := claim(queue, platform().now()))]
        if not claimed:
            return done
        for queue, row in claimed:
            perform(queue, row)
            done += 1
    return done


class Grip:
    """The rows a worker is at. Their leases are short and renewed, so that a killed worker's rows are free soon."""

    def __init__(self, lease_s: float) -> None:
        self.lease_s = lease_s
        self._rows: dict[int, tuple[Queue, PendingWork, datetime]] = {}
        self._lock = threading.Lock()

    def claim(self, queue: Queue, now: datetime) -> PendingWork | None:
        """As `claim`, and hold on to the row."""
        row = claim(queue, now, min(self.lease_s, queue.lease_s))
        if row is not None:
            with self._lock:
                self._rows[id(row)] = queue, row, now + timedelta(seconds=queue.lease_s)
        return row

    def let_go(self, row: PendingWork) -> None:
        """Renew no longer."""
        with self._lock:
            self._rows.pop(id(row), None)

    def renew(self, now: datetime) -> None:
        """Renew the leases of rows that have not taken too long, unless somebody took a lease off."""
        with self._lock:
            for queue, row, longest in self._rows.values():
                until = min(now + timedelta(seconds=self.lease_s), longest)
                mine = queue.model.objects.filter(pk=row.pk, leased_until=row.leased_until)
                if until > now and mine.update(leased_until=until):
                    row.leased_until = until

    def keep(self, stop: threading.Event) -> None:
        """Renew again and again until told to stop; in a thread of its own."""
        while not stop.wait(self.lease_s / 4):
            try:
                self.renew(platform().now())
            except DatabaseError as fault:
                log.warning("work.lease_not_renewed", error=type(fault).__name__)
            finally:
                close_old_connections()


def work_off(row: PendingWork, *, poll_s: float = 0.2) -> None:
    """Do the rows of this row's queue here, beside a worker or without one, until this one is done or dead."""
    discover()
    queue, grip, finished = QUEUES[type(row)], Grip(platform().config.worker_lease_s), threading.Event()
    threading.Thread(target=grip.keep, args=(finished,), name="leases", daemon=True).start()
    try:
        while queue.model.objects.filter(pk=row.pk, work_state=WorkState.PENDING).exists():
            mine = grip.claim(queue, platform().now())
            if mine is None:
                finished.wait(poll_s)
            else:
                perform(queue, mine, partial(grip.let_go, mine))
    finally:
        finished.set()


class Worker:
    """The worker process: claims rows of all queues into a few threads until told to stop."""

    def __init__(self, threads: int, poll_s: float, lease_s: float = 60) -> None:
        self._stop = threading.Event()
        self._grip = Grip(lease_s)
        self._slots = threading.Semaphore(threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="work")
        self._clockwork = Clockwork()
        self._poll_s = poll_s

    def stop(self, *_: object) -> None:
        """Finish what is claimed and return from `run`."""
        self._stop.set()

    def run(self) -> None:
        discover()
        log.info("worker.started", queues=sorted(model.__name__ for model in QUEUES), schedules=len(REPEATED))
        finished = threading.Event()
        threading.Thread(target=self._grip.keep, args=(finished,), name="leases", daemon=True).start()
        wait_s, longest_s = WITHOUT_DATABASE_S
        while not self._stop.is_set():
            try:
                self._look()
                wait_s = WITHOUT_DATABASE_S[0]
            except DatabaseError as fault:
                log.error("worker.no_database", error=type(fault).__name__, wait_s=wait_s)
                close_old_connections()
                self._stop.wait(wait_s)
                wait_s = min(wait_s * 2, longest_s)
        self._clockwork.stop()
        self._pool.shutdown(wait=True)
        finished.set()
        log.info("worker.stopped")

    def _look(self) -> None:
        """One round: start the repeated tasks that are due, claim a row of each queue, else rest."""
        seen = stamp()
        self._clockwork.fire(platform().now())
        if not self._claim_round():
            self._rest(seen)

    def _rest(self, seen: object) -> None:
        """Wait until somebody commits something, or until the next row falls due."""
        until = next_due(platform().now())
        while not self._stop.wait(self._poll_s) and stamp() == seen and platform().now() < until:
            pass

    def _claim_round(self) -> int:
        claimed = 0
        for queue in QUEUES.values():
            self._slots.acquire()
            row = None
            try:
                row = self._grip.claim(queue, platform().now())
            finally:
                if row is None:
                    self._slots.release()
            if row is None:
                continue
            claimed += 1
            self._pool.submit(self._perform, queue, row)
        return claimed

    def _perform(self, queue: Queue, row: PendingWork) -> None:
        try:
            perform(queue, row, lambda: self._grip.let_go(row))
        except Exception as fault:
            log.error("work.lost_grip", queue=queue.model.__name__, error=described(fault))
        finally:
            close_old_connections()
            self._slots.release()
