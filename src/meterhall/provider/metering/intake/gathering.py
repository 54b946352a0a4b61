"""Rows of a whole file brought together series by series, in memory or, where they are many, in files of shares."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ROWS_IN_MEMORY: Final = 4_000_000
SHARES: Final = 64
NEIGHBOURS: Final = 16
"""Series with neighbouring ids that are in one share."""
_KINDS: Final = (np.int64, np.int64, np.int64, np.int64, np.int64, np.uint8, np.uint8)
"""Of the columns of `Taken`."""


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """Rows of known series, as columns of shape (rows,) in the order of the file.

    `rows` are places in the file, `values` mantissas in the scale of the series; `register` is 1 where they are a
    register's readings, else 0; the rest as in `Block`.
    """

    rows: NDArray[np.int64]
    series_ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    again_s: NDArray[np.int64]
    values: NDArray[np.int64]
    quality: NDArray[np.uint8]
    register: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rows)

    def columns(self) -> tuple[NDArray[Any], ...]:
        return self.rows, self.series_ids, self.starts, self.again_s, self.values, self.quality, self.register

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Taken:
        """The chosen rows."""
        return Taken(*(column[chosen] for column in self.columns()))


def joined(pieces: Sequence[Taken]) -> Taken:
    """The rows of all pieces, one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    columns = zip(*(piece.columns() for piece in pieces), strict=True)
    return Taken(*(np.concatenate(column) for column in columns))


def together(one: Taken, other: Taken) -> Taken:
    """The rows of both, in the order of the file."""
    both = joined((one, other))
    return both.where(np.argsort(both.rows, kind="stable"))


class Gathering:
    """Takes rows in, and gives them back in parts of which no two share a series. Its folder is its own."""

    def __init__(self, folder: Path, *, in_memory: int = ROWS_IN_MEMORY) -> None:
        self._folder, self._most, self._count = folder, in_memory, 0
        self._kept: list[Taken] = []
        self._spilled = False
        self.clear()

    def clear(self) -> None:
        """Remove what rests on disk, also what a run that was killed has left."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, taken: Taken) -> None:
        if not len(taken):
            return
        self._kept.append(taken)
        self._count += len(taken)
        if self._spilled or self._count > self._most:
            if not self._spilled:
                self._folder.mkdir(parents=True, mode=0o700)
                self._spilled = True
            for some in self._kept:
                self._spill(some)
            self._kept = []

    def parts(self) -> Iterator[list[Taken]]:
        """Every row, each part in the order of the file and in pieces as they came. May be asked for again."""
        if not self._spilled:
            if self._kept:
                yield self._kept
            return
        for file in sorted(self._folder.iterdir()):
            yield list(_pieces(np.fromfile(file, np.uint8)))

    def _spill(self, taken: Taken) -> None:
        share = (taken.series_ids // NEIGHBOURS % SHARES).astype(np.uint8)
        order = np.argsort(share, kind="stable")
        edges = np.searchsorted(share[order], np.arange(SHARES + 1))
        columns = [column[:1] if (column == column[0]).all() else column[order] for column in taken.columns()]
        for number in range(SHARES):
            first, end = edges[number], edges[number + 1]
            if first < end:
                some = [column if len(column) == 1 else column[first:end] for column in columns]
                head = np.array([end - first, *(len(column) for column in some)], np.int64)
                with (self._folder / f"{number:02}").open("ab") as file:
                    file.writelines(array.data for array in (head, *some))
                    file.write(bytes(-file.tell() % 8))


def _pieces(content: NDArray[np.uint8]) -> Iterator[Taken]:
    """The pieces of a share: how many rows, how long each column (1: alike in all rows), the columns."""
    at, head_bytes = 0, 8 * (1 + len(_KINDS))
    while at < len(content):
        rows, *lengths = content[at : at + head_bytes].view(np.int64).tolist()
        at += head_bytes
        columns: list[Any] = []
        for kind, length in zip(_KINDS, lengths, strict=True):
            size = length * np.dtype(kind).itemsize
            column = np.frombuffer(content, kind, length, at)
            columns.append(column if length == rows else np.full(rows, column[0], kind))
            at += size
        yield Taken(*columns)
        at += -at % 8
