from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhall.domain.readings import MISSING, GranularityUnavailable, LoadCurve, Rows, Series, resample, sum_curves
from meterhall.domain.readings.civil import zone_of
from meterhall.domain.readings.curves import MisalignedCurve
from meterhall.domain.readings.granularity import Granularity
from meterhall.domain.readings.resampling import SumOutOfRange, sums_of_rows
from meterhall.domain.readings.rows import epoch_us, matrices
from meterhall.lake import Lake, SeriesSpec
from meterhall.lake import lake as lake_module

START = datetime(2026, 3, 28, tzinfo=UTC)
KNOWN = datetime(2026, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 4, 9, tzinfo=UTC)
QUARTERLY = [SeriesSpec(n, 900) for n in range(1, 4)]
MIXED = [SeriesSpec(1, 900, 0), SeriesSpec(2, 1800, -1), SeriesSpec(3, 3600, 3), SeriesSpec(4, 900, 0)]


def rows(*each: tuple[int, int, int, int]) -> Rows:
    """Rows of (series, quarter hours after START, value, quality)."""
    columns = np.array(each, np.int64).reshape(-1, 4).T
    starts = columns[1] * 900 + int(START.timestamp())
    return Rows(columns[0], starts, columns[2], columns[3].astype(np.uint8))


def whole(specs: list[SeriesSpec], days: int, seed: int = 0, share: float = 1.0) -> Rows:
    """Random values for a share of all slots of these series, in random order."""
    chance = np.random.default_rng(seed)
    each = [(spec.id, n) for spec in specs for n in range(0, 96 * days, spec.resolution_s // 900)]
    chosen = [(*each[n], int(chance.integers(0, 500)), 0) for n in chance.permutation(len(each))]
    return rows(*chosen[: int(share * len(chosen))])


def curves(lake: Lake, specs: list[SeriesSpec], days: int) -> list[LoadCurve]:
    return [
        LoadCurve(Series(str(spec.id), spec.resolution_s, scale=spec.scale), start, mantissas, quality, known or KNOWN)
        for spec, start, mantissas, quality, known in lake.read(specs, START, START + timedelta(days=days))
    ]


@pytest.mark.parametrize("share", [1.0, 0.7, 0.001])
def test_a_table_has_what_reading_series_by_series_finds(lake: Lake, share: float) -> None:
    lake.ingest(QUARTERLY, whole(QUARTERLY, 3, share=share), available_at=KNOWN, transaction=("t", 1))
    lake.ingest(QUARTERLY[1:2], whole(QUARTERLY[1:2], 1, seed=5), available_at=LATER, transaction=("t", 2))
    start, end = START + timedelta(hours=5), START + timedelta(days=2, minutes=15)
    wanted = [QUARTERLY[2], QUARTERLY[0], QUARTERLY[1]]
    for known_at in (None, KNOWN):
        blocks = list(lake.read(wanted, start, end, as_known_at=known_at))
        table = lake.table(wanted, start, end, 900, as_known_at=known_at)
        hours = lake.table(wanted, start, end - timedelta(minutes=15), 3600, as_known_at=known_at)
        assert hours.mantissas.tolist() == sums_of_rows(table.mantissas[:, :-1], 4).tolist()
        assert hours.available_us.tolist() == table.available_us.tolist()
        assert table.mantissas.tolist() == [block.mantissas.tolist() for block in blocks]
        never = np.iinfo(np.int64).min
        known = [never if block.available_at is None else epoch_us(block.available_at) for block in blocks]
        assert table.available_us.tolist() == known
    with pytest.raises(MisalignedCurve):
        lake.table(MIXED, start, end, 3600)
    with pytest.raises(GranularityUnavailable):
        lake.table(MIXED[2:3], START, end - timedelta(minutes=15), 900)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 9), st.sampled_from([0.0, 0.9, 0.995, 1.0]), st.integers(0, 200), st.integers(1, 288))
