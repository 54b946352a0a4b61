"""The same calculations through Spark Connect as on the embedded engine, over the same files: equal results, two rates.

Sail from its wheel; Apache Spark as well where `SPARK_HOME` names one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from tests.engines import ENGINES, NoEngine, running

from benchmarks.lake import KNOWN, filled, rows, specs
from benchmarks.measure import MB, Row, scaled, seconds
from meterhall.domain.readings.groups import GroupCurve
from meterhall.domain.readings.rows import SeriesSpec
from meterhall.lake import Lake, SeriesBlock
from meterhall.lake.spark import SparkEngine

COUNT, FEW = scaled(5000, 100), scaled(200, 2)
FIRST, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
YEAR = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
DAYS = (UNTIL - FIRST).days
ROUNDS = 3
DAYS_AT_ONCE = 4
PLACES = [max(round(COUNT * share) - 1, 0) for share in (0.1, 0.9)]
"""Where p10 and p90 stand among the values of a slot."""
NAMES = {"sail": "Sail", "spark": "Apache Spark"}


class NotEqual(AssertionError):
    """Two engines gave different results."""


def of_a_month() -> dict[str, tuple[Callable[[Lake], object], int]]:
    """What is calculated by name: on a lake, and how many stored readings it is over."""
    known, some, readings = specs(COUNT), specs(FEW), DAYS * 96
    of, all_of_them = f"of {COUNT:,} PODs a month", COUNT * readings
    return {
        f"sum {of} by 15 min": (lambda lake: lake.sum_group(known, FIRST, UNTIL, 900), all_of_them),
        f"sum {of} by the hour": (lambda lake: lake.sum_group(known, FIRST, UNTIL, 3600), all_of_them),
        f"sum, mean, p10 and p90 {of} by 15 min": (lambda lake: four_measures(lake, known), all_of_them),
        f"{FEW} PODs a month": (lambda lake: list(lake.read(some, FIRST, UNTIL)), FEW * readings),
        "one POD a month": (lambda lake: list(lake.read([SeriesSpec(1, 900)], FIRST, UNTIL)), readings),
        f"what changed, {COUNT:,} PODs a month": (lambda lake: lake.changes(None), all_of_them),
    }


def of_a_year() -> dict[str, tuple[Callable[[Lake], object], int]]:
    """The same of a year."""
    known, readings = specs(COUNT), (YEAR[1] - YEAR[0]).days * 96
    what = f"sum of {COUNT:,} PODs a year by the hour"
    return {what: (lambda lake: lake.sum_group(known, *YEAR, 3600), COUNT * readings)}


def four_measures(lake: Lake, known: list[SeriesSpec]) -> object:
    """As a delivery tells them of a group without a missing value: the engine gives the values of some days at once."""
    told = []
    for day in range(0, DAYS, DAYS_AT_ONCE):
        first = FIRST + timedelta(days=day)
        table, _ = lake.table(known, first, min(first + timedelta(days=DAYS_AT_ONCE), UNTIL), 900)
        told.append(np.vstack([table.sum(axis=0), table.mean(axis=0), np.sort(table, axis=0)[PLACES]]).tolist())
    return told


def spark(folder: Path) -> Iterator[Row]:
    """A month of 5,000 PODs of which one in a hundred is corrected, and a year."""
    month, year = folder / "month", folder / "year"
    near = filled(month, COUNT, FIRST, UNTIL)
    few = max(COUNT // 100, 1)
    near.ingest(specs(few), rows(few, FIRST, DAYS), available_at=KNOWN, transaction=("bench", 99))
    longer = filled(year, COUNT, *YEAR)
    for name in ENGINES:
        try:
            with running(name) as server:
                for lake, path, what in ((near, month, of_a_month()), (longer, year, of_a_year())):
                    yield from _against(lake, Lake(path, engine=SparkEngine(server.url, path)), NAMES[name], what)
        except NoEngine:
            continue
    near.close()
    longer.close()


def _against(
    near: Lake, far: Lake, name: str, calculations: dict[str, tuple[Callable[[Lake], object], int]]
) -> Iterator[Row]:
    for what, (run, readings) in calculations.items():
        if not equal(run(near), run(far)):
            raise NotEqual(f"{name}: {what}")
        embedded, distributed = seconds(ROUNDS, lambda run=run: run(near), lambda run=run: run(far))
        yield Row(
            f"{name}: {what}, M readings/s, against DuckDB", readings / MB / distributed, readings / MB / embedded
        )
    far.close()


def equal(one: object, other: object) -> bool:
    """Whether two results are the same to the last bit."""
    if isinstance(one, GroupCurve) and isinstance(other, GroupCurve):
        return one.mantissas.tolist() == other.mantissas.tolist() and one.counts.tolist() == other.counts.tolist()
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, SeriesBlock) and isinstance(other, SeriesBlock):
        known = (one.spec, one.start, one.available_at) == (other.spec, other.start, other.available_at)
        same = np.array_equal(one.mantissas, other.mantissas) and np.array_equal(one.quality, other.quality)
        return known and same
    return one == other
