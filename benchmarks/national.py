"""A country for a day: a million PODs, each under a consent of its own, in one delivery, collected and verified; and a
year of ten thousand through the intake.

The platforms run as they are served, on SQLite. Points, consents and answers are put in at once (`placing`); everything
after that is what a request for data takes: the file is worked in, the request sent, the delivery built, every part
fetched through the gate, checked, stored, receipted, and both sides' statements compared.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from tests.e2e import town
from tests.e2e.town import Streets, descendants, parts_of, sign_contract, wait_for

from benchmarks import country
from benchmarks.measure import MB, CouldNotRun, Row, apart, scaled, status, tell
from benchmarks.placing import DAY, ZONE, pods

PODS, SLOTS = scaled(1_000_000, 100), 96
YEARLY, MONTHS = scaled(10_000, 20), scaled(12, 1)
MOST_MB = 4096.0
PATIENCE_S = 3 * 3600.0
LOOK_S = 0.2
KEYS = ("grid", "esco")


@dataclass
class Peaks:
    """The most memory that each process of the platforms holds (VmHWM, in MB) from entering to leaving."""

    streets: Streets
    found: dict[str, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Peaks:
        for key in KEYS:
            for number in descendants(self.streets[key]):
                Path(f"/proc/{number}/clear_refs").write_text("5")
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._look()
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        for key in KEYS:
            named = {number: part for part, number in parts_of(self.streets[key]).items()}
            for number in descendants(self.streets[key]):
                try:
                    held = status("VmHWM", number) / MB
                except OSError:
                    continue
                name = f"{key} {named.get(number) or _parent_name(number, named)}"
                self.found[name] = max(held, self.found.get(name, 0))


def _parent_name(number: int, named: dict[int, str]) -> str:
    """A listener's own child does its work."""
    parent = int((Path(f"/proc/{number}/stat").read_text()).rpartition(")")[2].split()[1])
    return named.get(parent, "supervisor")


def national(folder: Path) -> Iterator[Row]:
    """One delivery of a day of everybody, end to end."""
    with town.running(folder) as streets:
        town.settle(streets)
        activation = _activation(streets)
        _place(streets, folder, activation)
        with Peaks(streets) as taking:
            yield from _intake(streets, folder)
        yield from _memory("intake", taking)
        with Peaks(streets) as delivering:
            yield from _delivered(streets, activation)
        yield from _memory("delivery", delivering)


def _memory(what: str, peaks: Peaks) -> Iterator[Row]:
    for name, held in sorted(peaks.found.items()):
        yield Row(f"{PODS:,} PODs, one day: {what}, peak memory of {name}, MB", held, bar=MOST_MB, at_most=True)


def _activation(streets: Streets) -> dict[str, Any]:
    """A contract, and under it an activation that was answered; of one household that has still to be asked."""
    office = streets.office("esco")
    offer = {"offer_id": streets.offer["offer_id"], "offer_version": streets.offer["version"]}
    subscription = office.post("/subscriptions", offer)["subscription_id"]
    sign_contract(streets, subscription)
    wait_for("the contract", lambda: office.get(f"/subscriptions/{subscription}")["state"] == "active")
    scope = {"granularities": ["PT15M"], "period": DAY.document()}
    body = {"subscription_id": subscription, "scope": scope, "items": [{"pod": town.pod(0)}]}
    number = office.post("/activations", body)["id"]
    made: dict[str, Any] = wait_for(
        "the answer", lambda: one if (one := office.get(f"/activations/{number}"))["state"] == "waiting" else None
    )
    return made


def _place(streets: Streets, folder: Path, activation: dict[str, Any]) -> None:
    told = folder / "told.parquet"
    homes = {key: str(streets[key].home) for key in KEYS}
    _run("provider", homes["grid"], str(PODS), activation["remote_id"], str(told))
    _run("requester", homes["esco"], str(activation["id"]), str(told))


