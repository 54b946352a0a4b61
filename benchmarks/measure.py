"""How things are measured: in interleaved rounds, the best of each; and what one line of the result is."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

Held = TypeVar("Held")
MB = 1_000_000
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
"""By how much everything is smaller than it should be: to see that a measurement runs. Its figures say nothing then."""


def scaled(count: int, least: int = 1) -> int:
    """How many there are at the scale asked for."""
    return max(int(count * SCALE), min(least, count))


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `ratio` is value / baseline; `bar` the least (`at_most`: the largest) ratio that is good enough.

    Without a baseline the bar is held against the value itself.
    """

    name: str
    value: float
    baseline: float | None = None
    bar: float | None = None
    at_most: bool = False

    @property
    def ratio(self) -> float | None:
        return self.value / self.baseline if self.baseline else None

    @property
    def holds(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        held = self.value if self.baseline is None else self.ratio
        if self.bar is None or held is None:
            return None
        return held <= self.bar if self.at_most else held >= self.bar

    def document(self) -> dict[str, object]:
        return {
            "name": self.name,
            "value": self.value,
            "baseline": self.baseline,
            "ratio": self.ratio,
            "bar": self.bar,
            "holds": self.holds,
        }

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """The row of `document` and `at_most`."""
        return cls(*(document[name] for name in ("name", "value", "baseline", "bar", "at_most")))


class CouldNotRun(Exception):
    """A measurement in a process of its own ended with an error; the text is the end of what it said."""


def apart(module: str, folder: Path, *words: str) -> Iterator[Row]:
    """The rows that a module prints (`tell`) when it is run in a process of its own, with the folder and more words.

    A platform's project is loaded once a process: each measurement of one has its own.
    """
    line = [sys.executable, "-m", module, str(folder), *words]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CouldNotRun(done.stderr.strip()[-2000:])
    for row in json.loads(done.stdout.splitlines()[-1]):
        yield Row.read(row)


def tell(rows: Iterable[Row]) -> None:
    """Print rows for `apart`."""
    print(json.dumps([row.document() | {"at_most": row.at_most} for row in rows]))


def seconds(rounds: int, *runs: Callable[[], object]) -> list[float]:
    """The shortest time of each run, in seconds; the runs take turns, so that a slow moment hits all of them."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for place, run in enumerate(runs):
            gc.collect()
            began = time.perf_counter()
            run()
            best[place] = min(best[place], time.perf_counter() - began)
    return best


def prepared(rounds: int, *runs: tuple[Callable[[], Held], Callable[[Held], object]]) -> list[float]:
    """As `seconds`, of runs that each need something made anew: the first of a pair makes it, the second is timed."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for place, (prepare, run) in enumerate(runs):
            held = prepare()
            gc.collect()
            began = time.perf_counter()
            run(held)
            best[place] = min(best[place], time.perf_counter() - began)
    return best


def peak_mb(run: Callable[[], object]) -> float | None:
    """How many MB of memory a run needs at its peak beyond what was held before; None where Linux is not there."""
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        return None
    gc.collect()
    reset.write_text("5")
    before = status("VmRSS")
    run()
    return max(status("VmHWM") - before, 0) / MB


def status(name: str, process: int | str = "self") -> int:
    """What Linux says of a process's memory, in bytes: `VmRSS` now, `VmHWM` at its peak."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":")), 0)