def test_series_that_lack_values_are_those_that_reading_finds(
    tmp_path_factory: pytest.TempPathFactory, seed: int, share: float, first: int, hours: int
) -> None:
    start = START + timedelta(hours=first % 48)
    end = start + timedelta(hours=hours % 48 + 1)
    lake = Lake(tmp_path_factory.mktemp("lake"), threads=1)
    batch = whole(MIXED[:3], 3, seed, share)
    lake.ingest(MIXED, batch, available_at=KNOWN, transaction=("a", 1))
    lake.ingest(MIXED, rows((1, 7, 3, 0), (3, 4 * first, 8, 0)), available_at=LATER, transaction=("a", 2))
    there = {spec.id: 0 for spec in MIXED}
    for block in lake.read(sorted(MIXED, key=lambda one: one.resolution_s), start, end):
        there[block.spec.id] += int((block.mantissas != MISSING).sum())
    wanted = {spec.id: int((end - start).total_seconds()) // spec.resolution_s for spec in MIXED}
    assert lake.lacking(MIXED, start, end) == {one: count for one, count in there.items() if count < wanted[one]}
    assert lake.lacking(MIXED, start, start) == {}
    with pytest.raises(MisalignedCurve):
        lake.lacking(MIXED, start + timedelta(minutes=7), end)
    lake.close()


def test_minutes_of_a_day_are_counted(lake: Lake) -> None:
    spec = SeriesSpec(1, 60)
    starts = np.arange(1440) * 60 + int(START.timestamp())
    batch = Rows(np.full(1440, 1), starts, np.full(1440, 2), np.zeros(1440, np.uint8))
    lake.ingest([spec], batch, available_at=KNOWN, transaction=("a", 1))
    assert lake.lacking([spec], START, START + timedelta(days=1)) == {}
    assert lake.lacking([spec], START + timedelta(hours=1), START + timedelta(hours=25)) == {1: 1380}


def test_ingest_stores_good_rows_and_returns_the_others(lake: Lake) -> None:
    done = lake.ingest(
        QUARTERLY,
        rows((1, 0, 5, 0), (1, 1, -5, 0), (2, 100, 7, 8)),
        available_at=KNOWN,
        transaction=("a", 1),
    )
    assert (done.applied, done.written, done.unchanged) == (True, 2, 0)
    assert [(row, rule.id) for row, rule in done.quarantine] == [(1, "V1")]
    first, second, third = lake.read(QUARTERLY, START, START + timedelta(days=2))
    assert np.flatnonzero(first.mantissas != MISSING).tolist() == [0]
    assert (second.mantissas[100], second.quality[100]) == (7, 8)
    assert (third.available_at, bool((third.mantissas == MISSING).all())) == (None, True)


def test_ingest_again_changes_nothing(lake: Lake) -> None:
    batch = whole(QUARTERLY, 2)
    first = lake.ingest(QUARTERLY, batch, available_at=KNOWN, transaction=("a", 1))
    again = lake.ingest(QUARTERLY, batch, available_at=LATER, transaction=("a", 1))
    resent = lake.ingest(QUARTERLY, batch, available_at=LATER, transaction=("a", 2))
    assert (first.written, again.applied, again.commit) == (6, False, first.commit)
    assert (resent.applied, resent.written, resent.unchanged) == (True, 0, 6)
    assert lake.changes(None)[1] == lake.changes(lake.changes(None)[1])[1]


def test_a_correction_makes_one_new_day_and_leaves_the_rest(lake: Lake) -> None:
    lake.ingest(QUARTERLY, whole(QUARTERLY, 3), available_at=KNOWN, transaction=("a", 1))
    before = curves(lake, QUARTERLY, 3)
    _, cursor = lake.changes(None)
    done = lake.ingest(QUARTERLY, rows((2, 100, 9999, 8)), available_at=LATER, transaction=("a", 2))
    after = curves(lake, QUARTERLY, 3)
    assert (done.written, done.unchanged) == (1, 0)
    assert lake.changes(cursor)[0] == [(2, START.date() + timedelta(days=1))]
    assert (after[1].mantissas[100], after[1].quality[100], after[1].available_at) == (9999, 8, LATER)
    differs = [np.flatnonzero(a.mantissas != b.mantissas).tolist() for a, b in zip(before, after, strict=True)]
    assert differs == [[], [100], []]
    known = list(lake.read(QUARTERLY, START, START + timedelta(days=3), as_known_at=KNOWN))
    assert all(np.array_equal(a.mantissas, b.mantissas) for a, b in zip(before, known, strict=True))


ROW = st.tuples(st.integers(1, 3), st.integers(0, 250), st.integers(0, 3))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 250), st.integers(0, 3)), max_size=30), max_size=4)
)
def test_the_last_word_on_each_slot_counts(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, int, int]]]
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"), threads=1)
    expected: dict[tuple[int, int], int] = {}
    for number, batch in enumerate(batches):
        last = {(series, slot): value for series, slot, value in batch}
        each = [(series, slot, value, 0) for (series, slot), value in last.items()]
        lake.ingest(QUARTERLY, rows(*each), available_at=KNOWN + timedelta(days=number), transaction=("a", number))
        expected |= last
    stored = {
        (curve.spec.id, int(slot)): int(curve.mantissas[slot])
        for curve in lake.read(QUARTERLY, START, START + timedelta(days=3))
        for slot in np.flatnonzero(curve.mantissas != MISSING)
    }
    lake.close()
    assert stored == expected


