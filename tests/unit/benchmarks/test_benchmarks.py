"""`python -m benchmarks` runs, prints and writes what it measured; whether that is fast enough no test asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.measure import Row, peak_mb, seconds

ROOT = Path(__file__).parents[3]


def test_one_measurement_is_printed_and_written(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    words = [sys.executable, "-m", "benchmarks", "--only", "jsonl", "--json", str(result)]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    (row,) = json.loads(result.read_text())
    assert set(row) == {"name", "value", "baseline", "ratio", "bar", "holds"}
    assert row["name"] in ran.stdout
    assert row["ratio"] == pytest.approx(row["value"] / row["baseline"])
    assert (row["bar"], row["holds"]) == (None, None)


@pytest.mark.parametrize(
    ("row", "ratio", "holds"),
    [
        (Row("no baseline", 5), None, None),
        (Row("no bar", 5, 10), 0.5, None),
        (Row("met", 5, 10, bar=0.5), 0.5, True),
        (Row("missed", 5, 10, bar=0.6), 0.5, False),
        (Row("small enough", 5, 10, bar=0.5, at_most=True), 0.5, True),
        (Row("too large", 6, 10, bar=0.5, at_most=True), 0.6, False),
    ],
)
def test_a_bar_is_held_against_the_ratio(row: Row, ratio: float | None, holds: bool | None) -> None:
    assert (row.ratio, row.holds) == (ratio, holds)


def test_runs_take_turns_and_the_best_of_each_counts() -> None:
    order: list[str] = []
    best = seconds(3, lambda: order.append("a"), lambda: order.append("b"))
    assert order == ["a", "b"] * 3
    assert len(best) == 2
    assert all(0 <= one < 60 for one in best)


def test_the_peak_is_what_a_run_needed_beyond_what_was_there() -> None:
    peak = peak_mb(lambda: bytearray(b"\1" * 80_000_000))
    assert peak is None or 60 < peak < 400
