"""Corrections: what 1 % of a month costs to bring in, and what it costs a reader until the lake is compacted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from benchmarks.lake import DAY_S, filled, specs, values
from benchmarks.measure import MB, Row, prepared, scaled, seconds
from meterhall.domain.readings.rows import DayMatrix, Rows, SeriesSpec, epoch_us
from meterhall.lake import Lake
from meterhall.lake.layout import PARTITIONS, WRITER, Versions, as_arrow

COUNT, MANY = scaled(5000, 50), scaled(1000, 20)
FIRST, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
LATER = datetime(2027, 2, 1, tzinfo=UTC)
DAYS, SLOTS, ROUNDS, READS = (UNTIL - FIRST).days, 96, 5, 20
SHARE = 100
"""One in so many is corrected."""


def chosen_days() -> Rows:
    """Every reading of one POD-day in a hundred, in no order."""
    picked = _some(COUNT * DAYS)
    return _rows((picked[:, None] * SLOTS + np.arange(SLOTS)).ravel())


def chosen_readings() -> Rows:
    """One reading in a hundred, wherever it is, in no order."""
    return _rows(_some(COUNT * DAYS * SLOTS))


def _some(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.random.default_rng(7).choice(count, max(count // SHARE, 1), replace=False)


def _rows(places: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Rows:
    """The readings at these places, counted POD by POD."""
    places = np.random.default_rng(8).permutation(places)
    series, slot = np.divmod(places, DAYS * SLOTS)
    starts = int(FIRST.timestamp()) + 900 * slot
    return Rows(series + 1, starts, values(places.shape) + 1, np.zeros(len(places), np.uint8))


def ready(given: Rows) -> pa.Table:
    """The table of the POD-days these rows touch, as it would be appended."""
    keys = np.unique(given.series_ids << 32 | given.starts // DAY_S)
    shape = (len(keys), SLOTS)
    days = DayMatrix(keys >> 32, (keys & 0xFFFFFFFF).astype(np.int32), values(shape), np.zeros(shape, np.uint8))
    made = Versions(days, np.full(len(keys), 2, np.int32), np.full(len(keys), epoch_us(LATER)))
    return as_arrow(made, sequence=2, buckets=8)


def corrections(folder: Path) -> Iterator[Row]:
    """1 % of a month of 5,000 PODs into the lake, against the engine's append of the POD-days touched."""
    held, fresh = folder / "held", iter(range(1000))
    filled(held, COUNT, FIRST, UNTIL).close()

    def copy() -> Path:
        return Path(shutil.copytree(held, folder / f"copy-{next(fresh)}"))

    for what, given in (("whole POD-days", chosen_days()), ("scattered readings", chosen_readings())):
        table = ready(given)
        ours, bare = prepared(
            ROUNDS,
            (lambda: Lake(copy()), partial(_correct, given=given)),
            (lambda: DeltaTable(copy() / "readings"), partial(_append, ready=table)),
        )
        name = f"Correct 1 % of a month, {what}, POD-days/s, against their append"
        yield Row(name, len(table) / ours, len(table) / bare, 0.4)


def _correct(lake: Lake, given: Rows) -> None:
    done = lake.ingest(specs(COUNT), given, available_at=LATER, transaction=("bench", 100))
    assert len(done.quarantine) == 0


def _append(table: DeltaTable, ready: pa.Table) -> None:
    write_deltalake(table, ready, mode="append", partition_by=PARTITIONS, writer_properties=WRITER)


def corrected_reads(folder: Path) -> Iterator[Row]:
    """A month with 1 % of its POD-days corrected, against the same month clean."""
    clean, given = filled(folder / "clean", COUNT, FIRST, UNTIL), chosen_days()
    shutil.copytree(folder / "clean", folder / "corrected")
    corrected = Lake(folder / "corrected")
    _correct(corrected, given)
    one = [SeriesSpec(int(given.series_ids[0]), 900)]
    for what, wanted, rounds in ((f"{MANY:,} PODs", specs(MANY), ROUNDS), ("one POD", one, READS)):
        ours, bare = seconds(rounds, _reading(corrected, wanted), _reading(clean, wanted))
        yield Row(f"A month with 1 % corrected, {what}, ms / the clean month", ours * 1000, bare * 1000, 1.3, True)
    ours, bare = seconds(
        ROUNDS, *(partial(lake.sum_group, specs(COUNT), FIRST, UNTIL, 900) for lake in (corrected, clean))
    )
    yield Row(f"Sum of {COUNT:,} PODs, 1 % corrected, ms / the clean month", ours * 1000, bare * 1000, 1.3, True)
    corrected.close()
    clean.close()


def _reading(lake: Lake, wanted: list[SeriesSpec]) -> Callable[[], object]:
    return lambda: sum(len(block.mantissas) for block in lake.read(wanted, FIRST, UNTIL)) / MB