def test_a_read_is_cut_to_the_period_and_bounded_in_memory(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.ingest(QUARTERLY, whole(QUARTERLY, 5), available_at=KNOWN, transaction=("a", 1))
    start, end = START + timedelta(hours=23), START + timedelta(days=4, minutes=15)
    at_once = list(lake.read(QUARTERLY, start, end))
    monkeypatch.setattr(lake_module, "BLOCK_SLOTS", 2 * 96)
    in_parts = list(lake.read(QUARTERLY, start, end))
    assert [len(block.mantissas) for block in at_once] == [4 + 3 * 96 + 1] * 3
    assert [block.spec.id for block in in_parts] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert max(len(block.mantissas) for block in in_parts) <= 2 * 96
    for one, parts in zip(at_once, zip(*[iter(in_parts)] * 3, strict=True), strict=True):
        assert parts[0].start == start
        assert np.array_equal(one.mantissas, np.concatenate([part.mantissas for part in parts]))


def test_reading_nothing(lake: Lake) -> None:
    assert list(lake.read([], START, START + timedelta(days=1))) == []
    assert list(lake.read(QUARTERLY, START, START)) == []


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START + timedelta(minutes=5), START + timedelta(days=1)),
        (START, START + timedelta(days=1, seconds=1)),
        (START + timedelta(days=1), START),
        (START.replace(tzinfo=None), START),
    ],
)
def test_a_period_that_cuts_a_slot_is_refused(lake: Lake, start: datetime, end: datetime) -> None:
    with pytest.raises(MisalignedCurve):
        list(lake.read(QUARTERLY, start, end))
    with pytest.raises(MisalignedCurve):
        lake.sum_group(QUARTERLY, start, end, 900)


@pytest.mark.parametrize("share", [1.0, 0.97])
@pytest.mark.parametrize("resolution_s", [3600, 7200, 86_400])
def test_the_sum_in_sql_is_the_sum_of_the_curves(lake: Lake, resolution_s: int, share: float) -> None:
    lake.ingest(MIXED, whole(MIXED, 3, share=share), available_at=KNOWN, transaction=("a", 1))
    lake.ingest(MIXED, rows((1, 4, 77, 8), (4, 200, 88, 0)), available_at=LATER, transaction=("a", 2))
    group = lake.sum_group(MIXED, START, START + timedelta(days=3), resolution_s)
    zone = zone_of("UTC")
    coarse = [resample(curve, Granularity(resolution_s), zone).load_curve() for curve in curves(lake, MIXED, 3)]
    expected = sum_curves(coarse)
    assert group.mantissas.tolist() == expected.mantissas.tolist()
    assert group.counts.tolist() == expected.counts.tolist()
    assert group.edges.tolist() == expected.edges.tolist()
    assert (group.scale, group.members) == (-1, 4)
    assert (share < 1) == bool((group.mantissas == MISSING).any())


