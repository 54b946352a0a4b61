import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from filelock import FileLock

from meterhall.domain.readings import MISSING, DayBlock
from meterhall.lake import CursorExpired, InvalidCursor, Lake, LakeBusy, ResolutionChanged, SeriesSpec, StaleVersion
from meterhall.lake.cursor import Cursor, parse_cursor

DAY = date(2026, 3, 1)
START = datetime(2026, 3, 1, tzinfo=UTC)
KNOWN = datetime(2026, 3, 5, tzinfo=UTC)
HOURLY = SeriesSpec(1, 3600)


def block(series_id: int, value: int, *, day: date = DAY, version: int = 1, known: datetime = KNOWN) -> DayBlock:
    return DayBlock(series_id, day, np.full(24, value, np.int64), None, known, version)


def first_value(lake: Lake, series_id: int = 1, *, day: date = DAY, known: datetime | None = None) -> int:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    (read,) = lake.read([SeriesSpec(series_id, 3600)], start, start + timedelta(days=1), as_known_at=known)
    return int(read.mantissas[0])


def test_a_day_comes_back_as_it_went_in(lake: Lake) -> None:
    values = np.arange(24, dtype=np.int64) - 3
    values[5] = MISSING
    lake.append([DayBlock(1, DAY, values, ((0, 20), (8, 4)), KNOWN)], transaction=("a", 1))
    (read,) = lake.read([HOURLY], START, START + timedelta(days=1))
    assert read.mantissas.tolist() == values.tolist()
    assert read.quality.tolist() == [0] * 20 + [8] * 4
    assert (read.spec, read.start, read.available_at) == (HOURLY, START, KNOWN)


def test_a_transaction_counts_once(lake: Lake) -> None:
    assert lake.last_transaction("a") is None
    first = lake.append([block(1, 5)], transaction=("a", 7))
    assert lake.append([block(1, 6, version=2)], transaction=("a", 7)) == first
    assert first_value(lake) == 5
    assert lake.last_transaction("a") == 7
    lake.append([block(1, 6, version=2)], transaction=("b", 7))
    assert first_value(lake) == 6


def test_an_empty_batch_still_records_its_transaction(lake: Lake) -> None:
    lake.append([], transaction=("a", 3))
    assert lake.last_transaction("a") == 3


def test_the_highest_version_counts_and_the_others_stay_answerable(lake: Lake) -> None:
    lake.append([block(1, 5), block(2, 50)], transaction=("a", 1))
    lake.append([block(1, 6, version=2, known=KNOWN + timedelta(days=1))], transaction=("a", 2))
    lake.append([block(1, 7, version=4, known=KNOWN + timedelta(days=3))], transaction=("a", 3))
    assert (first_value(lake), first_value(lake, 2)) == (7, 50)
    assert first_value(lake, known=KNOWN + timedelta(days=2)) == 6
    assert first_value(lake, known=KNOWN) == 5
    assert first_value(lake, known=KNOWN - timedelta(microseconds=1)) == MISSING


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_not_above_the_held_one_is_refused_and_nothing_of_its_batch_stays(lake: Lake, version: int) -> None:
    lake.append([block(1, 5, version=2)], transaction=("a", 1))
    with pytest.raises(StaleVersion):
        lake.append([block(2, 1), block(1, 6, version=version)], transaction=("a", 2))
    assert (first_value(lake), first_value(lake, 2), lake.last_transaction("a")) == (5, MISSING, 1)


def test_the_same_version_twice_in_a_batch_is_refused(lake: Lake) -> None:
    with pytest.raises(StaleVersion):
        lake.append([block(1, 5), block(1, 6)], transaction=("a", 1))


def test_two_handles_see_each_other(lake: Lake, tmp_path: Path) -> None:
    other = Lake(tmp_path / "lake", threads=1)
    lake.append([block(1, 5)], transaction=("a", 1))
    assert first_value(other) == 5
    other.append([block(1, 6, version=2)], transaction=("a", 2))
    assert (first_value(lake), lake.last_transaction("a")) == (6, 2)


