"""The lake: append, ingest, read, sum, follow and erase readings by integer series ids. It knows no POD and no ORM."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.errors import Conflict
from meterhall.domain.readings.checked import checked
from meterhall.domain.readings.curves import DAY_S, MISSING, MisalignedCurve
from meterhall.domain.readings.days import EPOCH_DAY, DayBlock
from meterhall.domain.readings.groups import GroupCurve, add_exactly, rescaled
from meterhall.domain.readings.judging import NO_LIMITS
from meterhall.domain.readings.resampling import sums_of_rows
from meterhall.domain.readings.rows import DayMatrix, Rows, SeriesSpec, epoch_us, instant_of
from meterhall.domain.readings.validation import Quarantine
from meterhall.lake.cursor import Cursor, CursorExpired, parse_cursor
from meterhall.lake.embedded import EmbeddedEngine
from meterhall.lake.engine import Engine, FilesGone, Span
from meterhall.lake.layout import Versions, versions_of
from meterhall.lake.periods import Period, whole_slots
from meterhall.lake.snapshot import Snapshot
from meterhall.lake.table import Table

T = TypeVar("T")

NOTHING_KEPT_OUT = Quarantine(np.zeros(0, np.int64), np.zeros(0, np.uint8))

NEVER_US = int(np.iinfo(np.int64).min)
"""In place of when something became known, where there is nothing."""
_AT_ONCE = 1024
"""Days overlaid at a time, so that they stay in the processor's cache."""

BLOCK_SLOTS = 16_384 * 96
"""Slots a read holds in memory at a time; about 25 MB."""
ERASURES = 9
"""How often in a row a read begins anew because an erasure took its files away."""


class StaleVersion(Conflict):
    code = "stale_version"
    title = "The lake already holds this version of the day, or a newer one."


class SeriesBlock(NamedTuple):
    """A gapless stretch of one series: `mantissas` int64 (`MISSING` where there is none), `quality` uint8, from `start`
    (UTC) on. `available_at` is when the youngest of its days became known; None when it has none at all."""

    spec: SeriesSpec
    start: datetime
    mantissas: NDArray[np.int64]
    quality: NDArray[np.uint8]
    available_at: datetime | None


class SeriesTable(NamedTuple):
    """Values of many series side by side: `mantissas` int64 of shape (series, slots), `MISSING` where there is none;
    `available_us` int64 of shape (series,): when the youngest day of each became known, in microseconds since 1970 UTC,
    `NEVER_US` where it has none."""

    mantissas: NDArray[np.int64]
    available_us: NDArray[np.int64]


