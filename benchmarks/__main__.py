"""`python -m benchmarks [--json FILE] [--only NAME]`: run, print a table, write a list of results.

What could not run is named at the end, and the others' results are there nevertheless.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import (
    at_rest,
    calculations,
    corrections,
    forecast,
    formats,
    gates,
    intake,
    lake,
    load,
    national,
    platforms,
    spark,
)
from benchmarks.measure import SCALE, Row

BENCHMARKS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "espi": formats.espi,
    "cim": formats.cim,
    "espi-read": formats.espi_read,
    "csv": formats.csv,
    "jsonl": formats.jsonl,
    "jsonl-rows": formats.jsonl_rows,
    "arrow": formats.arrow,
    "parquet": formats.parquet,
    "ingest": lake.ingest,
    "intake": intake.intake,
    "corrections": corrections.corrections,
    "corrected-reads": corrections.corrected_reads,
    "at-rest": at_rest.at_rest,
    "series": lake.series,
    "calculations": calculations.calculations,
    "spark": spark.spark,
    "forecast": forecast.forecast,
    "platform": platforms.platform,
    "deliveries": gates.deliveries,
    "years": gates.years,
    "ten-steps": load.ten_steps,
    "year": national.year,
    "national": national.national,
    "large-activations": load.large_activations,
}


def table(rows: list[Row]) -> Table:
    made = Table(box=None, header_style="bold")
    made.add_column("what")
    for column in ("value", "baseline", "ratio", "bar", "holds"):
        made.add_column(column, justify="right")
    for row in rows:
        made.add_row(
            row.name,
            *("" if one is None else f"{one:,.3g}" for one in (row.value, row.baseline, row.ratio, row.bar)),
            {None: "", True: "[green]yes[/]", False: "[red]no[/]"}[row.holds],
        )
    return made


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure against named baselines.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    given = parser.parse_args()
    console, began = Console(width=None if sys.stdout.isatty() else 140), time.monotonic()
    rows: list[Row] = []
    failed: dict[str, str] = {}
    for name in given.only or BENCHMARKS:
        with console.status(f"Measuring {name} …"), tempfile.TemporaryDirectory(prefix="meterhall-bench-") as folder:
            try:
                rows.extend(BENCHMARKS[name](Path(folder)))
            except Exception as fault:
                failed[name] = f"{type(fault).__name__}: {fault}"
        if given.json:
            given.json.write_text(json.dumps([row.document() for row in rows], indent=1) + "\n")
    console.print(table(rows))
    console.print(f"\n{time.monotonic() - began:.0f} s. value / baseline = ratio; each baseline was taken in this run.")
    if SCALE != 1:
        console.print(f"Everything was {SCALE:g} times as large as it should be: no figure counts.")
    for name, why in failed.items():
        console.print(f"[red]Could not run {name}:[/] {escape(why)}")
    return 1 if failed or any(row.holds is False for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
