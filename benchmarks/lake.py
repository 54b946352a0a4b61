"""The lake: long unsorted readings in, one POD a year out, against the engines' own best."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
from deltalake import write_deltalake

from benchmarks.measure import MB, Row, peak_mb, scaled, seconds
from meterhall.domain.readings.rows import DayMatrix, Rows, SeriesSpec, epoch_us
from meterhall.lake import Lake
from meterhall.lake.layout import PARTITIONS, WRITER, Versions, as_arrow

KNOWN = datetime(2027, 1, 1, tzinfo=UTC)
ROUNDS = 3
DAY_S = 86_400


def specs(count: int) -> list[SeriesSpec]:
    return [SeriesSpec(number, 900) for number in range(1, count + 1)]


def values(shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.random.default_rng(20260301).gamma(1.2, 90, shape).astype(np.int64)


def rows(count: int, start: datetime, days: int) -> Rows:
    """A row a reading, in no order."""
    slots = days * 96
    series = np.repeat(np.arange(1, count + 1), slots)
    starts = np.tile(int(start.timestamp()) + 900 * np.arange(slots), count)
    order = np.random.default_rng(1).permutation(count * slots)
    return Rows(series[order], starts[order], values((count * slots,)), np.zeros(count * slots, np.uint8))


def ingest(folder: Path) -> Iterator[Row]:
    """Long unsorted readings into the lake, against write_deltalake of the ready table of POD-days."""
    count, start, days = 1000, datetime(2026, 3, 1, tzinfo=UTC), 31
    given, known = rows(count, start, days), specs(count)
    readings = len(given) / MB
    first = int(start.timestamp()) // DAY_S
    ready = DayMatrix(
        np.repeat(np.arange(1, count + 1), days),
        np.tile(np.arange(first, first + days, dtype=np.int32), count),
        values((count * days, 96)),
        np.zeros((count * days, 96), np.uint8),
    )
    versions = Versions(ready, np.ones(len(ready), np.int32), np.full(len(ready), epoch_us(KNOWN)))
    table, fresh = as_arrow(versions, sequence=1, buckets=8), iter(range(100))

    def into_lake() -> None:
        lake = Lake(folder / f"lake-{next(fresh)}")
        lake.ingest(known, given, available_at=KNOWN, transaction=("bench", 1))
        lake.close()

    def ready_table() -> None:
        write_deltalake(folder / f"delta-{next(fresh)}", table, partition_by=PARTITIONS, writer_properties=WRITER)

    memory = peak_mb(into_lake)
    ours, delta = seconds(ROUNDS, into_lake, ready_table)
    yield Row("Ingest, M readings/s, against write_deltalake of ready POD-days", readings / ours, readings / delta)
    if memory is not None:
        yield Row("Ingest, peak MB, against the rows' MB", memory, len(given) * 25 / MB)


def filled(path: Path, count: int, first: datetime, until: datetime) -> Lake:
    """A lake in which every series has every quarter hour, a commit a month, then compacted."""
    lake, known, number = Lake(path), specs(count), 0
    while first < until:
        following = min((first + timedelta(days=32)).replace(day=1), until)
        number += 1
        given = rows(count, first, (following - first).days)
        lake.ingest(known, given, available_at=KNOWN, transaction=("bench", number))
        first = following
    lake.compact()
    return lake


def series(folder: Path) -> Iterator[Row]:
    """One POD, a year of quarter hours, against a bare DuckDB query over the same files."""
    first, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    path = folder / "year"
    lake = filled(path, scaled(200, 100), first, until)
    wanted = SeriesSpec(77, 900)
    files = [file.path for file in lake._table.snapshot().files]
    with duckdb.connect() as connection:
        sql = 'SELECT day, "values" FROM read_parquet($1) WHERE series_id = 77 ORDER BY day'
        ours, duck = seconds(
            20,
            lambda: list(lake.read([wanted], first, until)),
            lambda: connection.sql(sql, params=[files]).to_arrow_table(),
        )
    lake.close()
    yield Row("One POD a year, reads/s, against bare DuckDB", 1 / ours, 1 / duck)
