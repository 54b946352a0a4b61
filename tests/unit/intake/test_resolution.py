"""How rows lie gives away a resolution that was told by mistake; scattered rows of what is known do not."""

from __future__ import annotations

import numpy as np

from meterhall.provider.metering.resolution import FEWEST, of_coarser, of_finer

HOURS = np.arange(24, dtype=np.int64) * 3600
QUARTERS = np.arange(96, dtype=np.int64) * 900


def ids(number: int, of: np.ndarray) -> np.ndarray:
    return np.full(len(of), number, np.int64)


def test_new_series_of_hours_said_to_be_of_quarter_hours_are_seen_in_any_order() -> None:
    series, at = np.concatenate([ids(1, HOURS), ids(2, QUARTERS)]), np.concatenate([HOURS, QUARTERS])
    order = np.random.default_rng(1).permutation(len(at))
    found = of_coarser(series[order], at[order], 900, {1, 2}, {1})
    assert found.tolist() == (series[order] == 1).tolist()


def test_the_first_series_of_a_file_says_whether_the_others_are_looked_at() -> None:
    series = np.concatenate([ids(1, HOURS), ids(2, HOURS), ids(3, HOURS[:3]), ids(4, QUARTERS)])
    at = np.concatenate([HOURS, HOURS, HOURS[:3], QUARTERS])
    found = of_coarser(series, at, 900, {1, 2, 3, 4}, ())
    assert sorted(set(series[found].tolist())) == [1, 2], "three rows say nothing"


def test_few_rows_of_a_new_series_or_many_of_a_known_one_say_nothing() -> None:
    few = HOURS[: FEWEST - 1]
    assert not of_coarser(ids(1, few), few, 900, {1}, ()).any()
    assert not of_coarser(ids(1, HOURS), HOURS, 900, (), ()).any()
    assert of_coarser(ids(1, HOURS[:1]), HOURS[:1], 900, {1}, {1}).all(), "beside longer slots one is too few"


def test_a_slot_that_comes_twice_counts_once() -> None:
    at = np.repeat(HOURS[: FEWEST - 1], 2)
    assert not of_coarser(ids(1, at), at, 900, {1, 2}, {2}).any()
    twice = np.array([0, 0, 900, 900], np.int64)
    assert not of_coarser(ids(1, twice), twice, 900, {1}, {1}).any(), "they follow each other all the same"


def test_rows_on_the_edges_are_of_shorter_slots_where_as_many_lie_off_them() -> None:
    off = QUARTERS % 3600 != 0
    assert of_finer(ids(1, QUARTERS), off, {}).tolist() == (~off).tolist()
    one = np.array([0, 900, 3600], np.int64)
    assert not of_finer(ids(1, one), one % 3600 != 0, {}).any(), "one may be an accident"
    assert of_finer(ids(1, HOURS[:1]), np.zeros(1, np.bool_), {1: 23}).all(), "those set aside before count too"
    assert not of_finer(ids(2, HOURS[:1]), np.zeros(1, np.bool_), {1: 23}).any()
