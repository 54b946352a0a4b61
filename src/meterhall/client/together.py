"""The same work on several things at a time, a few at once, and what comes of it taken in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import islice
from typing import Final, TypeVar

from meterhall.client.patience import STOP, Stopped, go_on

Item = TypeVar("Item")
Result = TypeVar("Result")
AT_ONCE: Final = 4
"""How many parts of a delivery are worked on at a time."""
LOOK_S: Final = 0.2
"""How often it is looked whether somebody ends the whole from outside."""


def together(
    items: Iterable[Item], work: Callable[[Item], Result], take: Callable[[Item, Result], None], at_once: int = AT_ONCE
) -> None:
    """Have `work` done on every item, `at_once` at a time, on threads that know this one's context; `take` each result
    here, in the order of the items. At most `at_once` + 1 results are in memory.

    The first fault ends it: nothing more is begun, what is under way is told to stop (`STOP`), and the fault is raised
    once all of it has ended.
    """
    stop, outer = threading.Event(), STOP.get()
    faults: list[BaseException] = []
    waiting, under_way = iter(items), deque[tuple[Item, Future[Result]]]()

    def run(item: Item) -> Result:
        STOP.set(stop)
        try:
            if stop.is_set():
                raise Stopped
            return work(item)
        except BaseException as fault:
            faults.append(fault)
            stop.set()
            raise

    def outcome(future: Future[Result]) -> Result:
        while not wait([future], None if outer is None else LOOK_S).done:
            if outer is not None and outer.is_set():
                stop.set()
        if faults:
            raise faults[0]
        go_on()
        return future.result()

    with ThreadPoolExecutor(at_once, "together") as pool:

        def begin() -> None:
            for item in islice(waiting, at_once - len(under_way)):
                under_way.append((item, pool.submit(copy_context().run, run, item)))

        try:
            begin()
            while under_way:
                item, future = under_way.popleft()
                result = outcome(future)
                begin()
                take(item, result)
        except BaseException:
            stop.set()
            raise
