"""`python -m benchmarks` runs, prints and writes what it measured; whether that is fast enough no test asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import benchmarks.__main__
import numpy as np
import pytest
from benchmarks import country
from benchmarks.measure import Row, peak_mb, seconds, tell

ROOT = Path(__file__).parents[3]


def test_one_measurement_is_printed_and_written(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    words = [sys.executable, "-m", "benchmarks", "--only", "jsonl", "--json", str(result)]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1), ran.stderr
    (row,) = json.loads(result.read_text())
    assert set(row) == {"name", "value", "baseline", "ratio", "bar", "holds"}
    assert row["name"] in ran.stdout
    assert row["ratio"] == pytest.approx(row["value"] / row["baseline"])
    assert row["holds"] == (row["ratio"] >= row["bar"])
    assert ran.returncode == (not row["holds"]), "whether every bar is met is said by the exit as well"


@pytest.mark.parametrize(
    "name",
    [
        "corrections", "corrected-reads", "at-rest", "series", "calculations", "platform", "deliveries", "years",
        "year", "national", "intake", "spark", "ten-steps", "large-activations",
    ],
)  # fmt: skip
def test_a_measurement_runs_at_a_small_scale(name: str, tmp_path: Path) -> None:
    """The others, of one format each and of forecasts, are as quick at full size."""
    result = tmp_path / "result.json"
    words = [sys.executable, "-m", "benchmarks", "--only", name, "--json", str(result)]
    small = os.environ | {"BENCH_SCALE": "0.004"}
    ran = subprocess.run(words, cwd=ROOT, env=small, capture_output=True, text=True, check=False)
    assert "Could not run" not in ran.stdout, ran.stdout
    assert "no figure counts" in ran.stdout
    rows = json.loads(result.read_text())
    assert rows
    assert all(row["value"] > 0 for row in rows)


def test_the_meters_of_a_country_are_the_same_however_they_are_cut() -> None:
    whole = country.readings(np.arange(40), date(2026, 3, 1), 10)
    part = country.readings(np.arange(11, 17), date(2026, 3, 4), 2)
    assert whole[11:17, 3 * 96 : 5 * 96].tolist() == part.tolist()
    assert len(np.unique(whole.sum(axis=1))) == 40
    begin = int(datetime(2026, 3, 3, 23, tzinfo=UTC).timestamp())
    assert country.between(np.arange(5), begin, begin + 900 * 92).tolist() == whole[:5, 3 * 96 - 4 :][:, :92].tolist()


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


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        (Row("enough", 5, bar=4), True),
        (Row("too few", 5, bar=6), False),
        (Row("short enough", 49, bar=50, at_most=True), True),
        (Row("too long", 51, bar=50, at_most=True), False),
    ],
)
def test_without_a_baseline_a_bar_is_held_against_the_value(row: Row, holds: bool) -> None:
    assert (row.ratio, row.holds) == (None, holds)


def test_a_row_of_another_process_is_the_same_row(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("one", 5, 10, 0.6), Row("other", 5, bar=4, at_most=True)]
    tell(rows)
    assert [Row.read(row) for row in json.loads(capsys.readouterr().out)] == rows


def test_one_that_cannot_run_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(folder: Path) -> Iterator[Row]:
        yield Row("before it broke", 1)
        raise ValueError("no [luck]")

    def sound(folder: Path) -> Iterator[Row]:
        yield Row("after", 2, bar=1)

    result = tmp_path / "result.json"
    monkeypatch.setattr(benchmarks.__main__, "BENCHMARKS", {"broken": broken, "sound": sound})
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--json", str(result)])
    assert benchmarks.__main__.main() == 1
    said = capsys.readouterr().out
    assert "Could not run broken: ValueError: no [luck]" in said
    assert [row["name"] for row in json.loads(result.read_text())] == ["before it broke", "after"]
    assert "after" in said
