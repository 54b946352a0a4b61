"""The embedded engine: DuckDB in memory over the files of one snapshot. It never writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from meterhall.domain.errors import Unavailable
from meterhall.domain.readings.days import EPOCH_DAY
from meterhall.domain.readings.resampling import SumOutOfRange
from meterhall.lake import queries
from meterhall.lake.layout import SCHEMA, Versions, from_arrow
from meterhall.lake.snapshot import LakeFile, Snapshot

_AGGREGATES = 512
"""Slots summed in one query; a finer resolution takes several."""


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Series (sorted int64 ids) over UTC days (days since 1970, both ends included)."""

    series_ids: NDArray[np.int64]
    first_day: int
    last_day: int


class Engine:
    """Runs the lake's queries; safe to share among threads."""

    def __init__(self, *, threads: int | None = None) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": "false"}
        if threads is not None:
            config["threads"] = threads
        self._connection = duckdb.connect(":memory:", config=config)

    def close(self) -> None:
        self._connection.close()

    def newest(self, snapshot: Snapshot, span: Span, slots: int, known_us: int | None = None) -> Versions:
        """The newest version of each day in the span, as known at `known_us` if given; sorted by series and day."""
        files = snapshot.covering(span.series_ids.tolist(), span.first_day, span.last_day)
        if not files:
            return from_arrow(_NONE, slots)
        clause = queries.latest(join=queries.BY_SERIES, corrected=_corrected(files), known=known_us is not None)
        known: dict[str, object] = {} if known_us is None else {"known_us": known_us}
        return from_arrow(self._over(span, files, queries.days(clause), known), slots)

    def held(self, snapshot: Snapshot, series_ids: NDArray[np.int64], days: NDArray[np.int32], slots: int) -> Versions:
        """The newest version of exactly these days (equal shapes), where there is one."""
        rows = self._keyed(snapshot, series_ids, days, queries.days)
        return from_arrow(_NONE if rows is None else rows, slots)

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
        self, snapshot: Snapshot, span: Span, slots: int, per_slot: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sums and exact counts over the span's series for each `per_slot` of `slots` stored slots a day.

        Both int64 of shape (days, slots // per_slot); a sum is that of the members counted. Raises `SumOutOfRange`.
        """
        shape = (span.last_day - span.first_day + 1, slots // per_slot)
        sums, counts = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        files = snapshot.covering(span.series_ids.tolist(), span.first_day, span.last_day)
        clause = queries.latest(join=queries.BY_SERIES, corrected=_corrected(files))
        for first in range(0, shape[1] if files else 0, _AGGREGATES):
            chosen = range(first, min(first + _AGGREGATES, shape[1]))
            rows = self._over(span, files, queries.slot_sums(clause, per_slot=per_slot, slots=chosen))
            day = rows["day"].cast(pa.int32()).to_numpy() - span.first_day
            for n, slot in enumerate(chosen):
                sums[day, slot] = rows[f"s{n}"].fill_null(0).to_numpy()
                counts[day, slot] = rows[f"c{n}"].to_numpy()
        return sums, counts

    def changes(
        self, snapshot: Snapshot, since: int, series_ids: NDArray[np.int64] | None = None
    ) -> list[tuple[int, date]]:
        """The series and days with a version from after commit `since`, in order."""
        files = snapshot.since(since)
        if not files:
            return []
        wanted = None if series_ids is None else pa.table({"series_id": series_ids})
        parameters = {"files": [file.path for file in files], "since": since, "until": snapshot.sequence}
        rows = self._run(queries.changes(wanted=wanted is not None), parameters, wanted=wanted)
        return list(zip(rows["series_id"].to_pylist(), rows["day"].to_pylist(), strict=True))

    def _keyed(
        self,
        snapshot: Snapshot,
        series_ids: NDArray[np.int64],
        days: NDArray[np.int32],
        query: Callable[[str], str],
    ) -> pa.Table | None:
        span = Span(np.unique(series_ids), int(days.min()), int(days.max()))
        files = snapshot.covering(span.series_ids.tolist(), span.first_day, span.last_day)
        if not files:
            return None
        keys = pa.table({"series_id": series_ids, "day": pa.array(days).cast(pa.date32())})
        clause = queries.latest(join=queries.BY_DAY, corrected=_corrected(files))
        return self._over(span, files, query(clause), keys=keys)

    def _over(
        self,
        span: Span,
        files: list[LakeFile],
        sql: str,
        more: dict[str, object] | None = None,
        keys: pa.Table | None = None,
    ) -> pa.Table:
        parameters = {
            "files": [file.path for file in files],
            "first_day": EPOCH_DAY + timedelta(days=span.first_day),
            "last_day": EPOCH_DAY + timedelta(days=span.last_day),
            "lowest": int(span.series_ids[0]),
            "highest": int(span.series_ids[-1]),
        }
        return self._run(sql, parameters | (more or {}), wanted=pa.table({"series_id": span.series_ids}), keys=keys)

    def _run(self, sql: str, parameters: dict[str, object], **tables: pa.Table | None) -> pa.Table:
        with self._connection.cursor() as cursor:
            for name, table in tables.items():
                if table is not None:
                    cursor.register(name, table)
            try:
                return cursor.sql(sql, params=parameters).to_arrow_table()
            except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
                raise SumOutOfRange from error
            except duckdb.IOException as error:
                raise FilesGone from error


class FilesGone(Unavailable):
    code = "lake_files_gone"
    title = "The files of this snapshot have been cleared away; read the newest one."


_NONE = pa.schema(
    [SCHEMA.field(name) for name in ("series_id", "day", "version")]
    + [pa.field("available_us", pa.int64()), SCHEMA.field("values"), SCHEMA.field("quality")]
).empty_table()


def _corrected(files: list[LakeFile]) -> bool:
    return any(file.newest_version > 1 for file in files)