class GroupTotals(NamedTuple):
    """The sum of each slot, how many members are counted in it, and the largest of them; int64 of shape (slots,), 0
    where there is nothing. `members` is how many have a day at all, `known_us` when the youngest of these became known,
    in microseconds since 1970 UTC, `NEVER_US` where there is none."""

    sums: NDArray[np.int64]
    counts: NDArray[np.int64]
    largest: NDArray[np.int64]
    members: int
    known_us: int


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did: the commit, days written, days that brought nothing new, rows kept out.

    `applied` is False when the transaction had been committed before; then nothing was written.
    """

    commit: int
    applied: bool
    written: int
    unchanged: int
    quarantine: Quarantine


class Lake:
    """Readings in one Delta table under `path`; safe to share among threads and among processes."""

    def __init__(
        self,
        path: str | Path,
        *,
        buckets: int = 8,
        threads: int | None = None,
        lock_timeout_s: float = 60,
        engine: Engine | None = None,
    ) -> None:
        """Opens the lake, or makes it. `buckets` counts only when made; `threads` is for the embedded engine.

        `engine` is the one that reads and sums for others; without it the embedded one does. What a writer has to know
        under its lock it asks the embedded one in any case.
        """
        self._table = Table(Path(path).absolute(), buckets=buckets, lock_timeout_s=lock_timeout_s)
        self._embedded = EmbeddedEngine(threads=threads)
        self._engine = engine or self._embedded

    def close(self) -> None:
        """Lets the engines go; the table needs no closing."""
        self._engine.close()
        self._embedded.close()

    def look(self) -> str:
        """Which engine calculates, that it answers and that it sees the table, as one line. Raises what a read does."""
        return self._retried(self._engine.look)

    def last_transaction(self, app: str) -> int | None:
        """The number of the last committed transaction of `app`, for reconciling at start-up; None before the first."""
        return self._table.last_transaction(app)

    def append(self, batch: Iterable[DayBlock], *, transaction: tuple[str, int]) -> int:
        """Commits these days, exactly once; returns the table's version after it.

        `transaction` is an application and its ever growing number: a number not above the last committed one has been
        applied already and changes nothing. Raises `StaleVersion` when a version is not above the one held.
        """
        blocks = list(batch)
        with self._table.writing():
            snapshot = self._table.snapshot()
            if self._done(transaction):
                return snapshot.version
            self._check_versions(snapshot, blocks)
            return self._table.commit(versions_of(blocks), transaction)

    def ingest(
        self, specs: Sequence[SeriesSpec], rows: Rows, *, available_at: datetime, transaction: tuple[str, int]
    ) -> Ingested:
        """Validates rows and commits the days they make, merged with what those days already hold; exactly once.

        A day that changes gets a new version as a whole. Rows that break a rule come back in the quarantine; every row
        is either stored or there. Memory grows with the batch: bound it. Raises `ResolutionChanged`.
        """
        days, quarantine = checked(specs, [rows], NO_LIMITS)
        return replace(self.put(days, available_at=available_at, transaction=transaction), quarantine=quarantine)

    def put(self, days: Iterable[DayMatrix], *, available_at: datetime, transaction: tuple[str, int]) -> Ingested:
        """As `ingest`, of days whose values keep every rule already; no day of a series is in two matrices.

        Of an iterator, memory grows with the largest matrix and not with their number. It is not asked where the
        transaction was committed before.
        """
        known_us, given, written = epoch_us(available_at), 0, 0

        def changed(snapshot: Snapshot) -> Iterator[Versions]:
            nonlocal given, written
            for matrix in days:
                news = self._corrected(snapshot, matrix, known_us)
                given, written = given + len(matrix), written + len(news)
                yield news

        with self._table.writing():
            snapshot = self._table.snapshot()
            if self._done(transaction):
                return Ingested(snapshot.version, False, 0, 0, NOTHING_KEPT_OUT)
            versions = changed(snapshot)
            commit = self._table.commit(versions if isinstance(days, Iterator) else list(versions), transaction)
        return Ingested(commit, True, written, given - written, NOTHING_KEPT_OUT)

    def read(
        self,
        series: Sequence[SeriesSpec],
        start: datetime,
        end: datetime,
        *,
        as_known_at: datetime | None = None,
    ) -> Iterator[SeriesBlock]:
        """The values of each series from `start` to `end` (exclusive), series by series in the order given.

        Blocks of one series follow each other; most often there is one. Missing days are there, as missing. With
        `as_known_at` the newest version known at that instant. Raises `MisalignedCurve` when start or end cuts a slot.
        """
        periods = {spec.resolution_s: Period.of(start, end, spec.resolution_s) for spec in series}
        known_us = None if as_known_at is None else epoch_us(as_known_at)
        for resolution_s, group in groupby(series, key=lambda spec: spec.resolution_s):
            period = periods[resolution_s]
            for piece, specs in _pieces(period, list(group)) if period.slots else ():
                yield from self._block(specs, piece, known_us)

    def table(
        self,
        series: Sequence[SeriesSpec],
        start: datetime,
        end: datetime,
        resolution_s: int,
        *,
        as_known_at: datetime | None = None,
    ) -> SeriesTable:
        """The values of distinct series of one resolution from `start` to `end` (exclusive), as one table of slots of
        `resolution_s`: of several stored ones the sum, `MISSING` where one of them is.

        All of it is in memory. Raises `GranularityUnavailable`, `MisalignedCurve` (start or end cuts a slot, or the
        resolutions differ) and `SumOutOfRange`.
        """
        period = Period.of(start, end, resolution_s)
        if len({spec.resolution_s for spec in series}) != 1:
            raise MisalignedCurve("A table is of series of one resolution, and of one series at least.", field="/group")
        parts = whole_slots(resolution_s, series[0].resolution_s)
        ids = np.array([spec.id for spec in series], np.int64)
        order = np.argsort(ids, kind="stable")
        known_us = None if as_known_at is None else epoch_us(as_known_at)
        youngest = np.full(len(ids), NEVER_US, np.int64)
        days, slots = period.last_day - period.first_day + 1, DAY_S // resolution_s
        if not period.slots:
            return SeriesTable(np.zeros((len(ids), 0), np.int64), youngest)
        span = Span(ids[order], period.first_day, period.last_day)
        found = self._retried(lambda newest: self._engine.values(newest, span, slots * parts, known_us))
        member = order[np.searchsorted(ids, found.series_ids, sorter=order)]
        np.maximum.at(youngest, member, found.available_us)
        values = np.full((len(ids), days, slots), MISSING, np.int64)
        values[member, found.days - period.first_day] = sums_of_rows(found.mantissas, parts)
        first = (period.start_s - period.first_day * DAY_S) // resolution_s
        return SeriesTable(values.reshape(len(ids), -1)[:, first : first + period.slots], youngest)

    def sum_group(self, series: Sequence[SeriesSpec], start: datetime, end: datetime, resolution_s: int) -> GroupCurve:
        """The sum of distinct series from `start` to `end` in slots of `resolution_s`, with exact counts.

        A slot is `MISSING` unless every series has all its values in it. Of different scales the finest is kept. Raises
        `GranularityUnavailable`, `MisalignedCurve` (start or end cuts a slot, or no series) and `SumOutOfRange`.
        """
        period = Period.of(start, end, resolution_s)
        members = {spec.id: spec for spec in series}.values()
        if not members:
            raise MisalignedCurve("A group has at least one series.", field="/group")
        scale = min(spec.scale for spec in members)
        sums, counts = np.zeros(period.slots, np.int64), np.zeros(period.slots, np.int64)
        alike = sorted(members, key=lambda spec: (spec.resolution_s, spec.scale, spec.id))
        for (stored_s, part_scale), part in groupby(alike, key=lambda spec: (spec.resolution_s, spec.scale)):
            per_slot = whole_slots(resolution_s, stored_s)
            part_sums, part_counts = self._slot_sums(list(part), period, per_slot)
            sums = add_exactly(sums, rescaled(part_sums, part_scale, scale))
            counts += part_counts
        return GroupCurve(period.edges, scale, len(members), np.where(counts == len(members), sums, MISSING), counts)

    def totals(
        self,
        series: Sequence[SeriesSpec],
        start: datetime,
        end: datetime,
        resolution_s: int,
        *,
        as_known_at: datetime | None = None,
    ) -> GroupTotals:
        """What is in each slot of `resolution_s` of distinct series of one resolution and scale, added up where it
        lies; a member is counted only with all its values in a slot. With `as_known_at` as known then.

        Raises `GranularityUnavailable`, `MisalignedCurve` (start or end cuts a slot, or the series are not alike) and
        `SumOutOfRange`.
        """
        period = Period.of(start, end, resolution_s)
        kinds = {(spec.resolution_s, spec.scale) for spec in series}
        if len(kinds) != 1:
            raise MisalignedCurve("Totals are of series of one resolution and scale, one at least.", field="/group")
        per_slot = whole_slots(resolution_s, series[0].resolution_s)
        if not period.slots:
            nothing = np.zeros(0, np.int64)
            return GroupTotals(nothing, nothing, nothing, 0, NEVER_US)
        ids = np.unique(np.array([spec.id for spec in series], np.int64))
        span, slots = Span(ids, period.first_day, period.last_day), series[0].slots_per_day
        known_us = None if as_known_at is None else epoch_us(as_known_at)

        def ask(newest: Snapshot) -> GroupTotals:
            found = self._engine.slot_sums(newest, span, slots, per_slot, known_us, largest=True)
            youngest_us = NEVER_US if found.youngest_us is None else found.youngest_us
            # A slot that all are in says that each has a day; only without one that has to be asked.
            whole = bool((found.counts == len(ids)).any())
            members = len(ids) if whole else self._engine.members(newest, span, known_us)
            sums, counts, largest = map(period.cut, (found.sums, found.counts, found.largest))
            return GroupTotals(sums, counts, largest, members, youngest_us)

        return self._retried(ask)

    def lacking(self, series: Sequence[SeriesSpec], start: datetime, end: datetime) -> dict[int, int]:
        """The distinct series without all their values from `start` to `end` (exclusive), by id, each with how many it
        has. Values are counted where they lie; nothing comes back of a series that is whole.

        Raises `MisalignedCurve` when start or end cuts a slot.
        """
        found: dict[int, int] = {}
        members = sorted({spec.id: spec for spec in series}.values(), key=lambda spec: (spec.resolution_s, spec.id))
        for slot_s, part in groupby(members, key=lambda spec: spec.resolution_s):
            found |= self._lacking(np.array([spec.id for spec in part], np.int64), Period.of(start, end, slot_s))
        return found

    def changes(
        self, since: str | None, *, series_ids: Iterable[int] | None = None
    ) -> tuple[list[tuple[int, date]], str]:
        """The (series, UTC day) pairs that are new or corrected since the cursor, in order, and the next cursor.

        None as cursor means from the beginning. Erased days are not reported. Raises `CursorExpired` and
        `InvalidCursor`.
        """
        cursor = None if since is None else parse_cursor(since)
        snapshot = self._table.snapshot()
        seen = 0 if cursor is None else cursor.sequence
        if cursor is not None and (cursor.table_id != snapshot.table_id or not 0 <= seen <= snapshot.version):
            raise CursorExpired(field="/since")
        ids = None if series_ids is None else np.unique(np.fromiter(series_ids, np.int64))
        found = self._retried(lambda newest: self._engine.changes(newest, seen, ids), snapshot)
        return found, Cursor(snapshot.table_id, max(seen, snapshot.sequence)).encode()

    def compact(self) -> int:
        """Rewrites partitions of many small files; returns how many. Versions, cursors and readers are unharmed."""
        return self._table.compact()

    def erase(self, series_ids: Iterable[int]) -> int:
        """Erases every value and version of these series from the table and from disk; returns rows deleted."""
        return self._table.erase(series_ids)

    def _done(self, transaction: tuple[str, int]) -> bool:
        last = self._table.last_transaction(transaction[0])
        return last is not None and last >= transaction[1]

    def _check_versions(self, snapshot: Snapshot, blocks: Sequence[DayBlock]) -> None:
        if not blocks:
            return
        series_ids = np.array([block.series_id for block in blocks], np.int64)
        days = np.array([(block.day - EPOCH_DAY).days for block in blocks], np.int32)
        held = self._embedded.held_versions(snapshot, series_ids, days)
        seen = set()
        for key, block in zip(zip(series_ids.tolist(), days.tolist(), strict=True), blocks, strict=True):
            if block.version <= held.get(key, 0) or (key, block.version) in seen:
                raise StaleVersion(f"Version {block.version} of {block.day} is not above the one held.")
            seen.add((key, block.version))

    def _corrected(self, snapshot: Snapshot, days: DayMatrix, known_us: int) -> Versions:
        """The days that bring something new, as the next version of what is held."""
        version = np.ones(len(days), np.int32)
        available_us = np.full(len(days), known_us, np.int64)
        held = self._embedded.held(snapshot, days.series_ids, days.days, days.mantissas.shape[1])
        if not len(held):
            return Versions(days, version, available_us)
        place = _places(days, held.days)
        news = np.ones(len(days), np.bool_)
        news[place] = _overlay(days, place, held.days)
        version[place] = held.version + 1
        available_us[place] = np.maximum(held.available_us, known_us)
        return Versions(days.take(news), version[news], available_us[news])

    def _block(self, specs: Sequence[SeriesSpec], period: Period, known_us: int | None) -> Iterator[SeriesBlock]:
        slots = DAY_S // period.slot_s
        ids = np.unique(np.array([spec.id for spec in specs], np.int64))
        span = Span(ids, period.first_day, period.last_day)
        versions = self._retried(lambda newest: self._engine.newest(newest, span, slots, known_us))
        first = np.searchsorted(versions.days.series_ids, ids, "left")
        last = np.searchsorted(versions.days.series_ids, ids, "right")
        for spec in specs:
            place = int(np.searchsorted(ids, spec.id))
            yield _stretch(spec, period, versions, slice(int(first[place]), int(last[place])))

    def _lacking(self, ids: NDArray[np.int64], period: Period) -> dict[int, int]:
        if not period.slots:
            return {}
        span, slots = Span(ids, period.first_day, period.last_day), DAY_S // period.slot_s
        begin = (period.start_s - period.first_day * DAY_S) // period.slot_s
        end = (period.end_s - period.last_day * DAY_S) // period.slot_s
        return self._retried(lambda newest: self._engine.lacking(newest, span, slots, begin, end))

    def _slot_sums(
        self, specs: Sequence[SeriesSpec], period: Period, per_slot: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if not period.slots:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        span = Span(np.array([spec.id for spec in specs], np.int64), period.first_day, period.last_day)
        slots = specs[0].slots_per_day
        found = self._retried(lambda newest: self._engine.slot_sums(newest, span, slots, per_slot))
        return period.cut(found.sums), period.cut(found.counts)

    def _retried(self, query: Callable[[Snapshot], T], snapshot: Snapshot | None = None) -> T:
        """The query's answer; again on the newest snapshot when an erasure took the files away meanwhile."""
        for _ in range(ERASURES):
            with suppress(FilesGone):
                return query(snapshot or self._table.snapshot())
            snapshot = None
        return query(self._table.snapshot())


