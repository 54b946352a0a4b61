"""How things are measured: in interleaved rounds, the best of each; and what one line of the result is."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `ratio` is value / baseline; `bar` the least (`at_most`: the largest) ratio that is good enough."""

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
        if self.bar is None or self.ratio is None:
            return None
        return self.ratio <= self.bar if self.at_most else self.ratio >= self.bar

    def document(self) -> dict[str, object]:
        return {
            "name": self.name,
            "value": self.value,
            "baseline": self.baseline,
            "ratio": self.ratio,
            "bar": self.bar,
            "holds": self.holds,
        }


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


def peak_mb(run: Callable[[], object]) -> float | None:
    """How many MB of memory a run needs at its peak beyond what was held before; None where Linux is not there."""
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        return None
    gc.collect()
    reset.write_text("5")
    before = _status("VmRSS")
    run()
    return max(_status("VmHWM") - before, 0) / MB


def _status(name: str) -> int:
    """Bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))
