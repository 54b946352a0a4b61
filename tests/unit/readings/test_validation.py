from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.readings import MISSING, LoadCurve, Rows, Rule, Series, SeriesSpec, gaps, validate
from meterhall.domain.readings.curves import MisalignedCurve
from meterhall.domain.readings.rows import MANTISSA_MAX
from meterhall.domain.readings.rows import matrices as days_from

SPECS = [SeriesSpec(1, 900, maximum=1000), SeriesSpec(2, 3600, signed=True, maximum=1000), SeriesSpec(10**12, 900)]


def rows(*each: tuple[int, int, int, int]) -> Rows:
    columns = np.array(each, np.int64).reshape(-1, 4).T
    return Rows(columns[0], columns[1], columns[2], columns[3].astype(np.uint8))


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ((1, 0, -1, 0), "V1"),
        ((1, 0, 1001, 0), "V2"),
        ((2, 0, -1001, 0), "V2"),
        ((10**12, 0, MANTISSA_MAX + 1, 0), "V14"),
        ((1, 0, MISSING, 0), "V3"),
        ((1, 450, 1, 0), "V6"),
        ((2, 900, 1, 0), "V6"),
        ((1, 0, 1, 3), "V8"),
        ((1, -900, 1, 0), "V9"),
        ((1, 7_258_118_400, 1, 0), "V9"),
    ],
)
def test_each_rule_keeps_its_row_out(row: tuple[int, int, int, int], rule: str) -> None:
    accepted, quarantine = validate(SPECS, rows((1, 9000, 5, 0), row))
    assert len(accepted) == 1
    assert [(place, reason.id) for place, reason in quarantine] == [(1, rule)]


@pytest.mark.parametrize("row", [(1, 0, 0, 0), (1, 0, 1000, 19), (2, 3600, -5, 8), (10**12, 900, MANTISSA_MAX, 0)])
def test_a_good_row_passes(row: tuple[int, int, int, int]) -> None:
    accepted, quarantine = validate(SPECS, rows(row))
    assert (len(accepted), len(quarantine)) == (1, 0)


def test_of_equal_rows_the_first_stays() -> None:
    accepted, quarantine = validate(SPECS, rows((1, 0, 5, 0), (1, 900, 6, 0), (1, 0, 5, 0)))
    assert accepted.mantissas.tolist() == [5, 6]
    assert list(quarantine) == [(2, Rule.DUPLICATE)]


def test_of_contradicting_rows_none_stays() -> None:
    accepted, quarantine = validate(SPECS, rows((1, 0, 5, 0), (1, 900, 6, 0), (1, 0, 7, 0), (1, 0, 5, 0)))
    assert accepted.mantissas.tolist() == [6]
    assert list(quarantine) == [(0, Rule.CONTRADICTION), (2, Rule.CONTRADICTION), (3, Rule.CONTRADICTION)]


def test_a_refused_row_does_not_contradict_a_good_one() -> None:
    accepted, quarantine = validate(SPECS, rows((1, 0, 5, 0), (1, 0, -5, 0)))
    assert accepted.mantissas.tolist() == [5]
    assert list(quarantine) == [(1, Rule.NEGATIVE)]


@pytest.mark.parametrize("stranger", [3, -5, 10**13])
def test_a_row_of_a_series_that_is_not_told_is_no_row_to_check(stranger: int) -> None:
    with pytest.raises(MisalignedCurve):
        validate(SPECS, rows((1, 9000, 5, 0), (stranger, 0, 1, 0)))


def test_without_rows() -> None:
    assert len(validate(SPECS, rows())[1]) == 0


def test_every_rule_has_a_sentence() -> None:
    assert all(rule.sentence.endswith(".") for rule in Rule)


def test_gaps_of_a_curve() -> None:
    values = np.array([MISSING, 1, MISSING, MISSING, 1, MISSING], np.int64)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    curve = LoadCurve(Series("a", 900), start, values, np.zeros(6, np.uint8), start)
    assert gaps(curve) == [(0, 1), (2, 4), (5, 6)]


def test_columns_are_of_one_length_and_type() -> None:
    with pytest.raises(MisalignedCurve):
        Rows(np.zeros(2, np.int64), np.zeros(1, np.int64), np.zeros(2, np.int64), np.zeros(2, np.uint8))
    with pytest.raises(MisalignedCurve):
        Rows(np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int32), np.zeros(1, np.uint8))


ROW = st.tuples(
    st.sampled_from([1, 2, 10**12]),
    st.integers(-2, 300).map(lambda n: n * 900) | st.just(6_000_000_000) | st.integers(0, 10**6),
    st.integers(-3, 3) | st.just(MISSING) | st.just(2000),
    st.sampled_from([0, 0, 8, 5]),
)


@given(st.lists(ROW, max_size=60))
def test_every_row_is_in_the_days_or_in_quarantine(each: list[tuple[int, int, int, int]]) -> None:
    batch = rows(*each)
    accepted, quarantine = validate(SPECS, batch)
    stored = {}
    for matrix in days_from(SPECS, accepted):
        slot_s = 86_400 // matrix.mantissas.shape[1]
        for day, slot in zip(*np.nonzero(matrix.mantissas != MISSING), strict=True):
            key = (int(matrix.series_ids[day]), int(matrix.days[day]) * 86_400 + int(slot) * slot_s)
            stored[key] = (int(matrix.mantissas[day, slot]), int(matrix.quality[day, slot]))
    kept_out = set(quarantine.rows.tolist())
    expected = {(r[0], r[1]): (r[2], r[3]) for place, r in enumerate(each) if place not in kept_out}
    assert stored == expected
    assert len(expected) + len(kept_out) == len(each)
