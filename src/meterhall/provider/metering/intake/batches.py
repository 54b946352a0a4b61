"""Batches of rows, as a table's reader gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import pyarrow as pa

from meterhall.domain.readings.rules import Rule
from meterhall.provider.metering.intake.blocks import BadReadingsFile

T = TypeVar("T")

MOST_LINE: Final = 16 * 1024 * 1024


@dataclass(slots=True)
class Batches:
    """The batches of a file, and the lines that are no rows of it with the rule each breaks, by their place: these are
    seen as they are met."""

    batches: Iterator[pa.RecordBatch]
    names: list[str]
    broken: dict[int, Rule] = field(default_factory=dict)


def ahead(found: Iterator[T]) -> Iterator[T]:
    """The same, the next of them being made by another thread while one is worked on."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, found, None)
        while (one := following.result()) is not None:
            following = pool.submit(next, found, None)
            yield one


def guarded(begun: Callable[[], Any]) -> Iterator[pa.RecordBatch]:
    """The batches; a file that breaks off in the middle is refused as a whole."""
    try:
        yield from begun()
    except (pa.ArrowException, UnicodeDecodeError) as fault:
        raise BadReadingsFile("It is damaged, or not of the format it seems to be.", field="/file") from fault
