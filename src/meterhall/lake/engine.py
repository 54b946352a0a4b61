"""What the lake asks of an engine, described once. How a query is run: `embedded` and `spark`. Nothing is written.

An engine is given a snapshot's files by name, so what is not committed is not there for it, and any two engines
calculate on the same state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from meterhall.domain.errors import Unavailable
from meterhall.domain.readings.days import EPOCH_DAY
from meterhall.domain.readings.resampling import SumOutOfRange
from meterhall.lake import queries
from meterhall.lake.layout import SCHEMA, DayValues, Versions, from_arrow, values_of
from meterhall.lake.queries import Dialect, Newest
from meterhall.lake.snapshot import LakeFile, Snapshot

_AGGREGATES = 512
"""Slots summed in one query; a finer resolution takes several."""


class FilesGone(Unavailable):
    code = "lake_files_gone"
    title = "The files of this snapshot have been cleared away; read the newest one."


class EngineUnavailable(Unavailable):
    """Work that waits for it is done once it answers again; nothing has to be started anew."""

    code = "engine_unavailable"
    title = "The engine that calculates does not answer, or cannot calculate this."

    def __init__(self, detail: str = "", *, reason: str = "", retry_after_s: int | None = None) -> None:
        """`reason` is what the engine or its client said: for the operator's eyes."""
        super().__init__(detail, retry_after_s=retry_after_s)
        self.reason = reason


class EngineBlind(Unavailable):
    """The folder has to be mounted wherever the engine runs, and readable there for its user."""

    code = "engine_blind"
    title = "The engine that calculates does not see the files of the lake."


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Series (sorted int64 ids) over UTC days (days since 1970, both ends included)."""

    series_ids: NDArray[np.int64]
    first_day: int
    last_day: int


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What an engine runs: text in its dialect, the files it reads, parameters and tables by name."""

    sql: str
    files: list[LakeFile]
    parameters: dict[str, int | date] = field(default_factory=dict)
    tables: dict[str, pa.Table] = field(default_factory=dict)


class SlotSums(NamedTuple):
    """Of each slot of each day the sum, the exact count and the largest of the members counted; int64 of shape
    (days, slots), 0 where there is nothing. When the youngest of the days became known, in microseconds since 1970 UTC;
    None where there is none, or it was not asked."""

    sums: NDArray[np.int64]
    counts: NDArray[np.int64]
    largest: NDArray[np.int64]
    youngest_us: int | None