def _run(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.placing", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CouldNotRun(done.stderr[-2000:])
    return done.stdout


def _intake(streets: Streets, folder: Path) -> Iterator[Row]:
    file, office = folder / "day.parquet", streets.office("grid")
    rows = country.write_file(file, pods(PODS), DAY.first, DAY.until, ZONE)
    run = int(_run("readings", str(streets["grid"].home), str(file)))
    ended = wait_for(
        "the readings",
        lambda: one if (one := office.get(f"/readings/{run}"))["state"] in {"done", "dead"} else None,
        PATIENCE_S,
    )
    if ended["quarantined"] or ended["rows"] != rows:
        raise CouldNotRun(str(ended))
    began, done = (datetime.fromisoformat(ended[name]) for name in ("received_at", "finished_at"))
    yield Row(f"{PODS:,} PODs, one day: into the lake, M readings/s", rows / MB / (done - began).total_seconds())


def _delivered(streets: Streets, activation: dict[str, Any]) -> Iterator[Row]:
    """Request, build, collection with every check, and that both sides state the same of it."""
    office, grid = streets.office("esco"), streets.office("grid")
    asked_at, began = datetime.now(UTC), time.monotonic()
    body = {"activation": activation["id"], "period": DAY.document(), "granularity": "PT15M", "format": "parquet"}
    asked = office.post("/data-requests", body)["id"]
    name = wait_for("the request", lambda: office.get(f"/data-requests/{asked}").get("delivery_id"))
    wait_for("the manifest", lambda: _published(grid, name), PATIENCE_S)
    built = time.monotonic()
    ended = wait_for("the delivery", lambda: _ended(office, name), PATIENCE_S)
    if (ended["state"], ended["readings"]) != ("received", PODS * SLOTS):
        raise CouldNotRun(str({key: ended[key] for key in ("state", "code", "detail", "readings")}))
    whole, stored = time.monotonic() - began, datetime.fromisoformat(ended["settled_at"]) - asked_at
    of, readings = f"{PODS:,} PODs, one day", PODS * SLOTS / MB
    yield Row(f"{of}: from the request to both statements, s", whole)
    yield Row(f"{of}: built and published, s", built - began)
    yield Row(f"{of}: fetched, verified and stored after that, s", stored.total_seconds() - (built - began))
    yield Row(f"{of}: M readings/s end to end", readings / whole)


def _published(grid: Any, name: str) -> bool:
    found = next((one for one in grid.get("/deliveries", limit=10)["items"] if one["delivery_id"] == name), None)
    if found is not None and found["state"] == "refused":
        raise CouldNotRun(str(found))
    return found is not None and bool(found["version"])


def _ended(office: Any, name: str) -> dict[str, Any] | None:
    found = next((one for one in office.get("/deliveries", limit=10)["items"] if one["delivery_id"] == name), None)
    if found is not None and found["state"] in {"refused", "rejected"}:
        raise CouldNotRun(str(found)[:500])
    return found if found is not None and found.get("match") == "matched" else None


def year(folder: Path) -> Iterator[Row]:
    """Ten thousand PODs a year through the intake, a file a month."""
    yield from apart("benchmarks.national", folder)


def into_lake(folder: Path) -> Iterator[Row]:
    from benchmarks import homes
    from meterhall.domain.pods import demonstration_pod

    homes.provider(folder / "provider", zone="UTC")
    names = [demonstration_pod("IT", number).value for number in range(YEARLY)]
    homes.register(names, zone="UTC")
    file, readings, took = folder / "month.parquet", 0, 0.0
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    for first, until in list(country.months(date(2025, 1, 1), date(2026, 1, 1)))[:MONTHS]:
        readings += country.write_file(file, names, first, until)
        began = time.monotonic()
        homes.take(file, "PT15M")
        took += time.monotonic() - began
    files = list((folder / "provider" / "lake").rglob("*.parquet"))
    size = sum(one.stat().st_size for one in files)
    of = f"{YEARLY:,} PODs, {MONTHS} months ({readings / MB:,.0f} M readings) in monthly files"
    yield Row(f"{of}: into the lake, M readings/s", readings / MB / took)
    yield Row(f"{of}: peak memory, MB", (status("VmHWM") - before) / MB, bar=MOST_MB, at_most=True)
    yield Row(f"{of}: bytes a reading at rest / entropy", size / readings, _entropy_bytes(files), 1.25, True)


def _entropy_bytes(files: Iterable[Path]) -> float:
    """Bytes a value by the pooled first-order entropy of all values in these files, a row group at a time."""
    counts = np.zeros(1, np.int64)
    for file in files:
        opened = pq.ParquetFile(file)
        for group in range(opened.num_row_groups):
            values = opened.read_row_group(group, ["values"])["values"].combine_chunks().flatten().drop_null()
            found = np.bincount(values.to_numpy())
            counts = np.pad(counts, (0, max(len(found) - len(counts), 0)))
            counts[: len(found)] += found
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum() / 8)


if __name__ == "__main__":
    tell(into_lake(Path(sys.argv[1])))