def test_threads_append_side_by_side_and_lose_nothing(lake: Lake, tmp_path: Path) -> None:
    lakes = [lake, lake, Lake(tmp_path / "lake", threads=1)]
    threads = [
        threading.Thread(
            target=lambda n=n, each=each: [
                each.append([block(100 * n + i, i)], transaction=(f"writer-{n}", i)) for i in range(5)
            ]
        )
        for n, each in enumerate(lakes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lake.changes(None)[0]) == 15
    assert [first_value(lake, 100 * n + 4) for n in range(3)] == [4, 4, 4]


def test_a_second_writer_waits_and_then_says_so(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", threads=1, lock_timeout_s=0.05)
    with FileLock(tmp_path / "lake" / "writer.lock"), pytest.raises(LakeBusy):
        lake.append([block(1, 1)], transaction=("a", 1))
    lake.append([block(1, 1)], transaction=("a", 1))


def test_changes_name_each_new_or_corrected_day_once(lake: Lake) -> None:
    nothing, start = lake.changes(None)
    lake.append([block(1, 5), block(2, 5)], transaction=("a", 1))
    first, cursor = lake.changes(start)
    lake.append([block(2, 6, version=2), block(2, 6, day=DAY + timedelta(days=1))], transaction=("a", 2))
    lake.append([block(2, 7, version=3)], transaction=("a", 3))
    second, last = lake.changes(cursor)
    assert nothing == []
    assert first == [(1, DAY), (2, DAY)]
    assert second == [(2, DAY), (2, DAY + timedelta(days=1))]
    assert lake.changes(last) == ([], last)
    assert lake.changes(start, series_ids=[1])[0] == [(1, DAY)]
    assert lake.changes(start, series_ids=[])[0] == []


def test_compaction_and_erasure_leave_the_feed_and_the_versions_as_they_are(lake: Lake) -> None:
    for n in range(4):
        batch = [block(1, n, version=n + 1, known=KNOWN + timedelta(days=n)), block(10 + n, n)]
        lake.append(batch, transaction=("a", n))
    cursor = Cursor(parse_cursor(lake.changes(None)[1]).table_id, 2).encode()
    before = lake.changes(cursor)
    assert lake.compact() == 1
    assert lake.compact() == 0
    assert lake.changes(cursor) == before
    assert first_value(lake) == 3
    assert first_value(lake, known=KNOWN + timedelta(days=1)) == 1
    lake.erase([13])
    assert lake.changes(cursor)[0] == [(1, DAY), (12, DAY)]
    lake.append([block(14, 1)], transaction=("a", 9))
    assert lake.changes(before[1])[0] == [(14, DAY)]


def test_a_cursor_of_another_lake_has_expired(lake: Lake, tmp_path: Path) -> None:
    other = Lake(tmp_path / "other", threads=1)
    with pytest.raises(CursorExpired) as gone:
        lake.changes(other.changes(None)[1])
    assert (gone.value.status, gone.value.code) == (410, "cursor_expired")


def test_a_cursor_from_after_a_restored_backup_has_expired(lake: Lake) -> None:
    now = parse_cursor(lake.changes(None)[1])
    with pytest.raises(CursorExpired):
        lake.changes(Cursor(now.table_id, 1000).encode())


@pytest.mark.parametrize("text", ["", "?", "abc", "YTox\n", "Zm9v"])
def test_what_is_no_cursor_is_refused(lake: Lake, text: str) -> None:
    with pytest.raises(InvalidCursor):
        lake.changes(text)


def test_erased_series_are_in_no_file_any_more(lake: Lake, tmp_path: Path) -> None:
    for n in range(3):
        batch = [
            block(7, 70, version=n + 1),
            block(8, 80, version=n + 1),
            block(7, 1, day=DAY + timedelta(days=40 + n)),
        ]
        lake.append(batch, transaction=("a", n))
    lake.compact()
    assert 7 in series_on_disk(tmp_path)
    assert lake.erase([7, 999]) == 6
    assert series_on_disk(tmp_path) == {8}
    assert (first_value(lake), first_value(lake, 8)) == (MISSING, 80)
    assert lake.last_transaction("a") == 2
    lake.append([block(7, 71)], transaction=("a", 3))
    assert first_value(lake, 7) == 71


def test_the_log_keeps_no_statistics_of_series_or_values(lake: Lake, tmp_path: Path) -> None:
    lake.append([block(7_654_321, 1_234_567)], transaction=("a", 1))
    log = "".join(path.read_text() for path in tmp_path.rglob("_delta_log/*.json"))
    assert "maxValues" in log
    assert "7654321" not in log
    assert "1234567" not in log


def test_a_reader_whose_files_were_erased_goes_on_with_the_newest(lake: Lake, tmp_path: Path) -> None:
    lake.append([block(1, 5), block(2, 6)], transaction=("a", 1))
    stale = lake._table.snapshot()
    Lake(tmp_path / "lake", threads=1).erase([2])
    found = lake._retried(lambda snapshot: lake._engine.changes(snapshot, 0), stale)
    assert found == [(1, DAY)]


def test_another_resolution_is_another_series(lake: Lake) -> None:
    lake.append([block(1, 5)], transaction=("a", 1))
    with pytest.raises(ResolutionChanged):
        list(lake.read([SeriesSpec(1, 900)], START, START + timedelta(days=1)))


def test_the_table_is_plain_delta_in_the_stated_layout(lake: Lake, tmp_path: Path) -> None:
    lake.append([block(2000, 3), block(1, 5), block(1, 5, day=date(2026, 4, 1))], transaction=("a", 1))
    table = DeltaTable(tmp_path / "lake" / "readings")
    assert table.metadata().partition_columns == ["month", "bucket"]
    assert sorted((p["month"], p["bucket"]) for p in table.partitions()) == [
        ("2026-03", "0"),
        ("2026-03", "1"),
        ("2026-04", "0"),
    ]
    group = pq.ParquetFile(table.file_uris()[0]).metadata.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    values = columns["values.list.element"]
    assert (values.compression, "DELTA_BINARY_PACKED" in values.encodings) == ("ZSTD", True)


def series_on_disk(folder: Path) -> set[int]:
    """Every series id in every Parquet file there is, whether the table still names the file or not."""
    files = [path for path in folder.rglob("*.parquet") if "_delta_log" not in path.parts]
    return {n for path in files for n in pq.ParquetFile(path).read(["series_id"])["series_id"].to_pylist()}
