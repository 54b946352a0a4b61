"""Deliveries over HTTP from a provider as it runs: how fast a part and a live answer come, and how soon a year of one
POD is told under load, read out of the lake each time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import SCALE, CouldNotRun, Row, apart, scaled, tell
from benchmarks.platforms import Provider, Served, gate, part_of, read_in, running, told_of
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope

if TYPE_CHECKING:
    from tests.platform.provider.conftest import World

A_PART, MANY, PODS = scaled(50, 2), scaled(1_000, 4), scaled(200, 2)
YEAR = Period(first=date(2025, 1, 1), until=date(2026, 1, 1))
MONTH = Period(first=date(2025, 3, 1), until=date(2025, 4, 1))
SCOPE = DataScope(granularities=("PT15M",), period=YEAR)
CONNECTIONS, LASTS_S, LISTENERS = 16, max(30 * SCALE, 2.0), 2
RATES = {5: 50.0, 2: None}
"""How often each connection asks in a second, and the p99 that is to be held then, ms."""


def deliveries(folder: Path) -> Iterator[Row]:
    """A year of 50 PODs as a Parquet part, a month of 1,000 as Green Button told at once, against ready blocks."""
    yield from apart("benchmarks.gates", folder, "deliveries")


def years(folder: Path) -> Iterator[Row]:
    """A year of one POD at a time, whichever: 16 connections, each asking 5 times a second, however long it takes; of a
    B2B listener a core."""
    yield from apart("benchmarks.gates", folder, "years")


NAMES = {
    "parquet": "A Parquet part",
    "espi part": "A Green Button (ESPI) part",
    "espi": "Live Green Button (ESPI)",
    "espi gzip": "Live Green Button (ESPI), gzip, unpacked",
}


def of_all(folder: Path) -> Iterator[Row]:
    with running(folder, _large) as provider:
        for what, name in NAMES.items():
            yield from gate(provider, what, name, 0.6)


def of_a_year(folder: Path) -> Iterator[Row]:
    with running(folder, _small, LISTENERS) as provider:
        for a_second, bar in RATES.items():
            took = _load(provider, a_second)
            what = f"One POD, one year, Arrow, live, {CONNECTIONS * a_second} requests/s"
            yield Row(f"{what}: p99, ms", _quantile(took, 0.99), bar=bar, at_most=True)
            yield Row(f"{what}: p50, ms", _quantile(took, 0.5))
            yield Row(f"{what}: the slowest of {len(took):,}, ms", max(took))


def _load(provider: Provider, a_second: int) -> list[float]:
    """Milliseconds of each request from the instant it was due; the requests come from a process of its own."""
    from tests.platform.provider.conftest import REQUESTER

    wanted = {
        "base": provider.base,
        "ports": provider.ports,
        "trust": str(provider.trust),
        "access_number": REQUESTER,
        "key": provider.key.to_bytes().hex(),
        "paths": [one.path for one in provider.parts.values()],
        "connections": CONNECTIONS,
        "a_second": a_second,
        "lasts_s": LASTS_S,
    }
    line = [sys.executable, "-m", "benchmarks.open_loop"]
    done = subprocess.run(line, input=json.dumps(wanted), capture_output=True, text=True, check=False)
    if done.returncode:
        raise CouldNotRun(done.stderr[-2000:])
    took: list[float] = json.loads(done.stdout)
    return took


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _large(world: World) -> Mapping[str, Served]:
    points = world.points(MANY)
    read_in(world, points[A_PART:], date(2025, 2, 28), MONTH.until)
    read_in(world, points[:A_PART], date(2024, 12, 31), YEAR.until)
    few, many = world.activated(points[:A_PART], SCOPE), world.activated(points, SCOPE)
    return {
        "parquet": part_of(world.deliver(few, period=YEAR, format="parquet")),
        "espi part": part_of(world.deliver(few, period=MONTH, format="espi")),
        "espi": told_of(many, MONTH, "espi"),
        "espi gzip": told_of(many, MONTH, "espi", coding="gzip"),
    }


def _small(world: World) -> Mapping[str, Served]:
    points = world.points(PODS)
    read_in(world, points, date(2024, 12, 31), YEAR.until)
    activation = world.activated(points, SCOPE)
    names = activation.items.values_list("pseudonym", flat=True)
    return {name: told_of(activation, YEAR, "arrow", name) for name in names}


if __name__ == "__main__":
    tell({"deliveries": of_all, "years": of_a_year}[sys.argv[2]](Path(sys.argv[1])))
