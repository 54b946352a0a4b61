"""Large sets in pieces that one query takes. Asking once a piece, never once a row, keeps 10,000 PODs a few queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
PIECE = 900
"""Below the least number of parameters a SQLite build may allow."""


def pieces(values: Iterable[T], size: int = PIECE) -> Iterator[Sequence[T]]:
    """The values in lists of at most `size`."""
    known = list(values)
    for at in range(0, len(known), size):
        yield known[at : at + size]
