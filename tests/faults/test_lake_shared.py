"""One process writes, corrects, compacts and erases while others read: each read is of one state of the lake."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from meterhall.domain.readings import MISSING, DayBlock
from meterhall.lake import Lake, SeriesSpec

SERIES, MOST_DAYS, ROUND = 40, 60, 3
ERASED = 5000
"""A series beside them that comes and is erased: that removes files at once, also those a reader is at."""
FIRST = date(2026, 1, 1)
START = datetime(2026, 1, 1, tzinfo=UTC)
SPECS = [SeriesSpec(n, 3600) for n in range(SERIES)]
WRONG = 1000
"""What is too much in each value of a day until it is corrected."""
FOR_S = 4.0


def write(path: str) -> int:
    """Day after day, each corrected a little later; how many days."""
    lake, until, number = Lake(path, buckets=2, threads=1), time.monotonic() + FOR_S, 0
    for day in range(1, MOST_DAYS + 1):
        lake.append(_of_day(day, day + WRONG, 1), transaction=("writer", number := number + 1))
        if day % ROUND == 0:
            fixed = [block for one in range(day - ROUND + 1, day + 1) for block in _of_day(one, one, 2)]
            lake.append(fixed, transaction=("writer", number := number + 1))
            assert lake.compact()
            lake.erase([ERASED])
            if time.monotonic() > until and day > ROUND:
                break
    lake.close()
    return day


def _of_day(day: int, value: int, version: int) -> list[DayBlock]:
    values, known = np.full(24, value, np.int64), START + timedelta(days=100 + version)
    series = [*range(SERIES), *([ERASED] if version == 1 else [])]
    return [DayBlock(n, FIRST + timedelta(days=day - 1), values, None, known, version) for n in series]


def read(path: str, stop: str) -> tuple[int, int]:
    """Reads and checks until the file `stop` is there; how many reads, and how many different states were seen."""
    lake, before, reads, states = Lake(path, threads=1), [0] * MOST_DAYS, 0, 0
    cursor: str | None = None
    while not Path(stop).exists():
        days = checked_days(lake)
        changed, cursor = lake.changes(cursor, series_ids=range(SERIES))
        assert set(Counter(day for _, day in changed).values()) <= {SERIES}, "a change is of a whole commit"
        for at, (then, now) in enumerate(zip(before, days, strict=True)):
            assert now == then or (then, now) in _steps(at)
        states += days != before
        before, reads = days, reads + 1
    lake.close()
    return reads, states


def checked_days(lake: Lake) -> list[int]:
    """The value of each day, 0 where it is absent: the same for all series and hours, by reads and by sums."""
    end = START + timedelta(days=MOST_DAYS)
    found = np.stack([block.mantissas for block in lake.read(SPECS, START, end)]).reshape(SERIES, MOST_DAYS, 24)
    assert (found == found[:1, :, :1]).all(), "a mixture of two states"
    days = np.where(found[0, :, 0] == MISSING, 0, found[0, :, 0])
    group = lake.sum_group(SPECS, START, end, 3600)
    sums, counts = group.mantissas.reshape(MOST_DAYS, 24), group.counts.reshape(MOST_DAYS, 24)
    for at in range(MOST_DAYS):
        assert set(counts[at].tolist()) in ({0}, {SERIES})
        [total] = set(np.where(counts[at] == 0, 0, sums[at]).tolist())
        assert total in {SERIES * value for value in (0, at + 1, at + 1 + WRONG)}
    assert all(value in (0, at + 1, at + 1 + WRONG) for at, value in enumerate(days.tolist()))
    return [int(value) for value in days]


def _steps(at: int) -> set[tuple[int, int]]:
    """From what to what a day may go: never back to the wrong value, never away."""
    wrong, right = at + 1 + WRONG, at + 1
    return {(0, wrong), (0, right), (wrong, right)}


def test_readers_in_other_processes_see_whole_commits_while_one_writes_and_compacts(tmp_path: Path) -> None:
    path, stop = str(tmp_path / "lake"), tmp_path / "stop"
    Lake(path, buckets=2, threads=1).close()
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        readers = [pool.submit(read, path, str(stop)) for _ in range(3)]
        try:
            written = pool.submit(write, path).result(60)
        finally:
            stop.touch()
        seen = [reader.result(60) for reader in readers]
    assert all(reads > 3 and states > 1 for reads, states in seen), seen
    lake = Lake(path, threads=1)
    assert checked_days(lake) == [*range(1, written + 1), *[0] * (MOST_DAYS - written)]
    lake.close()
