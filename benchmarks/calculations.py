"""What is calculated over many PODs, as it is delivered and as the lake sums, against the best raw query on the same
files: DuckDB's or Polars', whichever is faster.

A delivery has no minimum and no maximum (each is one member's own value), so the four measures are the sum, the mean,
and the 10th and 90th percentiles. A delivery also counts what is there, and looks for members that are too much of a
slot; a raw query does not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks import country, homes
from benchmarks.lake import specs
from benchmarks.measure import SCALE, Row, apart, peak_mb, scaled, seconds, tell
from meterhall.domain.pods import demonstration_pod
from meterhall.domain.readings import MISSING
from meterhall.lake import Lake

if TYPE_CHECKING:
    from meterhall.domain.protocol.deliveries import Measure
    from meterhall.provider.deliveries.entitled import Entitled

COUNT = scaled(5000, 50)
ROUNDS = {"month": 3, "year": 1}
FIRST = date(2026, 1, 1)
MONTHS = scaled(12)
SPANS = {"month": (date(2026, 2, 1), "PT15M", 1), "year": (date(2026 + MONTHS // 12, MONTHS % 12 + 1, 1), "PT1H", 4)}
BAR = 1.3


def calculations(folder: Path) -> Iterator[Row]:
    """A month by the quarter hour, and a year by the hour."""
    for span in SPANS if SCALE == 1 else ("month",):
        yield from apart("benchmarks.calculations", folder / span, span)


def measured(folder: Path, span: str) -> Iterator[Row]:
    until, granularity, per_slot = SPANS[span]
    home = homes.provider(folder, zone="UTC")
    members = _members(until)
    lake = Lake(home.path / "lake")
    country.lay(lake, COUNT, FIRST, until)
    files = [file.path for file in lake._table.snapshot().files]
    first, end = (datetime.combine(day, datetime.min.time(), UTC) for day in (FIRST, until))
    by = "15 min" if per_slot == 1 else "hour"
    of = f"{COUNT:,} PODs, a {span} by {by}"
    raw = Raw(files, per_slot, first, end)
    known = specs(COUNT)
    yield from _against(
        f"The lake's sum of {of}",
        lambda: {"sum": lake.sum_group(known, first, end, 900 * per_slot).mantissas},
        raw,
        ("sum",),
        ROUNDS[span],
    )
    for measures in (("sum",), ("sum", "mean", "p10", "p90")):
        what = "Sum" if len(measures) == 1 else "Sum, mean, p10 and p90"
        telling = partial(_told, members, until, granularity, measures)
        yield from _against(f"{what} of {of}, as delivered", telling, raw, measures, ROUNDS[span])
    lake.close()


def _against(
    name: str,
    ours: Callable[[], dict[Measure, NDArray[np.int64]]],
    raw: Raw,
    measures: tuple[Measure, ...],
    rounds: int,
) -> Iterator[Row]:
    check(ours(), raw.duckdb(measures), measures)
    memory = peak_mb(ours)
    took, *others = seconds(rounds, ours, partial(raw.duckdb, measures), partial(raw.polars, measures))
    best = min(others)
    yield Row(f"{name}, ms / {('DuckDB', 'Polars')[others.index(best)]}", took * 1000, best * 1000, BAR, True)
    if memory is not None:
        yield Row(f"{name}, peak MB", memory)


class NotEqual(AssertionError):
    """The raw query calculates something else."""


def check(told: dict[Measure, NDArray[np.int64]], raw: pa.Table, measures: tuple[Measure, ...]) -> None:
    """Whether both say the same wherever something is told; the mean is told rounded. Raises `NotEqual`."""
    columns = [column.cast(pa.float64()).to_numpy() for column in raw.sort_by("day").columns[1:]]
    for place, measure in enumerate(measures):
        bare = np.stack(columns[place :: len(measures)], axis=1).ravel()
        mine = told[measure]
        there = mine != MISSING
        if not there.any() or len(mine) != len(bare) or (np.abs(mine - bare)[there] > (measure == "mean") / 2).any():
            raise NotEqual(measure)


@dataclass(frozen=True, slots=True)
class Raw:
    """The bare queries over the files of a lake: an aggregate a slot, as the answer is known to need."""

    files: list[str]
    per_slot: int
    first: datetime
    until: datetime

    def duckdb(self, measures: tuple[Measure, ...]) -> pa.Table:
        """In the embedded engine, on a connection of its own."""
        of = {
            "sum": "sum({})::bigint",
            "mean": "avg({})",
            "p10": "quantile_disc({}, 0.1)",
            "p90": "quantile_disc({}, 0.9)",
        }
        terms = [
            " + ".join(f'"values"[{slot + part}]' for part in range(1, self.per_slot + 1))
            for slot in range(0, country.SLOTS, self.per_slot)
        ]
        columns = ", ".join(of[measure].format(term) for term in terms for measure in measures)
        sql = f"SELECT day, {columns} FROM read_parquet($1) WHERE day >= $2 AND day < $3 GROUP BY day"
        with duckdb.connect() as connection:
            return connection.sql(sql, params=[self.files, self.first.date(), self.until.date()]).to_arrow_table()

    def polars(self, measures: tuple[Measure, ...]) -> object:
        """Lazily, over all columns it needs and no others."""
        value = pl.col("values").list
        made = []
        for slot in range(0, country.SLOTS, self.per_slot):
            term = sum((value.get(slot + part) for part in range(1, self.per_slot)), value.get(slot))
            of = {"sum": term.sum(), "mean": term.mean()}
            of |= {"p10": term.quantile(0.1, "lower"), "p90": term.quantile(0.9, "lower")}
            made += [of[measure].alias(f"{measure}{slot}") for measure in measures]
        frame = pl.scan_parquet(self.files, hive_partitioning=False).select("day", "values")
        inside = pl.col("day").is_between(self.first.date(), self.until.date(), closed="left")
        return frame.filter(inside).group_by("day").agg(made).collect()


def _members(until: date) -> list[Entitled]:
    """The points as a request's members, each with the series of its number in the lake."""
    from meterhall.domain.protocol.base import Period
    from meterhall.provider.activations.models import ActivationItem
    from meterhall.provider.deliveries.entitled import Entitled
    from meterhall.provider.metering.models import Series
    from meterhall.provider.points.models import Point

    homes.register([demonstration_pod("IT", number).value for number in range(COUNT)], zone="UTC")
    points = list(Point.objects.order_by("pk"))
    Series.objects.bulk_create(
        (
            Series(pk=number, point=point, direction="import", resolution_s=900, first_day=FIRST, until_day=until)
            for number, point in enumerate(points, 1)
        ),
        batch_size=500,
    )
    days, end = (Period(first=FIRST, until=until),), datetime(2099, 1, 1, tzinfo=UTC)
    return [
        Entitled(ActivationItem(pk=number, point=point, pseudonym=f"{number:036x}"), point, days, end, True)
        for number, point in enumerate(points, 1)
    ]


def _told(
    members: list[Entitled], until: date, granularity: str, measures: tuple[Measure, ...]
) -> dict[Measure, NDArray[np.int64]]:
    from meterhall.domain.protocol.base import Period
    from meterhall.domain.protocol.canonical import new_id
    from meterhall.domain.protocol.deliveries import DataRequest
    from meterhall.provider.deliveries.sums import told_over

    request = DataRequest(
        activation_id=new_id("act"), period=Period(first=FIRST, until=until), granularity=granularity, format="csv",
        group=True, measures=measures,
    )  # fmt: skip
    curves, _ = told_over(request, members, {measure: f"{place:036x}" for place, measure in enumerate(measures)})
    return dict(zip(measures, (curve.mantissas for curve in curves), strict=True))


if __name__ == "__main__":
    tell(measured(Path(sys.argv[1]), sys.argv[2]))
