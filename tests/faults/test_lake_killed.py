"""A writer that is killed at any moment leaves each of its transactions in the lake wholly or not at all.

So does one that corrects and compacts; and what it leaves on disk that is in no version goes with time.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
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
from tests.faults import test_lake_killed
getattr(test_lake_killed, sys.argv[1])(sys.argv[2])
"""
WRONG = 1000
"""What is too much in each value of a day until it is corrected."""

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that can't be caught")


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


def correct_and_compact_for_ever(path: str) -> None:
    """Day after day: a commit with wrong values, one that corrects them, and a compaction, each said beforehand."""
    lake = Lake(path, buckets=2, threads=1)
    number = (lake.last_transaction("writer") or 0) + 1
    while True:
        print(number, flush=True)  # noqa: T201
        day = FIRST_DAY + timedelta(days=(number + 1) // 2)
        lake.append(_day(day, values_after(number)[-1], version=2 - number % 2), transaction=("writer", number))
        if number % 2 == 0:
            print("compact", flush=True)  # noqa: T201
            lake.compact()
        number += 1


def values_after(last: int) -> list[int]:
    """The value of each day after so many transactions of `correct_and_compact_for_ever`."""
    days = (last + 1) // 2
    return [*range(1, days), days + WRONG * (last % 2)] if days else []


def _day(day: date, value: int, version: int, series: Sequence[int] = range(SERIES)) -> list[DayBlock]:
    known = datetime(2026, 6, version, tzinfo=UTC)
    values = np.full(96, value, np.int64)
    return [DayBlock(n, day, values, None, known, version) for n in series]


def append_widely_for_ever(path: str) -> None:
    """A commit of a file in each bucket, again and again."""
    lake = Lake(path, threads=1)
    number = (lake.last_transaction("writer") or 0) + 1
    while True:
        day = FIRST_DAY + timedelta(days=number)
        lake.append(_day(day, number, 1, range(0, 8 * 1024, 1024)), transaction=("writer", number))
        number += 1


def started(writer: str, path: Path) -> subprocess.Popen[str]:
    """A process that writes until it is killed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITER, writer, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def kill(writer: subprocess.Popen[str]) -> None:
    writer.send_signal(signal.SIGKILL)
    writer.wait(30)
    assert writer.returncode == -signal.SIGKILL, "the writer ended before it was killed"


def killed_writer(path: Path, delay_s: float, does: str = "append_for_ever", once: str = "") -> int:
    """Runs a writer, kills it `delay_s` after it began its first transaction, or first said `once`; returns the last
    transaction it began."""
    with started(does, path) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline()]
        while once and said[-1].strip() != once:
            said.append(writer.stdout.readline())
        time.sleep(delay_s)
        kill(writer)
        said += writer.stdout.readlines()
    return max(int(line) for line in said if line.strip().isdigit())


def test_each_transaction_of_a_killed_writer_is_there_once_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "lake"
    for delay_s in (0.0, 0.013, 0.031, 0.057, 0.11):
        begun = killed_writer(path, delay_s)
        lake = Lake(path, threads=1, lock_timeout_s=5)
        last = lake.last_transaction("writer") or 0
        assert last in (begun - 1, begun)
        assert_whole(lake, range(1, last + 1))
        lake.close()


def test_a_killed_compaction_changes_nothing_and_the_next_one_goes_through(tmp_path: Path) -> None:
    path = tmp_path / "lake"
    for delay_s in (0.0, 0.004, 0.011, 0.023, 0.047, 0.09):
        begun = killed_writer(path, delay_s, "correct_and_compact_for_ever", once="compact")
        lake = Lake(path, threads=1, lock_timeout_s=5)
        last = lake.last_transaction("writer") or 0
        assert last in (begun - 1, begun)
        assert_whole(lake, values_after(last))
        lake.close()
    lake = Lake(path, threads=1, lock_timeout_s=5)
    lake.compact()
    assert [len(_files_of(lake)), lake.compact()] == [1, 0]
    assert_whole(lake, values_after(last))
    [wrong] = lake.read([SeriesSpec(0, 900)], *_first_days(1), as_known_at=datetime(2026, 6, 1, 12, tzinfo=UTC))
    assert set(wrong.mantissas[96:].tolist()) == {1 + WRONG}, "what was corrected is still known as it was"
    lake.close()


@pytest.mark.parametrize("kind", ["*.parquet", "*.parquet#*"], ids=["whole file", "half a file"])
def test_what_a_killed_commit_left_goes_after_a_week_and_nothing_that_is_in_the_lake(tmp_path: Path, kind: str) -> None:
    left = set[Path]()
    for number in range(60):
        path = tmp_path / f"lake-{number}"  # a small one is looked through while a file is half there
        Lake(path, buckets=8, threads=1).close()
        with started("append_widely_for_ever", path) as writer:
            before, until = set(path.rglob(kind)), time.monotonic() + 10
            while set(path.rglob(kind)) == before and time.monotonic() < until:
                assert writer.poll() is None
            kill(writer)
        lake = Lake(path, threads=1, lock_timeout_s=5)
        left = {file for file in path.rglob(kind) if "_delta_log" not in file.parts} - _files_of(lake)
        if left:
            break
        lake.close()
    assert left, "no writer was killed between its files and its commit"
    kept = lake.changes(None)[0]
    lake.compact()
    assert all(file.exists() for file in left), "a commit may be under way"
    _age(path, hours=6 * 24)
    lake.compact()
    assert all(file.exists() for file in left)
    _age(path, hours=8 * 24)
    lake.compact()
    assert not any(file.exists() for file in left)
    assert all(file.exists() for file in _files_of(lake))
    assert lake.changes(None)[0] == kept
    lake.close()


def test_erasing_removes_at_once_what_a_killed_commit_left(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", buckets=1, threads=1)
    lake.append(batch_of(1), transaction=("writer", 1))
    [whole] = _files_of(lake)
    orphans = [whole.with_name("part-00000-0.parquet"), whole.with_name("part-00001-0.parquet#1")]
    for orphan in orphans:
        orphan.write_bytes(whole.read_bytes())
    lake.erase([7])
    assert not any(orphan.exists() for orphan in orphans)
    lake.close()


def _files_of(lake: Lake) -> set[Path]:
    """The files of the newest version."""
    return {Path(file.path) for file in lake._table.snapshot().files}


def _age(path: Path, hours: float) -> None:
    """Let everything on disk be so old."""
    then = time.time() - hours * 3600
    for file in path.rglob("*"):
        os.utime(file, (then, then))


def _first_days(days: int) -> tuple[datetime, datetime]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return start, start + timedelta(days=days + 1)


def assert_whole(lake: Lake, values: Sequence[int]) -> None:
    """A day after the other is there for every series, with this value, and nothing else is."""
    changed, _ = lake.changes(None)
    per_day = Counter(day for _, day in changed)
    assert per_day == {FIRST_DAY + timedelta(days=n): SERIES for n in range(1, len(values) + 1)}
    start, end = _first_days(len(values))
    specs = [SeriesSpec(n, 900) for n in range(SERIES)]
    expected = np.repeat([MISSING, *values], 96)
    for block in lake.read(specs, start, end):
        assert np.array_equal(block.mantissas, expected)
    group = lake.sum_group(specs, start, end, 900)
    assert group.counts.tolist() == [0] * 96 + [SERIES] * (96 * len(values))
