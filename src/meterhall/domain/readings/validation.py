"""Validation: which rows keep the `rules` and may enter the lake. Pure; what to do with the others is not here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import MISSING, LoadCurve, MisalignedCurve, Quality
from meterhall.domain.readings.judging import NO_LIMITS, Limits, judge
from meterhall.domain.readings.rows import MANTISSA_MAX, Rows, SeriesSpec, positions
from meterhall.domain.readings.rules import Rule

FIRST_START: Final = 0
"""1970-01-01, the first instant a reading may start."""
LAST_START: Final = 7_258_118_400
"""2200-01-01, from which on no reading may start."""

KNOWN_QUALITY: Final = np.isin(np.arange(256), [int(quality) for quality in Quality])
"""Which codes are of `Quality`, by code."""

_PASSED: Final = 0
_MOST_SORTED: Final = 2**30
"""So many series times the last start is within int64."""


@dataclass(frozen=True, slots=True, eq=False)
class Quarantine:
    """The rows kept out: `rows` (int64, places in the batch, ascending) and `rules` (uint8, `Rule` values)."""

    rows: NDArray[np.int64]
    rules: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[int, Rule]]:
        for row, rule in zip(self.rows.tolist(), self.rules.tolist(), strict=True):
            yield row, Rule(rule)


def validate(specs: Sequence[SeriesSpec], rows: Rows, limits: Limits = NO_LIMITS) -> tuple[Rows, Quarantine]:
    """The rows that keep every rule, and the others with the first rule each breaks; together they are all rows."""
    rules = broken_rules(specs, rows, limits)
    kept_out = np.flatnonzero(rules)
    return rows.where(rules == _PASSED), Quarantine(kept_out, rules[kept_out])


def broken_rules(specs: Sequence[SeriesSpec], rows: Rows, limits: Limits = NO_LIMITS) -> NDArray[np.uint8]:
    """The first rule each row breaks (a `Rule` value), or 0; uint8 of shape (rows,).

    Raises `MisalignedCurve` where a row is of none of the series.
    """
    rules = np.full(len(rows), _PASSED, np.uint8)
    if not len(rows):
        return rules
    ordered = sorted(specs, key=lambda spec: spec.id)
    ids = np.array([spec.id for spec in ordered], np.int64)
    place = positions(ids, rows.series_ids)
    if (ids[place] != rows.series_ids).any():
        raise MisalignedCurve("Every row is of a series that is told.", field="/rows")
    _mark(rules, (rows.starts < FIRST_START) | (rows.starts >= LAST_START), Rule.OUT_OF_TIME)
    _mark(rules, rows.starts % _each([spec.resolution_s for spec in ordered], place) != 0, Rule.MISALIGNED)
    _mark(rules, ~KNOWN_QUALITY[rows.quality], Rule.UNKNOWN_QUALITY)
    if limits.latest_end is not None:
        ends = rows.starts + _each([spec.resolution_s for spec in ordered], place)
        _mark(rules, (ends > limits.latest_end) & (rows.quality != Quality.PROJECTED), Rule.FUTURE)
    _mark(rules, rows.mantissas == MISSING, Rule.GAP)
    _mark(rules, (rows.mantissas < 0) & ~_each([spec.signed for spec in ordered], place).astype(bool), Rule.NEGATIVE)
    _mark(rules, _beyond(rows.mantissas, np.int64(MANTISSA_MAX)), Rule.UNIT)
    _mark(rules, _beyond(rows.mantissas, _each([spec.maximum for spec in ordered], place)), Rule.OVER_MAXIMUM)
    cells = _cells(place, rows, min(spec.resolution_s for spec in ordered))
    if not (_all_differ(cells) if cells is not None else _all_differ_sparse(place, rows.starts)):
        _mark_repeated(rules, rows)
    judge(rules, ordered, place, rows, limits, cells)
    return rules


def gaps(curve: LoadCurve) -> list[tuple[int, int]]:
    """The runs of slots of a curve without a value (rule V3 for what never arrived): [first, end) slot numbers."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], curve.present, [True])).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _each(values: Sequence[int], place: NDArray[np.int64]) -> NDArray[np.int64]:
    """The value of each row's series; one for all rows where the series agree."""
    distinct = set(values)
    return np.array(distinct.pop(), np.int64) if len(distinct) == 1 else np.array(values, np.int64)[place]


def _beyond(values: NDArray[np.int64], most: NDArray[np.int64] | np.int64) -> NDArray[np.bool_]:
    """Which are further from 0; of the missing ones, whose mantissa has no absolute one, all."""
    return (values > most) | (values < -most)


def _mark(rules: NDArray[np.uint8], broken: NDArray[np.bool_], rule: Rule) -> None:
    if broken.any():
        rules[broken & (rules == _PASSED)] = rule


def _cells(place: NDArray[np.int64], rows: Rows, step_s: int) -> NDArray[np.int64] | None:
    """A number for each series and slot, side by side; None where a batch is not dense in series and time."""
    first, last = int(rows.starts.min()), int(rows.starts.max())
    span = (last - first) // step_s + 1
    if (int(place.max()) + 1) * span > 8 * len(rows) + 1_000_000:
        return None
    return place * span + (rows.starts - first) // step_s


def _all_differ(cells: NDArray[np.int64]) -> bool:
    """Whether surely no slot comes twice; most often no sort is needed for that."""
    seen = np.zeros(int(cells.max()) + 1, np.bool_)
    seen[cells] = True
    return int(np.count_nonzero(seen)) == len(cells)


def _all_differ_sparse(place: NDArray[np.int64], starts: NDArray[np.int64]) -> bool:
    """As `_all_differ`, where the slots are few among many: by a sort of one number for each."""
    if int(starts.min()) < FIRST_START or int(starts.max()) >= LAST_START or len(place) > _MOST_SORTED:
        return False
    keys = np.sort(place * LAST_START + starts)
    return bool((keys[1:] != keys[:-1]).all())


def _mark_repeated(rules: NDArray[np.uint8], rows: Rows) -> None:
    """Of rows for one slot that agree the first stays; where they differ none does: nobody knows which is right."""
    passed = np.flatnonzero(rules == _PASSED)
    order = passed[np.lexsort((rows.starts[passed], rows.series_ids[passed]))]
    series_ids, starts = rows.series_ids[order], rows.starts[order]
    repeats = np.append(False, (series_ids[1:] == series_ids[:-1]) & (starts[1:] == starts[:-1]))
    if not repeats.any():
        return
    slot = np.cumsum(~repeats) - 1
    first = order[np.flatnonzero(~repeats)][slot]
    differs = (rows.mantissas[order] != rows.mantissas[first]) | (rows.quality[order] != rows.quality[first])
    contradicted = np.zeros(slot[-1] + 1, np.bool_)
    contradicted[slot[differs]] = True
    rules[order[repeats]] = Rule.DUPLICATE
    rules[order[contradicted[slot]]] = Rule.CONTRADICTION
