"""A writer that is killed at any moment leaves each of its transactions in the lake wholly or not at all."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from meterhall.domain.readings import MISSING, DayBlock
from meterhall.lake import Lake, SeriesSpec

SERIES = 50
FIRST_DAY = date(2026, 1, 1)

WRITER = """
import sys
from tests.faults.test_lake_killed import append_for_ever
append_for_ever(sys.argv[1])
"""


def batch_of(number: int) -> list[DayBlock]:
    """Transaction n brings day n of all series, with n as every value."""
    known = datetime(2026, 6, 1, tzinfo=UTC)
    values = np.full(96, number, np.int64)
    return [DayBlock(n, FIRST_DAY + timedelta(days=number), values, None, known) for n in range(SERIES)]


def append_for_ever(path: str) -> None:
    """Goes on after the last committed transaction, says what it begins, and starts each one twice."""
    lake = Lake(path, buckets=2, threads=1)
    number = (lake.last_transaction("writer") or 0) + 1
    while True:
        print(number, flush=True)  # noqa: T201
        lake.append(batch_of(number), transaction=("writer", number))
        lake.append(batch_of(number), transaction=("writer", number))
        number += 1


def killed_writer(path: Path, delay_s: float) -> int:
    """Runs a writer, kills it `delay_s` after its first transaction began, returns the last one it began."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(delay_s)
        writer.send_signal(signal.SIGKILL)
        begun = [first, *writer.stdout.readlines()]
    assert writer.returncode == -signal.SIGKILL, "the writer ended before it was killed"
    return int(begun[-1])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that can't be caught")
def test_each_transaction_of_a_killed_writer_is_there_once_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "lake"
    for delay_s in (0.0, 0.013, 0.031, 0.057, 0.11):
        begun = killed_writer(path, delay_s)
        lake = Lake(path, threads=1, lock_timeout_s=5)
        last = lake.last_transaction("writer") or 0
        assert last in (begun - 1, begun)
        assert_whole(lake, last)
        lake.close()


def assert_whole(lake: Lake, last: int) -> None:
    """Days 1 to `last` are there for every series, in exactly one version, and nothing else is."""
    changed, _ = lake.changes(None)
    per_day = Counter(day for _, day in changed)
    assert per_day == {FIRST_DAY + timedelta(days=n): SERIES for n in range(1, last + 1)}
    start = datetime(2026, 1, 1, tzinfo=UTC)
    specs = [SeriesSpec(n, 900) for n in range(SERIES)]
    expected = np.repeat([MISSING, *range(1, last + 1)], 96)
    for block in lake.read(specs, start, start + timedelta(days=last + 1)):
        assert np.array_equal(block.mantissas, expected)
    group = lake.sum_group(specs, start, start + timedelta(days=last + 1), 900)
    assert group.counts.tolist() == [0] * 96 + [SERIES] * (96 * last)
