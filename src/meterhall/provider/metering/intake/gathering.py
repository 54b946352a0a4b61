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
ROW: Final = np.dtype(
    [
        ("row", "<i8"),
        ("series", "<i8"),
        ("start", "<i8"),
        ("again_s", "<i4"),
        ("value", "<i8"),
        ("quality", "u1"),
        ("register", "u1"),
    ]
)


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
            read = np.fromfile(file, ROW)
            kinds = [np.uint8 if name in ("quality", "register") else np.int64 for name in ROW.names or ()]
            found: list[Any] = [read[name].astype(kind) for name, kind in zip(ROW.names or (), kinds, strict=True)]
            yield [Taken(*found)]

    def _spill(self, taken: Taken) -> None:
        share = taken.series_ids // NEIGHBOURS % SHARES
        order = np.argsort(share, kind="stable")
        packed = np.empty(len(taken), ROW)
        for name, column in zip(ROW.names or (), taken.columns(), strict=True):
            packed[name] = column[order]
        edges = np.searchsorted(share[order], np.arange(SHARES + 1))
        for number in range(SHARES):
            if edges[number] < edges[number + 1]:
                with (self._folder / f"{number:02}").open("ab") as file:
                    packed[edges[number] : edges[number + 1]].tofile(file)
