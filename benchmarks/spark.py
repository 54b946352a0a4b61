"""The same calculations through Spark Connect as on the embedded engine, over the same files: equal results, two rates.

Sail from its wheel; Apache Spark as well where `SPARK_HOME` names one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from tests.engines import ENGINES, NoEngine, running

from benchmarks.lake import KNOWN, filled, rows, specs
from benchmarks.measure import MB, Row, seconds
from meterhall.domain.readings.groups import GroupCurve
from meterhall.domain.readings.rows import SeriesSpec
from meterhall.lake import Lake, SeriesBlock
from meterhall.lake.spark import SparkEngine

COUNT, FEW = 2000, 200
FIRST, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
DAYS = (UNTIL - FIRST).days
ROUNDS = 3
NAMES = {"sail": "Sail", "spark": "Apache Spark"}


class NotEqual(AssertionError):
    """Two engines gave different results."""


def calculations() -> dict[str, tuple[Callable[[Lake], object], int]]:
    """What is calculated by name: on a lake, and how many stored readings it is over."""
    known, some = specs(COUNT), specs(FEW)
    readings = DAYS * 96
    return {
        f"sum of {COUNT:,} PODs a month": (lambda lake: lake.sum_group(known, FIRST, UNTIL, 900), COUNT * readings),
        f"sum of {COUNT:,} PODs a month by hour": (
            lambda lake: lake.sum_group(known, FIRST, UNTIL, 3600),
            COUNT * readings,
        ),
        f"{FEW} PODs a month": (lambda lake: list(lake.read(some, FIRST, UNTIL)), FEW * readings),
        "one POD a month": (lambda lake: list(lake.read([SeriesSpec(77, 900)], FIRST, UNTIL)), readings),
        f"what changed, {COUNT:,} PODs a month": (lambda lake: lake.changes(None), COUNT * readings),
    }


def spark(folder: Path) -> Iterator[Row]:
    """A month of 2,000 PODs of which one in a hundred is corrected."""
    near = filled(folder, COUNT, FIRST, UNTIL)
    near.ingest(specs(COUNT // 100), rows(COUNT // 100, FIRST, DAYS), available_at=KNOWN, transaction=("bench", 99))
    for name in ENGINES:
        try:
            with running(name) as server:
                yield from _against(near, Lake(folder, engine=SparkEngine(server.url, folder)), NAMES[name])
        except NoEngine:
            continue
    near.close()


def _against(near: Lake, far: Lake, name: str) -> Iterator[Row]:
    for what, (run, readings) in calculations().items():
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