def _pieces(period: Period, specs: Sequence[SeriesSpec]) -> Iterator[tuple[Period, Sequence[SeriesSpec]]]:
    """The read cut into parts of at most `BLOCK_SLOTS`: several whole series, or one series in several times."""
    days = period.last_day - period.first_day + 1
    room = max(BLOCK_SLOTS * period.slot_s // DAY_S, 1)
    together = max(room // days, 1)
    for first in range(0, len(specs), together):
        for part in period.parts(room):
            yield part, specs[first : first + together]


def _stretch(spec: SeriesSpec, period: Period, versions: Versions, chosen: slice) -> SeriesBlock:
    days = period.last_day - period.first_day + 1
    slots = DAY_S // period.slot_s
    mantissas = np.full((days, slots), MISSING, np.int64)
    quality = np.zeros((days, slots), np.uint8)
    place = versions.days.days[chosen] - period.first_day
    mantissas[place] = versions.days.mantissas[chosen]
    quality[place] = versions.days.quality[chosen]
    known = versions.available_us[chosen]
    available_at = instant_of(int(known.max())) if len(known) else None
    return SeriesBlock(spec, period.start, period.cut(mantissas), period.cut(quality), available_at)


def _overlay(days: DayMatrix, place: NDArray[np.int64], held: DayMatrix) -> NDArray[np.bool_]:
    """Fill what the days at these places do not say with what is held of them; which of them say something new."""
    news = np.zeros(len(place), np.bool_)
    for first in range(0, len(place), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        at, older, older_quality = place[part], held.mantissas[part], held.quality[part]
        newer, quality = days.mantissas[at], days.quality[at]
        silent = newer == MISSING
        news[part] = (((newer != older) | (quality != older_quality)) & ~silent).any(axis=1)
        np.copyto(newer, older, where=silent)
        np.copyto(quality, older_quality, where=silent)
        days.mantissas[at], days.quality[at] = newer, quality
    return news


def _places(days: DayMatrix, among: DayMatrix) -> NDArray[np.int64]:
    """Where in `days`, sorted by series and day, each row of `among`, all of them in it, stands."""
    first = int(days.days.min())
    span = int(days.days.max()) - first + 1
    _, series = np.unique(days.series_ids, return_inverse=True)
    wanted = np.searchsorted(np.unique(days.series_ids), among.series_ids)
    return np.searchsorted(series * span + (days.days - first), wanted * span + (among.days - first))
