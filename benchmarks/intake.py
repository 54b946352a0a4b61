"""A file of a month of 1,000 PODs from disk into the lake, with register, rules and commit; in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from benchmarks.measure import MB, Row, peak_mb, seconds

POINTS, DAYS, SLOTS, ROUNDS = 1000, 31, 96, 3
ROLE = "provider"


def intake(folder: Path) -> Iterator[Row]:
    """Long and wide CSV and long Parquet, unsorted, against merely parsing the same file."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.intake", str(folder)], check=True, capture_output=True, text=True
    )
    for row in json.loads(done.stdout.splitlines()[-1]):
        yield Row(row["name"], row["value"], row["baseline"])


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
    from meterhall.cli.shared import django_ready, migrate
    from meterhall.web.home import Home

    home = folder / ROLE
    Home.create(home, {"role": ROLE, "name": "Example grid", "country": "IT", "log_level": "ERROR"}, None)
    django_ready(ROLE, home, new=True)
    migrate()
    from meterhall.domain.pods import demonstration_pod
    from meterhall.provider.metering.intake import PLAIN, profile_of
    from meterhall.provider.metering.models import IngestRun
    from meterhall.provider.metering.service import _lake, take_readings
    from meterhall.provider.metering.working import work_in
    from meterhall.provider.points.schemas import PointIn
    from meterhall.provider.points.service import register_points

    pods = [demonstration_pod("IT", number).value for number in range(POINTS)]
    register_points(tuple(PointIn(pod=pod, zone="Europe/Rome") for pod in pods))
    long, wide = tables(pods)
    quarter_hours = profile_of({"columns": {"day": "day", "values": "Q{n}"}})
    pa_csv.write_csv(long, folder / "long.csv")
    pa_csv.write_csv(wide, folder / "wide.csv")
    pq.write_table(long, folder / "long.parquet")
    made: list[IngestRun] = []

    def into_lake(name: str) -> None:
        _lake.cache_clear()
        shutil.rmtree(home / "lake", ignore_errors=True)
        IngestRun.objects.all().update(digest="other")
        with (folder / name).open("rb") as content:
            run = take_readings(content, "PT15M", profile=quarter_hours if name == "wide.csv" else PLAIN)
        work_in(run)
        run.refresh_from_db()
        assert (run.quarantined, run.days_written) == (0, POINTS * DAYS), (run.quarantined, run.problem)
        made.append(run)

    readings = len(long) / MB
    for name, what, parse in (
        ("long.csv", "long CSV", pa_csv.read_csv),
        ("wide.csv", "wide CSV", pa_csv.read_csv),
        ("long.parquet", "long Parquet", pq.read_table),
    ):
        memory = peak_mb(lambda name=name: into_lake(name))  # type: ignore[misc]
        ours, parsed = seconds(ROUNDS, lambda: into_lake(name), lambda: parse(folder / name))  # noqa: B023
        yield Row(
            f"File into the lake, {what}, M readings/s, against pyarrow parsing it", readings / ours, readings / parsed
        )
        if memory is not None:
            yield Row(
                f"File into the lake, {what}, peak MB, against its MB", memory, (folder / name).stat().st_size / MB
            )


if __name__ == "__main__":
    print(json.dumps([row.document() for row in measured(Path(sys.argv[1]))]))
