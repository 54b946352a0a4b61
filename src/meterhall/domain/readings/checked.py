"""Rows checked and made days, in one go where they are dense: the rules are then held against the days themselves.

Rows that come in any order are set into their slots first. What the days then show at a glance (no slot has two rows,
nothing is negative, too large or suspect) needs no look at any single row. Where they show a fault, `validate` says in
which rows it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import DAY_S, MISSING
from meterhall.domain.readings.judging import HOUR_S, Limits, floors_of, judge
from meterhall.domain.readings.rows import MANTISSA_MAX, DayMatrix, Rows, SeriesSpec, matrices
from meterhall.domain.readings.validation import FIRST_START, KNOWN_QUALITY, LAST_START, Quarantine, validate

_AT_ONCE: Final = 65_536
"""Rows or slots looked at together, so that they stay in the processor's cache."""


def checked(specs: Sequence[SeriesSpec], chunks: Sequence[Rows], limits: Limits) -> tuple[list[DayMatrix], Quarantine]:
    """The days that the rows make which keep every rule, a matrix for each resolution; and the others.

    Places in the quarantine count through all chunks.
    """
    found = _clean(specs, chunks, limits)
    if found is not None:
        return [found], Quarantine(np.zeros(0, np.int64), np.zeros(0, np.uint8))
    accepted, aside = validate(specs, joined(chunks), limits)
    return list(matrices(specs, accepted)), aside


def joined(chunks: Sequence[Rows]) -> Rows:
    """The rows of all chunks, in order."""
    if len(chunks) == 1:
        return chunks[0]
    columns = ("series_ids", "starts", "mantissas", "quality")
    kinds = (np.int64, np.int64, np.int64, np.uint8)
    return Rows(*(
        np.concatenate([np.zeros(0, kind), *(getattr(chunk, name) for chunk in chunks)], dtype=kind)
        for name, kind in zip(columns, kinds, strict=True)
    ))  # fmt: skip


