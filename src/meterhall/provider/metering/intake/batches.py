"""Batches of rows, as a table's reader gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

import pyarrow as pa

from meterhall.domain.readings.rules import Rule
from meterhall.provider.metering.intake.blocks import BadReadingsFile

T = TypeVar("T")

MOST_LINE: Final = 16 * 1024 * 1024
PLACE: Final = "\0"
"""The column of each row's place in the file, where a reader adds it; named as no column of a file is."""


@dataclass(slots=True)
class Batches:
    """The batches of a file, and the lines that are no rows of it with the rule each breaks, by their place: these are
    seen as they are met."""

    batches: Iterator[pa.RecordBatch]
    names: list[str]
    broken: dict[int, Rule] = field(default_factory=dict)


def guarded(begun: Callable[[], Iterator[T]]) -> Iterator[T]:
    """What is made of a file; one that is damaged, wherever that shows, is refused as a whole."""
    try:
        yield from begun()
    except (pa.ArrowException, UnicodeDecodeError, OSError) as fault:
        if isinstance(fault, MemoryError) or (isinstance(fault, OSError) and fault.errno):
            raise  # this machine's fault, which may pass, and not the file's
        raise BadReadingsFile("It is damaged, or not of the format it seems to be.", field="/file") from fault


def sound(found: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, each checked to its last value: a damaged one would lead outside of it, or to another's values."""
    for batch in found:
        batch.validate(full=True)
        yield batch
