"""What follows is made by another thread while one thing is worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(found: Iterator[T], pool: ThreadPoolExecutor | None = None) -> Generator[T]:
    """The same things, none of them None, each made while the one before is worked on: by a thread of `pool`, else by
    one of its own. Two of them are in memory. Raises what `found` raises, where it would have come.

    `found` is closed after the last thing that is made of it: its closing waits for that only where the thread is its
    own. What is made in `pool` must not wait for `pool`.
    """
    makers = pool or ThreadPoolExecutor(1, thread_name_prefix="ahead")
    following = makers.submit(next, found, None)
    try:
        while (one := following.result()) is not None:
            following = makers.submit(next, found, None)
            yield one
    finally:
        following.cancel()
        following.add_done_callback(lambda _: found.close() if isinstance(found, Generator) else None)
        if pool is None:
            makers.shutdown()