def _clean(specs: Sequence[SeriesSpec], chunks: Sequence[Rows], limits: Limits) -> DayMatrix | None:
    """The days, if every row keeps every rule; None where one does not, or where the rows are too sparse to be sure."""
    chunks = [chunk for chunk in chunks if len(chunk)]
    if not chunks or len({spec.resolution_s for spec in specs}) != 1:
        return None
    grid = _grid(specs, chunks, limits)
    if grid is None:
        return None
    codes = {int(code) for chunk in chunks for code in (chunk.quality.min(), chunk.quality.max())}
    alike = len(codes) == 1
    values = np.full(grid.size, MISSING, np.int64)
    quality = np.full(grid.size, codes.pop() if alike else 0, np.uint8)
    if not KNOWN_QUALITY[quality[0]]:
        return None
    for chunk in chunks:
        if not alike and not KNOWN_QUALITY[chunk.quality].all():
            return None
        for first in range(0, len(chunk), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            cells = grid.cells(chunk.series_ids[part], chunk.starts[part])
            if cells is None:
                return None
            values[cells] = chunk.mantissas[part]
            if not alike:
                quality[cells] = chunk.quality[part]
    if not _whole(grid, values, sum(len(chunk) for chunk in chunks)) or _suspects(grid, values, quality, limits):
        return None
    if alike and len(values) > sum(len(chunk) for chunk in chunks):
        quality[values == MISSING] = 0
    return grid.days(values, quality)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Every slot of some series over some UTC days, series by series: `places` gives a series' place by its id."""

    specs: Sequence[SeriesSpec]
    ids: NDArray[np.int64]
    places: NDArray[np.int64]
    first_s: int
    day_count: int

    @property
    def step_s(self) -> int:
        return self.specs[0].resolution_s

    @property
    def width(self) -> int:
        """Slots of a series."""
        return self.day_count * (DAY_S // self.step_s)

    @property
    def size(self) -> int:
        return len(self.ids) * self.width

    def cells(self, series_ids: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Where rows belong; None where a row is of no such series or of no slot's start."""
        if series_ids.min() < self.ids[0] or series_ids.max() > self.ids[-1]:
            return None
        cells: NDArray[np.int64] = self.places[series_ids - self.ids[0]]
        if cells.min() < 0:
            return None
        passed = starts - self.first_s
        slots = passed // self.step_s
        if (slots * self.step_s != passed).any():
            return None
        cells *= self.width
        cells += slots
        return cells

    def days(self, values: NDArray[np.int64], quality: NDArray[np.uint8]) -> DayMatrix:
        """The days that have a value."""
        slots = DAY_S // self.step_s
        first = self.first_s // DAY_S
        series_ids = np.repeat(self.ids, self.day_count)
        days = np.tile(np.arange(first, first + self.day_count, dtype=np.int32), len(self.ids))
        made = DayMatrix(series_ids, days, values.reshape(-1, slots), quality.reshape(-1, slots))
        there = made.mantissas.max(axis=1) != MISSING
        return made if there.all() else made.take(there)


def _grid(specs: Sequence[SeriesSpec], chunks: Sequence[Rows], limits: Limits) -> _Grid | None:
    """The grid that the rows span; None where it is much larger than they are many, or they are not of this time."""
    first = min(int(chunk.starts.min()) for chunk in chunks)
    last = max(int(chunk.starts.max()) for chunk in chunks)
    ordered = sorted(specs, key=lambda spec: spec.id)
    ids = np.array([spec.id for spec in ordered], np.int64)
    if first < FIRST_START or last >= LAST_START:
        return None
    if limits.latest_end is not None and last + ordered[0].resolution_s > limits.latest_end:
        return None
    first_day, rows = first // DAY_S, sum(len(chunk) for chunk in chunks)
    width = int(ids[-1] - ids[0]) + 1
    day_count = last // DAY_S + 1 - first_day
    if len(ids) * day_count * ordered[0].slots_per_day > 4 * rows + 1_000_000 or width > 4 * rows + 1_000_000:
        return None
    places = np.full(width, -1, np.int64)
    places[ids - ids[0]] = np.arange(len(ids))
    return _Grid(ordered, ids, places, first_day * DAY_S, day_count)


def _whole(grid: _Grid, values: NDArray[np.int64], rows: int) -> bool:
    """Whether each row has a slot and a value of its own, none below zero where that may not be, none too large."""
    most = {min(spec.maximum, MANTISSA_MAX) for spec in grid.specs}
    if len(most) > 1 or any(spec.signed for spec in grid.specs):
        return _whole_by_series(grid, values.reshape(len(grid.ids), -1), rows)
    highest, below = most.pop(), 0
    for first in range(0, len(values), _AT_ONCE):
        part = values[first : first + _AT_ONCE]
        below += int(np.count_nonzero(part < 0))
        if int(part.max()) > highest:
            return False
    return len(values) - below == rows and int(np.count_nonzero(values == MISSING)) == below


def _whole_by_series(grid: _Grid, values: NDArray[np.int64], rows: int) -> bool:
    """As `_whole`, where the series differ: each against its own bounds, many series at once."""
    highest = np.array([min(spec.maximum, MANTISSA_MAX) for spec in grid.specs], np.int64)[:, None]
    lowest = np.where(np.array([spec.signed for spec in grid.specs], np.bool_)[:, None], -highest, 0)
    there, at_once = 0, max(1, _AT_ONCE // grid.width)
    for first in range(0, len(values), at_once):
        some = slice(first, first + at_once)
        part = values[some]
        missing = int(np.count_nonzero(part == MISSING))
        there += part.size - missing
        if (part > highest[some]).any() or int(np.count_nonzero(part < lowest[some])) > missing:
            return False
    return there == rows


def _suspects(grid: _Grid, values: NDArray[np.int64], quality: NDArray[np.uint8], limits: Limits) -> bool:
    """Whether a value is a spike or stuck; only the series that may have one are looked at value by value."""
    table = values.reshape(len(grid.ids), -1)
    may = np.zeros(len(grid.ids), np.bool_)
    if limits.spike_times:
        may |= _high(grid, table, limits.spike_floor_w)
    if limits.stuck_h:
        may |= _still(grid, table, limits)
    chosen = np.flatnonzero(may)
    for first in range(0, len(chosen), max(1, 4 * _AT_ONCE // grid.width)):
        some = chosen[first : first + max(1, 4 * _AT_ONCE // grid.width)]
        place, slot = np.nonzero(table[some] != MISSING)
        cells = some[place] * grid.width + slot
        rows = Rows(grid.ids[some[place]], grid.first_s + slot * grid.step_s, values[cells], quality[cells])
        rules = np.zeros(len(rows), np.uint8)
        judge(rules, [grid.specs[one] for one in some.tolist()], place, rows, limits)
        if rules.any():
            return True
    return False


def _still(grid: _Grid, table: NDArray[np.int64], limits: Limits) -> NDArray[np.bool_]:
    """Which series may be stuck: a run that is long enough shows the same value in samples a quarter of it apart."""
    length = max(-(-int(limits.stuck_h * HOUR_S) // grid.step_s), 2)
    apart = max(length // 4, 1)
    samples = table[:, ::apart]
    floors = np.maximum(floors_of(grid.specs, limits.stuck_floor_w), 1)[:, None]
    equal = (samples[:, 1:] == samples[:, :-1]) & (np.abs(samples[:, 1:]) >= floors)
    in_a_row = min(3, length // apart - 1)
    held = equal[:, : equal.shape[1] - in_a_row + 1].copy()
    for later in range(1, in_a_row):
        held &= equal[:, later : later + held.shape[1]]
    found: NDArray[np.bool_] = held.any(axis=1)
    return found


def _high(grid: _Grid, table: NDArray[np.int64], floor_w: float) -> NDArray[np.bool_]:
    """Which series have a value of more than a mean power."""
    floors = floors_of(grid.specs, floor_w)
    found: NDArray[np.bool_] = table.max(axis=1) > floors
    if any(spec.signed for spec in grid.specs):
        found |= np.where(table == MISSING, 0, table).min(axis=1) < -floors
    return found
