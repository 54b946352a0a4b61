"""What is sought in row groups is what the engine's query gives, whatever was corrected and whenever it was known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterhall.domain.readings.days import EPOCH_DAY
from meterhall.domain.readings.rows import Rows, SeriesSpec, epoch_us
from meterhall.lake import Lake, seeking
from meterhall.lake.embedded import EmbeddedEngine
from meterhall.lake.engine import Engine, FilesGone, Span
from meterhall.lake.seeking import Footers, sought

FIRST, SERIES, DAYS = datetime(2026, 1, 30, tzinfo=UTC), 80, 40
KNOWN = [FIRST + timedelta(days=100 + number) for number in range(3)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Hours of many series over two months: a first version of all, then a second and a third of some."""
    lake = Lake(tmp_path_factory.mktemp("seeking") / "lake", buckets=2)
    chance = np.random.default_rng(7)
    for number, known in enumerate(KNOWN):
        ids = np.arange(SERIES) if not number else chance.choice(SERIES, 25, replace=False)
        lake.ingest(
            [SeriesSpec(int(one), 3600) for one in ids],
            _rows(chance, ids, DAYS if not number else 33),
            available_at=known,
            transaction=("test", number + 1),
        )
        if number == 1:
            lake.compact()
    yield lake
    lake.close()


def _rows(chance: np.random.Generator, ids: np.ndarray, days: int) -> Rows:
    starts = int(FIRST.timestamp()) + 3600 * np.arange(days * 24)
    series = np.repeat(ids.astype(np.int64), len(starts))
    values = chance.integers(0, 5000, len(series))
    there = chance.random(len(series)) < 0.95
    return Rows(
        series[there], np.tile(starts, len(ids))[there], values[there],
        chance.choice([0, 8, 17], len(series)).astype(np.uint8)[there],
    )  # fmt: skip


spans = st.tuples(
    st.sets(st.integers(0, SERIES + 2), min_size=1, max_size=seeking.FEW),
    st.integers(0, DAYS), st.integers(0, DAYS), st.sampled_from([None, *KNOWN, KNOWN[0] - timedelta(days=1)]),
)  # fmt: skip


@given(spans)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_it_is_what_the_query_gives(filled: Lake, drawn: tuple[set[int], int, int, datetime | None]) -> None:
    ids, one, other, known = drawn
    first = (FIRST.date() - EPOCH_DAY).days
    span = Span(np.array(sorted(ids), np.int64), first + min(one, other), first + max(one, other))
    known_us = None if known is None else epoch_us(known)
    snapshot, engine = filled._table.snapshot(), filled._embedded
    files = snapshot.covering(span.series_ids.tolist(), span.first_day, span.last_day)
    assert sought(Footers(), files, span, known_us) is not None, "it is not left to the query"
    ours = engine.newest(snapshot, span, 24, known_us)
    theirs = Engine.newest(engine, snapshot, span, 24, known_us)
    assert ours.version.tolist() == theirs.version.tolist()
    assert ours.available_us.tolist() == theirs.available_us.tolist()
    for name in ("series_ids", "days", "mantissas", "quality"):
        assert np.array_equal(getattr(ours.days, name), getattr(theirs.days, name)), name


def test_there_are_several_versions_and_row_groups_to_seek_in(filled: Lake) -> None:
    files = filled._table.snapshot().files
    assert max(file.newest_version for file in files) > 1
    assert max(pq.read_metadata(file.path).num_row_groups for file in files) > 2


def test_many_series_and_many_rows_are_left_to_the_engine(filled: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    files = list(filled._table.snapshot().files)
    first = (FIRST.date() - EPOCH_DAY).days
    few, many = (Span(np.arange(count), first, first + DAYS) for count in (seeking.FEW, seeking.FEW + 1))
    assert sought(Footers(), files, few, None) is not None
    assert sought(Footers(), files, many, None) is None
    monkeypatch.setattr(seeking, "MOST_ROWS", 100)
    assert sought(Footers(), files, few, None) is None


def test_a_file_that_was_cleared_away_is_told(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    chance = np.random.default_rng(1)
    lake.ingest([SeriesSpec(1, 3600)], _rows(chance, np.array([1]), 2), available_at=KNOWN[0], transaction=("test", 1))
    files, span = list(lake._table.snapshot().files), Span(np.array([1]), 0, 50_000)
    footers = Footers()
    assert sought(footers, files, span, None) is not None
    lake.erase([1])
    with pytest.raises(FilesGone):
        sought(footers, files, span, None)
    with pytest.raises(FilesGone):
        sought(Footers(), files, span, None)
    lake.close()


def test_the_ends_of_few_files_are_kept(filled: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [file.path for file in filled._table.snapshot().files]
    monkeypatch.setattr(seeking, "KEPT_GROUPS", 3)
    footers = Footers()
    for path in files * 2:
        footers.of(path)
    assert 1 <= len(footers._kept) < len(files)
    assert footers._groups == sum(one.metadata.num_row_groups for one in footers._kept.values())


def test_the_embedded_engine_uses_it() -> None:
    assert EmbeddedEngine.newest is not Engine.newest
