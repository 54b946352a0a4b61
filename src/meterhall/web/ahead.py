"""What follows is made by another thread while one thing is worked on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(found: Iterator[T]) -> Iterator[T]:
    """The same things, none of them None, each made while the one before is worked on; two of them are in memory.

    Raises what `found` raises, where it would have come. Nothing is being made any more when it ends or is closed.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as maker:
        following = maker.submit(next, found, None)
        while (one := following.result()) is not None:
            following = maker.submit(next, found, None)
            yield one