class Engine(ABC):
    """Runs the lake's queries; safe to share among threads. Every method raises what `_run` does."""

    dialect: ClassVar[Dialect]

    @abstractmethod
    def look(self, snapshot: Snapshot) -> str:
        """Which engine this is, that it answers and that it sees the snapshot's files, as one line for an operator."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of everything held; nothing is asked after."""

    @abstractmethod
    def _run(self, query: Query) -> pa.Table:
        """The rows of a query's answer. Raises `FilesGone`, `EngineUnavailable`, `EngineBlind` and `SumOutOfRange`."""

    def newest(self, snapshot: Snapshot, span: Span, slots: int, known_us: int | None = None) -> Versions:
        """The newest version of each day in the span, as known at `known_us` if given; sorted by series and day."""
        files, newest, more = self._asked(snapshot, span, known_us)
        sql = queries.days(self.dialect, newest)
        return from_arrow(self._over(span, files, sql, more) if files else NO_ROWS, slots)

    def values(self, snapshot: Snapshot, span: Span, slots: int, known_us: int | None = None) -> DayValues:
        """As `newest`, in any order, and of the qualities nothing."""
        files, newest, more = self._asked(snapshot, span, known_us)
        sql = queries.days(self.dialect, newest)
        return values_of(self._over(span, files, sql, more) if files else NO_ROWS, slots)

    def held(self, snapshot: Snapshot, series_ids: NDArray[np.int64], days: NDArray[np.int32], slots: int) -> Versions:
        """The newest version of exactly these days (equal shapes), where there is one, in any order."""
        rows = self._keyed(snapshot, series_ids, days, queries.days)
        return from_arrow(NO_ROWS if rows is None else rows, slots, ordered=False)

    def held_versions(
        self, snapshot: Snapshot, series_ids: NDArray[np.int64], days: NDArray[np.int32]
    ) -> dict[tuple[int, int], int]:
        """(series, day since 1970) → newest version, of exactly these days, where there is one."""
        rows = self._keyed(snapshot, series_ids, days, queries.versions)
        if rows is None:
            return {}
        keys = zip(rows["series_id"].to_pylist(), rows["day"].cast(pa.int32()).to_pylist(), strict=True)
        return dict(zip(keys, rows["version"].to_pylist(), strict=True))

    def slot_sums(
        self,
        snapshot: Snapshot,
        span: Span,
        slots: int,
        per_slot: int,
        known_us: int | None = None,
        *,
        largest: bool = False,
    ) -> SlotSums:
        """Sums and exact counts over the span's series for each `per_slot` of `slots` stored slots a day; if asked the
        largest member of each, else 0, and the youngest. As known at `known_us` if given."""
        shape = (span.last_day - span.first_day + 1, slots // per_slot)
        sums, counts, most = (np.zeros(shape, np.int64) for _ in range(3))
        youngest_us = None
        files, newest, more = self._asked(snapshot, span, known_us)
        for first in range(0, shape[1] if files else 0, _AGGREGATES):
            chosen = range(first, min(first + _AGGREGATES, shape[1]))
            sql = queries.slot_sums(self.dialect, newest, per_slot=per_slot, slots=chosen, largest=largest)
            rows = self._over(span, files, sql, more)
            day = rows["day"].cast(pa.int32()).to_numpy() - span.first_day
            for n, slot in enumerate(chosen):
                sums[day, slot] = _whole(rows[f"s{n}"])
                counts[day, slot] = rows[f"c{n}"].to_numpy()
                if largest:
                    most[day, slot] = _whole(rows[f"m{n}"])
            if largest and len(rows):
                youngest_us = int(rows["known_us"].to_numpy().max())
        return SlotSums(sums, counts, most, youngest_us)

    def members(self, snapshot: Snapshot, span: Span, known_us: int | None = None) -> int:
        """How many of the span's series have a day in it, as known at `known_us` if given."""
        files, newest, more = self._asked(snapshot, span, known_us)
        if not files:
            return 0
        return int(self._over(span, files, queries.members(self.dialect, newest), more)["members"][0].as_py())

    def lacking(self, snapshot: Snapshot, span: Span, slots: int, begin: int, end: int) -> dict[int, int]:
        """The series without a value in each slot from `begin` of the first day to `end` (excluded) of the last, with
        how many each has; a day has `slots`."""
        files = snapshot.covering(span.series_ids.tolist(), span.first_day, span.last_day)
        if not files:
            return dict.fromkeys(span.series_ids.tolist(), 0)
        sql = queries.lacking(
            self.dialect, Newest(corrected=_corrected(files)), slots=slots, begin=begin, end=end,
            one_day=span.first_day == span.last_day,
        )  # fmt: skip
        rows = self._over(span, files, sql, {"expected": (span.last_day - span.first_day) * slots + end - begin})
        return dict(zip(rows["series_id"].to_pylist(), rows["there"].to_pylist(), strict=True))

    def changes(
        self, snapshot: Snapshot, since: int, series_ids: NDArray[np.int64] | None = None
    ) -> list[tuple[int, date]]:
        """The series and days with a version from after commit `since`, in order."""
        files = snapshot.since(since)
        if not files or (series_ids is not None and not len(series_ids)):
            return []
        tables = {} if series_ids is None else {"wanted": pa.table({"series_id": series_ids})}
        parameters: dict[str, int | date] = {"since": since, "until": snapshot.sequence}
        rows = self._run(Query(queries.changes(self.dialect, wanted=bool(tables)), files, parameters, tables))
        return sorted(zip(rows["series_id"].to_pylist(), rows["day"].to_pylist(), strict=True))

    def _keyed(
        self,
        snapshot: Snapshot,
        series_ids: NDArray[np.int64],
        days: NDArray[np.int32],
        query: Callable[[Dialect, Newest], str],
    ) -> pa.Table | None:
        span = Span(np.unique(series_ids), int(days.min()), int(days.max()))
        files = snapshot.covering(span.series_ids.tolist(), span.first_day, span.last_day)
        if not files:
            return None
        keys = pa.table({"series_id": series_ids, "day": pa.array(days).cast(pa.date32())})
        return self._over(span, files, query(self.dialect, Newest(corrected=_corrected(files), keyed=True)), keys=keys)

    def _asked(
        self, snapshot: Snapshot, span: Span, known_us: int | None
    ) -> tuple[list[LakeFile], Newest, dict[str, int | date]]:
        """The files of the span, what is newest in them, and the parameter that says so."""
        files = snapshot.covering(span.series_ids.tolist(), span.first_day, span.last_day)
        newest = Newest(corrected=_corrected(files), known=known_us is not None)
        return files, newest, {} if known_us is None else {"known_us": known_us}

    def _over(
        self,
        span: Span,
        files: list[LakeFile],
        sql: str,
        more: dict[str, int | date] | None = None,
        keys: pa.Table | None = None,
    ) -> pa.Table:
        parameters: dict[str, int | date] = {
            "first_day": EPOCH_DAY + timedelta(days=span.first_day),
            "last_day": EPOCH_DAY + timedelta(days=span.last_day),
            "lowest": int(span.series_ids[0]),
            "highest": int(span.series_ids[-1]),
        }
        tables = {"keys": keys} if keys is not None else {"wanted": pa.table({"series_id": span.series_ids})}
        return self._run(Query(sql, files, parameters | (more or {}), tables))


NO_ROWS = pa.schema(
    [SCHEMA.field(name) for name in ("series_id", "day", "version")]
    + [pa.field("available_us", pa.int64()), SCHEMA.field("values"), SCHEMA.field("quality")]
).empty_table()
"""What a query of days gives where there is none."""


def _corrected(files: list[LakeFile]) -> bool:
    return any(file.newest_version > 1 for file in files)


def _whole(sums: pa.ChunkedArray) -> NDArray[np.int64]:
    """Sums of any width as int64, 0 for none; raises `SumOutOfRange`."""
    try:
        whole: NDArray[np.int64] = sums.cast(pa.int64()).fill_null(0).to_numpy()
    except pa.ArrowInvalid as error:
        raise SumOutOfRange from error
    return whole
