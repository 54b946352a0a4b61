"""Both engines calculate alike: the embedded one, and Sail or Apache Spark over the same files, to the last bit.

Apache Spark takes part where `SPARK_HOME` names one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engines import Server, served

from meterhall.domain.readings import MISSING, Rows
from meterhall.domain.readings.resampling import SumOutOfRange, sums_of_rows
from meterhall.domain.readings.rows import SeriesSpec, epoch_us, matrices
from meterhall.lake import Lake
from meterhall.lake.embedded import EmbeddedEngine
from meterhall.lake.engine import Engine, EngineBlind, EngineUnavailable, FilesGone, Query, Span
from meterhall.lake.layout import Versions
from meterhall.lake.snapshot import Snapshot
from meterhall.lake.spark import SparkEngine, SparkMissing

START = datetime(2026, 3, 28, tzinfo=UTC)
END = START + timedelta(days=6)
FIRST = int(START.timestamp()) // 86_400
KNOWN = [datetime(2026, 4, day, tzinfo=UTC) for day in (5, 9, 12)]
SPECS = [
    SeriesSpec(1, 900),
    SeriesSpec(2, 900, signed=True),
    SeriesSpec(3, 900),
    SeriesSpec(2000, 3600, -2),
    SeriesSpec(5000, 300, 3),
    SeriesSpec(5001, 300, 3),
]
"""Of several buckets, resolutions and scales."""
ALIKE = [[1, 2, 3], [2000], [5000, 5001]]


@pytest.fixture(scope="module", params=["sail", "spark"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    yield from served(request.param)


@pytest.fixture(scope="module")
def sail() -> Iterator[Server]:
    yield from served("sail")


def readings(specs: list[SeriesSpec], days: int, seed: int, share: float) -> Rows:
    """Random values, some negative where allowed, some estimated, for a share of all slots, in random order."""
    chance = np.random.default_rng(seed)
    columns: list[tuple[int, int]] = []
    for spec in specs:
        columns += [(spec.id, int(START.timestamp()) + n * spec.resolution_s) for n in range(days * spec.slots_per_day)]
    chosen = np.array(columns, np.int64)[chance.permutation(len(columns))[: int(share * len(columns))]]
    values = chance.integers(0, 10**6, len(chosen))
    values[chosen[:, 0] == 2] -= 500_000
    return Rows(chosen[:, 0], chosen[:, 1], values, chance.choice([0, 0, 0, 8], len(chosen)).astype(np.uint8))


def filled(path: Path) -> Lake:
    """Gaps, whole and partial corrections, and days that only a later commit brought."""
    lake = Lake(path, buckets=3, threads=1)
    for number, (days, share) in enumerate([(4, 0.97), (6, 0.2), (2, 0.05)]):
        batch = readings(SPECS, days, number, share)
        lake.ingest(SPECS, batch, available_at=KNOWN[number], transaction=("a", number + 1))
    return lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    made = filled(tmp_path_factory.mktemp("a märkt place") / "lake")
    yield made
    made.close()


@pytest.fixture(scope="module")
def folder(lake: Lake) -> Path:
    return lake._table._root.parent


@pytest.fixture(scope="module")
def far(server: Server, folder: Path) -> Iterator[SparkEngine]:
    engine = SparkEngine(server.url, folder)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def near() -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine(threads=1)
    yield engine
    engine.close()


def same(one: Versions, other: Versions) -> bool:
    return all(
        a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
        for a, b in [
            (one.days.series_ids, other.days.series_ids),
            (one.days.days, other.days.days),
            (one.days.mantissas, other.days.mantissas),
            (one.days.quality, other.days.quality),
            (one.version, other.version),
            (one.available_us, other.available_us),
        ]
    )


def span(ids: list[int], first: int = 0, last: int = 6) -> Span:
    return Span(np.array(ids, np.int64), FIRST + first, FIRST + last)


def slots_of(ids: list[int]) -> int:
    return next(spec.slots_per_day for spec in SPECS if spec.id == ids[0])


@pytest.mark.parametrize("ids", ALIKE)
def test_the_newest_versions_are_the_same(lake: Lake, near: Engine, far: Engine, ids: list[int]) -> None:
    snapshot, slots = lake._table.snapshot(), slots_of(ids)
    mine = near.newest(snapshot, span(ids), slots)
    assert len(mine) == 6 * len(ids)
    assert (mine.version > 1).any()
    assert (mine.days.mantissas == MISSING).any()
    assert mine.days.quality.any()
    assert same(mine, far.newest(snapshot, span(ids), slots))
    assert same(near.newest(snapshot, span(ids, 1, 2), slots), far.newest(snapshot, span(ids, 1, 2), slots))


@pytest.mark.parametrize("known", [KNOWN[0] - timedelta(microseconds=1), *KNOWN])
def test_what_was_known_at_a_time_is_the_same(lake: Lake, near: Engine, far: Engine, known: datetime) -> None:
    snapshot = lake._table.snapshot()
    mine = near.newest(snapshot, span([1, 2, 3]), 96, epoch_us(known))
    assert same(mine, far.newest(snapshot, span([1, 2, 3]), 96, epoch_us(known)))
    assert set(mine.available_us.tolist()) <= {epoch_us(one) for one in KNOWN if one <= known}
    assert (len(mine) > 0) == (known >= KNOWN[0])


@pytest.mark.parametrize("ids", ALIKE)
def test_sums_and_counts_are_the_same(lake: Lake, near: Engine, far: Engine, ids: list[int]) -> None:
    snapshot, slots = lake._table.snapshot(), slots_of(ids)
    for per_slot in {1, 4, slots}:
        mine, theirs = (one.slot_sums(snapshot, span(ids), slots, per_slot) for one in (near, far))
        for a, b in zip(mine[:3], theirs[:3], strict=True):
            assert a.dtype == b.dtype == np.int64
            assert a.tolist() == b.tolist()
        assert mine.youngest_us is theirs.youngest_us is None, "nobody asked"
        assert mine[1].sum() < len(ids) * mine[1].size, "there are gaps"
        assert mine[0].any() or per_slot == slots


@pytest.mark.parametrize("known", [None, *KNOWN, KNOWN[0] - timedelta(days=1)])
@pytest.mark.parametrize("ids", [[1, 3], [2000], [5000, 5001]])
def test_the_largest_and_the_youngest_are_those_of_the_values(
    lake: Lake, near: Engine, far: Engine, ids: list[int], known: datetime | None
) -> None:
    snapshot, slots, wanted = lake._table.snapshot(), slots_of(ids), span([*ids, 9000])
    known_us = None if known is None else epoch_us(known)
    found = near.values(snapshot, wanted, slots, known_us)
    youngest = int(found.available_us.max()) if len(found.days) else None
    for per_slot in (1, 4) if len(found.days) else (1,):
        members = np.full((wanted.last_day - FIRST + 1, len(found.days), slots // per_slot), MISSING)
        members[found.days - FIRST, np.arange(len(found.days))] = sums_of_rows(found.mantissas, per_slot)
        there = members != MISSING
        expected = [np.where(there, members, 0).sum(axis=1), there.sum(axis=1)]
        expected.append(np.where(there, members, 0).max(axis=1, initial=0))
        for engine in (near, far):
            totals = engine.slot_sums(snapshot, wanted, slots, per_slot, known_us, largest=True)
            assert [one.tolist() for one in totals[:3]] == [one.tolist() for one in expected]
            assert totals.youngest_us == youngest
    for engine in (near, far):
        assert engine.members(snapshot, wanted, known_us) == len(set(found.series_ids.tolist()))
    assert (youngest is None) == (known is not None and known < KNOWN[0])


def test_the_embedded_engine_is_given_the_largest_file_first(lake: Lake, near: EmbeddedEngine) -> None:
    """It guesses from the first how many days there are."""
    files = lake._table.snapshot().files
    rows = {file.path: file.rows for file in files}
    given = near._run(Query("select unnest($files) as path", list(files)))["path"].to_pylist()
    assert sorted(given) == sorted(rows)
    assert [rows[path] for path in given] == sorted(rows.values(), reverse=True) != [file.rows for file in files]


@pytest.mark.parametrize("ids", ALIKE)
def test_the_series_that_lack_values_are_the_same(lake: Lake, near: Engine, far: Engine, ids: list[int]) -> None:
    snapshot, slots = lake._table.snapshot(), slots_of(ids)
    wanted = [*ids, 9000]
    for days, begin, end in ((span(wanted), 0, slots), (span(wanted, 1, 2), slots // 3, 5), (span(wanted, 3, 3), 2, 9)):
        mine = near.lacking(snapshot, days, slots, begin, end)
        assert mine == far.lacking(snapshot, days, slots, begin, end)
        assert mine[9000] == 0, "of it nothing was ever stored"
        assert days.first_day > FIRST or set(mine) == set(wanted)


def test_what_days_do_not_have_is_missing_and_not_an_error(lake: Lake, near: Engine, far: Engine) -> None:
    """A series that is stored by the hour, asked for as if it were by the quarter."""
    snapshot = lake._table.snapshot()
    mine, theirs = (one.slot_sums(snapshot, span([2000]), 96, 1) for one in (near, far))
    assert [one.tolist() for one in mine[:3]] == [one.tolist() for one in theirs[:3]]
    assert mine[1][:, :24].any()
    assert not mine[1][:, 24:].any()


def test_values_without_their_qualities_are_those_of_the_newest_versions(lake: Lake, near: Engine, far: Engine) -> None:
    snapshot = lake._table.snapshot()
    for known_us in (None, 1_775_700_000_000_000):
        newest = near.newest(snapshot, span([1, 3]), 96, known_us)
        for engine in (near, far):
            found = engine.values(snapshot, span([1, 3]), 96, known_us)
            order = np.lexsort((found.days, found.series_ids))
            assert found.series_ids[order].tolist() == newest.days.series_ids.tolist()
            assert found.days[order].tolist() == newest.days.days.tolist()
            assert found.mantissas[order].tolist() == newest.days.mantissas.tolist()
            assert found.available_us[order].tolist() == newest.available_us.tolist()


def in_order(found: Versions) -> Versions:
    order = np.lexsort((found.days.days, found.days.series_ids))
    return Versions(found.days.take(order), found.version[order], found.available_us[order])


def test_what_a_writer_asks_is_the_same(lake: Lake, near: Engine, far: Engine) -> None:
    snapshot = lake._table.snapshot()
    series, days = np.array([1, 1, 3, 9], np.int64), np.array([0, 5, 2, 2], np.int32) + FIRST
    mine, theirs = (in_order(one.held(snapshot, series, days, 96)) for one in (near, far))
    assert same(mine, theirs)
    held = near.held_versions(snapshot, series, days)
    assert set(held) == {(1, FIRST), (1, FIRST + 5), (3, FIRST + 2)}
    assert held == far.held_versions(snapshot, series, days)


def test_changes_are_the_same_and_in_order(lake: Lake, near: Engine, far: Engine) -> None:
    snapshot = lake._table.snapshot()
    for since in range(snapshot.sequence + 1):
        for ids in (None, [2, 5001, 77], []):
            wanted = None if ids is None else np.array(ids, np.int64)
            mine = near.changes(snapshot, since, wanted)
            assert mine == far.changes(snapshot, since, wanted)
            assert mine == sorted(set(mine))
    assert near.changes(snapshot, 0)[0] == (1, date(2026, 3, 28))


def test_a_lake_reads_and_sums_alike_with_either(lake: Lake, server: Server, folder: Path) -> None:
    with_far = Lake(folder, engine=SparkEngine(server.url, folder))
    assert "answers as Spark" in with_far.look()
    cut = START + timedelta(hours=7), END - timedelta(hours=5)
    for mine, theirs in zip(lake.read(SPECS, *cut), with_far.read(SPECS, *cut), strict=True):
        assert (mine.spec, mine.start, mine.available_at) == (theirs.spec, theirs.start, theirs.available_at)
        assert np.array_equal(mine.mantissas, theirs.mantissas)
        assert np.array_equal(mine.quality, theirs.quality)
    mine, theirs = (one.sum_group(SPECS, *cut, 3600) for one in (lake, with_far))
    assert mine.mantissas.tolist() == theirs.mantissas.tolist()
    assert mine.counts.tolist() == theirs.counts.tolist()
    assert (mine.scale, mine.members) == (theirs.scale, theirs.members)
    assert lake.changes(None) == with_far.changes(None)
    with_far.close()


def test_a_sum_that_int64_cannot_hold_wraps_on_neither(tmp_path: Path, server: Server) -> None:
    huge = [SeriesSpec(n, 900) for n in (1, 2)]
    lake = Lake(tmp_path, threads=1, engine=SparkEngine(server.url, tmp_path))
    start = int(START.timestamp())
    batch = Rows(np.array([1, 2]), np.full(2, start), np.full(2, 2**62), np.zeros(2, np.uint8))
    lake.put(list(matrices(huge, batch)), available_at=KNOWN[0], transaction=("a", 1))
    with pytest.raises(SumOutOfRange):
        lake.sum_group(huge, START, START + timedelta(hours=1), 900)
    lake.close()


def test_a_snapshot_stays_what_it_was(tmp_path: Path, server: Server, near: Engine) -> None:
    """What is committed after it, and what was never committed, is not there; what a compaction rewrote is the same."""
    lake, far = filled(tmp_path), SparkEngine(server.url, tmp_path)
    snapshot = lake._table.snapshot()
    before = far.newest(snapshot, span([1, 2, 3]), 96)
    beside = Path(snapshot.files[0].path)
    beside.with_name("part-uncommitted.parquet").write_bytes(beside.read_bytes())
    lake.ingest(SPECS, readings(SPECS, 6, 7, 0.5), available_at=KNOWN[2], transaction=("a", 9))
    later = lake._table.snapshot()
    lake.compact()
    assert same(before, far.newest(snapshot, span([1, 2, 3]), 96))
    assert same(near.newest(later, span([1, 2, 3]), 96), far.newest(later, span([1, 2, 3]), 96))
    compacted = lake._table.snapshot()
    assert len(compacted.files) < len(later.files)
    assert same(near.newest(later, span([1, 2, 3]), 96), far.newest(compacted, span([1, 2, 3]), 96))
    assert not same(before, far.newest(later, span([1, 2, 3]), 96))
    far.close()
    lake.close()


def test_files_that_were_erased_meanwhile_are_missed_by_both(tmp_path: Path, server: Server, near: Engine) -> None:
    lake = filled(tmp_path)
    far = SparkEngine(server.url, tmp_path)
    with_far = Lake(tmp_path, engine=far)
    old = lake._table.snapshot()
    assert len(far.newest(old, span([1, 2, 3]), 96)) == 18
    lake.erase([1])
    for engine in (near, far):
        with pytest.raises(FilesGone):
            engine.newest(old, span([1, 2, 3]), 96)
    first, second, _ = with_far.read(SPECS[:3], START, END)
    assert (first.mantissas == MISSING).all()
    assert (second.mantissas != MISSING).any()
    with_far.close()


def test_an_engine_that_does_not_see_the_files_is_not_believed(
    lake: Lake, server: Server, folder: Path, tmp_path: Path
) -> None:
    """Sail reads a file that is not there as an empty one."""
    elsewhere = Lake(folder, engine=SparkEngine(server.url, folder, seen_at=f"file://{tmp_path}/nowhere"))
    for ask in (elsewhere.look, lambda: elsewhere.changes(None), lambda: list(elsewhere.read(SPECS, START, END))):
        with pytest.raises(EngineBlind) as refused:
            ask()
        assert refused.value.retry_after_s
    elsewhere.close()


def test_the_engine_may_see_the_folder_elsewhere(lake: Lake, server: Server, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mnt").symlink_to(folder)
    elsewhere = Lake(folder, engine=SparkEngine(server.url, folder, seen_at=f"file://{tmp_path}/mnt/"))
    assert elsewhere.look().endswith(f"file://{tmp_path}/mnt")
    assert elsewhere.changes(None) == lake.changes(None)
    elsewhere.close()


def test_a_very_fine_series_and_very_many_members(tmp_path: Path, sail: Server) -> None:
    fine = [SeriesSpec(1, 60), SeriesSpec(2, 60)]
    starts = int(START.timestamp()) + 60 * np.arange(1440, dtype=np.int64)
    batch = Rows(np.repeat([1, 2], 1440), np.tile(starts, 2), np.arange(2880), np.zeros(2880, np.uint8))
    lake, far = Lake(tmp_path, threads=1), SparkEngine(sail.url, tmp_path)
    lake.ingest(fine, batch, available_at=KNOWN[0], transaction=("a", 1))
    many = Span(np.arange(1, 500_001), FIRST, FIRST)
    sums, counts, *_ = far.slot_sums(lake._table.snapshot(), many, 1440, 1)
    assert sums.tolist() == [[2 * n + 1440 for n in range(1440)]]
    assert set(counts.ravel().tolist()) == {2}
    far.close()
    lake.close()


def test_threads_share_an_engine(lake: Lake, near: Engine, sail: Server, folder: Path) -> None:
    far, snapshot = SparkEngine(sail.url, folder), lake._table.snapshot()
    asked = [span([series], 0, last) for series in (1, 2, 3) for last in range(6)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: far.newest(snapshot, one, 96), asked))
    assert all(same(near.newest(snapshot, one, 96), answer) for one, answer in zip(asked, answers, strict=True))
    far.close()


ROW = st.tuples(st.integers(1, 3), st.integers(0, 250), st.integers(0, 3), st.sampled_from([0, 8]))


@settings(max_examples=15, deadline=None)
@given(
    batches=st.lists(st.lists(ROW, max_size=30), max_size=4),
    hours=st.tuples(st.integers(0, 40), st.integers(1, 40)),
    known=st.one_of(st.none(), st.integers(0, 4)),
)
def test_whatever_is_in_the_lake_both_say_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    sail: Server,
    batches: list[list[tuple[int, int, int, int]]],
    hours: tuple[int, int],
    known: int | None,
) -> None:
    folder = tmp_path_factory.mktemp("lake")
    lake, with_far = Lake(folder, threads=1), Lake(folder, threads=1, engine=SparkEngine(sail.url, folder))
    quarterly = [SeriesSpec(n, 900) for n in (1, 2, 3)]
    for number, batch in enumerate(batches):
        last = {(series, slot): (value, quality) for series, slot, value, quality in batch}
        each = [(series, slot, *rest) for (series, slot), rest in last.items()]
        columns = np.array(each, np.int64).reshape(-1, 4).T
        starts = columns[1] * 900 + int(START.timestamp())
        given_rows = Rows(columns[0], starts, columns[2], columns[3].astype(np.uint8))
        at = KNOWN[0] + timedelta(days=number)
        lake.ingest(quarterly, given_rows, available_at=at, transaction=("a", number + 1))
    start = START + timedelta(hours=hours[0])
    end = start + timedelta(hours=hours[1])
    at = None if known is None else KNOWN[0] + timedelta(days=known)
    reads = [list(one.read(quarterly, start, end, as_known_at=at)) for one in (lake, with_far)]
    for mine, theirs in zip(*reads, strict=True):
        assert mine.mantissas.tolist() == theirs.mantissas.tolist()
        assert mine.quality.tolist() == theirs.quality.tolist()
        assert mine.available_at == theirs.available_at
    sums = [one.sum_group(quarterly, start, end, 3600) for one in (lake, with_far)]
    assert sums[0].mantissas.tolist() == sums[1].mantissas.tolist()
    assert sums[0].counts.tolist() == sums[1].counts.tolist()
    assert lake.changes(None) == with_far.changes(None)
    for one in (lake, with_far):
        one.close()


def test_an_engine_that_dies_is_named_and_found_again(tmp_path: Path) -> None:
    for server in served("sail"):
        lake = filled(tmp_path)
        with_far = Lake(tmp_path, engine=SparkEngine(server.url, tmp_path))
        expected = lake.changes(None)
        assert with_far.changes(None) == expected
        server.kill()
        with pytest.raises(EngineUnavailable) as refused:
            with_far.changes(None)
        assert (refused.value.status, refused.value.code) == (503, "engine_unavailable")
        assert refused.value.retry_after_s
        assert "connect" in refused.value.reason
        assert str(server.port) not in refused.value.detail
        done = with_far.ingest(SPECS, readings(SPECS, 6, 9, 0.5), available_at=KNOWN[2], transaction=("a", 9))
        assert done.written > 0, "a writer needs no distributed engine"
        server.start()
        assert with_far.changes(None) == lake.changes(None) != expected
        with_far.close()
        lake.close()


def test_a_session_the_engine_has_forgotten_is_opened_anew(lake: Lake, server: Server, folder: Path) -> None:
    far, snapshot = SparkEngine(server.url, folder), lake._table.snapshot()
    expected = far.changes(snapshot, 0)
    first = far._session
    first.client.release_session()
    assert far.changes(snapshot, 0) == expected
    far.close()
    assert far.changes(snapshot, 0) == expected, "a closed one connects again"
    far.close()


def test_without_the_client_an_address_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterhall.lake.spark.find_spec", lambda name: None)
    with pytest.raises(SparkMissing, match="pip install") as refused:
        SparkEngine("sc://127.0.0.1", tmp_path)
    assert refused.value.code == "spark_missing"


def test_the_embedded_engine_needs_nothing_of_the_client(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules |= {{"pyspark": None, "grpc": None}}
from meterhall.lake import Lake
print(Lake({str(tmp_path)!r}, threads=1).look())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("embedded, DuckDB")


def test_nobody_at_the_address(tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="the extra spark is not installed")
    lake = filled(tmp_path)
    nobody = SparkEngine("sc://127.0.0.1:1", tmp_path)
    for ask in (nobody.look, lambda snapshot: nobody.newest(snapshot, span([1, 2, 3]), 96)):
        with pytest.raises(EngineUnavailable):
            ask(lake._table.snapshot())
    empty = Snapshot(0, "none", 1, ())
    assert nobody.changes(empty, 0) == []
    lake.close()
