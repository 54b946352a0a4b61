"""A block of a file's rows, as read and before anything is known of their series; and why a file is none."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.errors import InvalidInput
from meterhall.domain.readings.amounts import Unit
from meterhall.domain.readings.granularity import Granularity

MOST_TEXT = 200
MOST_TOLD = 10_000
"""Rows of a file of which is kept how they read."""


class BadReadingsFile(InvalidInput):
    code = "bad_readings_file"
    title = "The file is not a table of readings that can be read."


@dataclass(slots=True, eq=False)
class Block:
    """Rows as columns of shape (rows,).

    `points` are (POD, direction) pairs, `which` (int64) the pair of each row. `rows` (int64) are places in the file.
    `starts` are seconds since 1970 UTC; `again_s` by how much later the same clock time comes once more (0: it does
    not). `stated` are amounts of so many decimal `places` in `unit`, `MISSING` where there is none. `rules`
    (uint8) is 0, or the rule a row breaks already; `texts` then says by its place in the file how it read.

    Of civil days and months, `starts` are what the file says and not moved: ends where `are_ends`, civil dates as if of
    UTC where `dated`, since the zone is the point's. `ends` (in the same way) is where a row states both.

    `grain` is how long the file says these rows' slots are, where it does; they may be others than the file's own.

    `registers` says that the amounts are a register's readings at their starts, or that they are none; None: the file
    does not say, the profile does.
    """

    points: list[tuple[str, str]]
    which: NDArray[np.int64]
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    again_s: NDArray[np.int64]
    stated: NDArray[np.int64]
    places: int
    unit: Unit
    quality: NDArray[np.uint8]
    rules: NDArray[np.uint8]
    texts: dict[int, str] = field(default_factory=dict)
    ends: NDArray[np.int64] | None = None
    are_ends: bool = False
    dated: bool = False
    registers: bool | None = None
    grain: Granularity | None = None

    def __len__(self) -> int:
        return len(self.rows)
