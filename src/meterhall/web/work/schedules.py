"""Repeated tasks: registered by `every`, due by a row of their own, run beside the rows of the queues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import close_old_connections

from meterhall.web.logs import described, fresh_correlation
from meterhall.web.platform import platform
from meterhall.web.work.models import Schedule

log = structlog.get_logger(__name__)
SIDE_BY_SIDE = 4
"""How many repeated tasks one worker runs at the same time."""


CLOCKS_APART = timedelta(minutes=1)
"""How far the clocks of one platform's machines may be apart."""


@dataclass(frozen=True, slots=True)
class Repeated:
    name: str
    run: Callable[[], None]
    every_s: float


REPEATED: dict[str, Repeated] = {}


def every(seconds: float) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a function to be run about every so many seconds, by one worker at a time."""

    def register(run: Callable[[], None]) -> Callable[[], None]:
        name = f"{run.__module__}.{run.__qualname__}"
        REPEATED[name] = Repeated(name, run, seconds)
        return run

    return register


def fire_schedules(now: datetime) -> int:
    """Run the repeated tasks that are due, in this thread; how many ran."""
    ran = 0
    for task in due_tasks(now):
        _run(task)
        ran += 1
    return ran


def due_tasks(now: datetime, besides: Collection[str] = ()) -> Iterator[Repeated]:
    """The tasks that are due, but those in `besides`; each given to one worker and next due after its time.

    A task that is due later than it can be was put off by a clock that ran ahead, and is due.
    """
    due = dict(Schedule.objects.values_list("name", "due_at"))
    for task in list(REPEATED.values()):
        if task.name in besides:
            continue
        following = now + timedelta(seconds=task.every_s)
        if task.name not in due:
            Schedule.objects.get_or_create(name=task.name, defaults={"due_at": now})
        elif now < due[task.name] <= following + CLOCKS_APART:
            continue
        if Schedule.objects.filter(name=task.name, due_at=due.get(task.name, now)).update(due_at=following):
            yield task


def _run(task: Repeated) -> None:
    with structlog.contextvars.bound_contextvars(correlation=fresh_correlation()):
        try:
            task.run()
        except Exception as fault:
            log.error("schedule.failed", task=task.name, error=described(fault))


class Clockwork:
    """A worker's repeated tasks, each in a thread: a long one holds up neither another nor the claiming of rows."""

    def __init__(self, threads: int = SIDE_BY_SIDE) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="schedule")
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def fire(self, now: datetime) -> int:
        """Start what is due and is not running here; how many were started."""
        with self._lock:
            running = set(self._running)
        started = 0
        for task in due_tasks(now, running):
            with self._lock:
                self._running.add(task.name)
            self._pool.submit(self._do, task)
            started += 1
        return started

    def _do(self, task: Repeated) -> None:
        try:
            _run(task)
        finally:
            close_old_connections()
            with self._lock:
                self._running.discard(task.name)

    def stop(self) -> None:
        """Let what runs end; start nothing more."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def next_schedule() -> datetime | None:
    """When the first repeated task is due; None where there is none."""
    first = Schedule.objects.filter(name__in=REPEATED).order_by("due_at").values_list("due_at", flat=True).first()
    return first or (platform().now() if REPEATED else None)