@pytest.mark.parametrize("share", [1.0, 0.97, 0.001])
@pytest.mark.parametrize("resolution_s", [900, 3600])
def test_totals_are_those_of_the_table(lake: Lake, resolution_s: int, share: float) -> None:
    lake.ingest(QUARTERLY, whole(QUARTERLY, 3, share=share), available_at=KNOWN, transaction=("a", 1))
    lake.ingest(QUARTERLY, rows((1, 40, 9000, 8)), available_at=LATER, transaction=("a", 2))
    start, end = START + timedelta(hours=5), START + timedelta(days=2, hours=2)
    for known_at in (None, KNOWN):
        table = lake.table(QUARTERLY, start, end, 900, as_known_at=known_at)
        values = sums_of_rows(table.mantissas, resolution_s // 900)
        there = np.where(values == MISSING, 0, values)
        found = lake.totals(QUARTERLY[::-1], start, end, resolution_s, as_known_at=known_at)
        assert found.sums.tolist() == there.sum(axis=0).tolist()
        assert found.counts.tolist() == (values != MISSING).sum(axis=0).tolist()
        assert found.largest.tolist() == there.max(axis=0).tolist()
        assert found.members == int((table.available_us > np.iinfo(np.int64).min).sum())
        assert found.known_us == table.available_us.max()


def test_totals_of_nothing_and_of_what_is_not_alike(lake: Lake) -> None:
    end = START + timedelta(days=1)
    found = lake.totals(QUARTERLY, START, end, 3600)
    assert [set(one.tolist()) for one in found[:3]] == [{0}] * 3
    assert (found.members, found.known_us) == (0, np.iinfo(np.int64).min)
    assert lake.totals(QUARTERLY, START, START, 900).sums.size == 0
    for specs in ([], MIXED, [SeriesSpec(1, 900, 0), SeriesSpec(2, 900, 1)]):
        with pytest.raises(MisalignedCurve):
            lake.totals(specs, START, end, 3600)
    with pytest.raises(GranularityUnavailable):
        lake.totals(MIXED[2:3], START, end, 900)


def test_a_series_given_twice_is_one_member(lake: Lake) -> None:
    lake.ingest(QUARTERLY, whole(QUARTERLY, 1), available_at=KNOWN, transaction=("a", 1))
    group = lake.sum_group([*QUARTERLY, QUARTERLY[0]], START, START + timedelta(days=1), 900)
    assert (group.members, set(group.counts.tolist())) == (3, {3})


def test_a_very_fine_series_is_summed_in_several_queries(lake: Lake) -> None:
    fine = [SeriesSpec(1, 60), SeriesSpec(2, 60)]
    starts = int(START.timestamp()) + 60 * np.arange(1440, dtype=np.int64)
    batch = Rows(np.repeat([1, 2], 1440), np.tile(starts, 2), np.arange(2880), np.zeros(2880, np.uint8))
    lake.ingest(fine, batch, available_at=KNOWN, transaction=("a", 1))
    group = lake.sum_group(fine, START, START + timedelta(days=1), 60)
    assert group.mantissas.tolist() == [2 * n + 1440 for n in range(1440)]


def test_a_group_without_data_is_missing_not_zero(lake: Lake) -> None:
    group = lake.sum_group(QUARTERLY, START, START + timedelta(hours=1), 900)
    assert group.mantissas.tolist() == [MISSING] * 4
    assert group.counts.tolist() == [0] * 4


def test_a_finer_sum_than_stored_is_unavailable(lake: Lake) -> None:
    with pytest.raises(GranularityUnavailable):
        lake.sum_group(MIXED, START, START + timedelta(days=1), 900)
    with pytest.raises(MisalignedCurve):
        lake.sum_group([], START, START + timedelta(days=1), 900)


def test_a_sum_that_int64_cannot_hold_is_refused(lake: Lake, tmp_path: Path) -> None:
    huge = [SeriesSpec(n, 900) for n in (1, 2)]
    days = matrices(huge, rows((1, 0, 2**62, 0), (2, 0, 2**62, 0)))
    lake.put(list(days), available_at=KNOWN, transaction=("a", 1))
    with pytest.raises(SumOutOfRange):
        lake.sum_group(huge, START, START + timedelta(hours=1), 900)


@given(st.integers(0, 2**32), st.sampled_from([1, 2, 4, 96]), st.booleans())
def test_sums_of_rows_are_those_of_each_curve(seed: int, parts: int, holes: bool) -> None:
    chance = np.random.default_rng(seed)
    values = chance.integers(-500, 500, (3, 96))
    if holes:
        values[chance.random((3, 96)) < 0.05] = MISSING
    sums = sums_of_rows(values, parts)
    for row, found in zip(values, sums, strict=True):
        curve = LoadCurve(Series("u", 900), START, row, np.zeros(96, np.uint8), KNOWN)
        wanted = resample(curve, Granularity(900 * parts), zone_of("UTC")).mantissas
        assert found.tolist() == wanted.tolist()


def test_sums_of_rows_beyond_int64_are_refused() -> None:
    with pytest.raises(SumOutOfRange):
        sums_of_rows(np.full((1, 4), 2**61), 4)
