"""A file of a month of 1,300 PODs from disk into the lake, with register, rules and commit; in a process of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

from benchmarks import homes
from benchmarks.measure import MB, Row, apart, peak_mb, scaled, seconds, tell
from meterhall.lake.layout import PARTITIONS, WRITER

POINTS, DAYS, SLOTS, ROUNDS = scaled(1300, 20), 31, 96, 3


def intake(folder: Path) -> Iterator[Row]:
    """Long and wide CSV and long Parquet, unsorted: against merely parsing the same file, and against the commit of the
    ready table of POD-days."""
    yield from apart("benchmarks.intake", folder)


def tables(pods: list[str]) -> tuple[pa.Table, pa.Table]:
    """A month of every POD: a value a row, shuffled; and a POD and day a row."""
    count = DAYS * SLOTS
    first = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
    values = np.random.default_rng(20260301).gamma(1.2, 90, len(pods) * count).astype(np.int64)
    order = np.random.default_rng(1).permutation(len(values))
    starts = pa.array(np.tile(first + 900 * np.arange(count), len(pods))[order])
    long = pa.table(
        {
            "pod": pa.array(np.repeat(pods, count)[order]),
            "start": starts.cast(pa.timestamp("s", "UTC")),
            "energy_wh": values[order],
        }
    )
    days = np.datetime64("2026-03-01") + np.arange(DAYS)
    wide = {"pod": np.repeat(pods, DAYS), "day": np.tile(days, len(pods)).astype(str)}
    return long, pa.table(wide | {f"Q{n + 1}": values.reshape(-1, SLOTS)[:, n] for n in range(SLOTS)})


def measured(folder: Path) -> Iterator[Row]:
    home = homes.provider(folder / "provider")
    from meterhall.domain.pods import demonstration_pod
    from meterhall.provider.metering.intake import PLAIN, profile_of
    from meterhall.provider.metering.models import IngestRun
    from meterhall.provider.metering.service import _lake, take_readings
    from meterhall.provider.metering.working import work_in

    pods = [demonstration_pod("IT", number).value for number in range(POINTS)]
    homes.register(pods)
    long, wide = tables(pods)
    quarter_hours = profile_of({"columns": {"day": "day", "values": "Q{n}"}})
    pa_csv.write_csv(long, folder / "long.csv")
    pa_csv.write_csv(wide, folder / "wide.csv")
    pq.write_table(long, folder / "long.parquet")

    def into_lake(name: str) -> None:
        _lake.cache_clear()
        shutil.rmtree(home.path / "lake", ignore_errors=True)
        IngestRun.objects.all().update(digest="other")
        with (folder / name).open("rb") as content:
            run = take_readings(content, "PT15M", profile=quarter_hours if name == "wide.csv" else PLAIN)
        work_in(run)
        run.refresh_from_db()
        assert (run.quarantined, run.days_written) == (0, POINTS * DAYS), (run.quarantined, run.problem)

    readings = len(long) / MB
    for name, what, parse, bar in (
        ("long.csv", "long CSV", pa_csv.read_csv, 0.5),
        ("wide.csv", "wide CSV", pa_csv.read_csv, None),
        ("long.parquet", "long Parquet", pq.read_table, None),
    ):
        path = folder / name
        memory = peak_mb(partial(into_lake, name))
        ours, parsed = seconds(ROUNDS, partial(into_lake, name), partial(parse, path))
        said = f"File into the lake, {what}, M readings/s, against pyarrow parsing it"
        yield Row(said, readings / ours, readings / parsed, bar)
        if memory is not None:
            yield Row(f"File into the lake, {what}, peak MB, against its MB", memory, path.stat().st_size / MB)
    ready = DeltaTable(home.path / "lake" / "readings").to_pyarrow_table()
    fresh = iter(range(ROUNDS))
    ours, append = seconds(
        ROUNDS,
        partial(into_lake, "long.parquet"),
        lambda: write_deltalake(
            folder / f"ready-{next(fresh)}", ready, partition_by=PARTITIONS, writer_properties=WRITER
        ),
    )
    said = "File into the lake, long Parquet, M readings/s, against write_deltalake of ready POD-days"
    yield Row(said, readings / ours, readings / append, 0.4)


if __name__ == "__main__":
    tell(measured(Path(sys.argv[1])))
