"""No member is the most of a shown slot, no percentile stands near an edge, no two groups differ by a few."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.privacy import (
    GroupTooSmall,
    check_difference,
    check_percentile,
    corrected_by_few,
    dominated,
    too_much,
    withheld_slots,
)
from meterhall.domain.readings import MISSING
from meterhall.domain.readings.measures import PERCENTILES, Measure, measured, of_totals, rank
from meterhall.domain.readings.resampling import SumOutOfRange

matrices = st.integers(1, 30).flatmap(
    lambda members: st.lists(
        st.lists(st.integers(-(10**6), 10**6), min_size=4, max_size=4), min_size=members, max_size=members
    )
)


@given(matrices, st.integers(1, 90))
def test_a_slot_is_dominated_just_where_one_member_is_more_than_the_share(rows: list[list[int]], share: int) -> None:
    columns = list(zip(*rows, strict=True))
    expected = [any(abs(one) * 100 > share * sum(map(abs, column)) for one in column) for column in columns]
    assert dominated(np.array(rows, np.int64), share).tolist() == expected


@given(matrices, st.sampled_from([("sum",), ("sum", "mean")]))
def test_what_follows_from_totals_is_what_follows_from_the_values(
    rows: list[list[int]], measures: list[Measure]
) -> None:
    values = np.abs(np.array(rows, np.int64))
    values[0, 0] = MISSING
    there = np.where(values == MISSING, 0, values)
    totals = there.sum(axis=0), (values != MISSING).sum(axis=0), there.max(axis=0)
    found, expected = of_totals(*totals, len(values), measures), measured(values, measures)
    assert {one: each.tolist() for one, each in found.items()} == {one: each.tolist() for one, each in expected.items()}
    assert too_much(totals[2], totals[0], 50).tolist() == dominated(there, 50).tolist()


def test_totals_beyond_what_sums_exactly_are_refused_where_they_are_told() -> None:
    sums, largest = np.array([2**61, 8]), np.array([2**61, 5])
    with pytest.raises(SumOutOfRange):
        of_totals(sums, np.array([2, 2]), largest, 2, ["sum"])
    assert of_totals(sums, np.array([1, 2]), largest, 2, ["sum"])["sum"].tolist() == [MISSING, 8]


@given(matrices)
def test_in_a_slot_that_is_shown_the_total_tells_nobody_to_better_than_a_factor_of_two(rows: list[list[int]]) -> None:
    values = np.abs(np.array(rows, np.int64))
    shown = ~dominated(values, 50)
    assert (2 * values.max(axis=0) <= values.sum(axis=0))[shown].all()


def test_a_producer_does_not_hide_in_a_small_net_and_zeros_give_nobody_away() -> None:
    values = np.array([[-1000, 0], [500, 0], [400, 0], [99, 0]], np.int64)
    assert dominated(values, 50).tolist() == [True, False]
    assert dominated(np.array([[2**60], [1]]), 50).tolist() == [True]


@given(matrices, st.integers(0, 30), st.integers(5, 12))
def test_two_totals_of_one_slot_differ_by_nobody_or_by_enough(
    rows: list[list[int]], corrected: int, minimum: int
) -> None:
    before = np.array(rows, np.int64)
    now = before.copy()
    now[:corrected, 0] += 7
    changed = min(corrected, len(rows))
    assert corrected_by_few(before, now, minimum).tolist() == [0 < changed < minimum, False, False, False]
    before[-1] = MISSING
    assert not corrected_by_few(before, now, minimum).any(), "what was not told cannot be subtracted"


@given(st.lists(st.lists(st.integers(10, 12), min_size=12, max_size=12), min_size=1, max_size=6), st.integers(5, 8))
def test_of_whatever_corrections_any_two_totals_told_differ_by_nobody_or_by_enough(
    history: list[list[int]], minimum: int
) -> None:
    states = [np.array([values], np.int64).T for values in history]
    shown = [one for place, one in enumerate(states) if not withheld_slots(states[: place + 1], 50, minimum)[0]]
    assert shown, "the first is told"
    for one, other in combinations(shown, 2):
        assert not 0 < (one != other).sum() < minimum


@pytest.mark.parametrize("share", [0, 91])
def test_a_share_that_guards_nothing_is_no_share(share: int) -> None:
    with pytest.raises(ValueError, match="share"):
        dominated(np.ones((2, 1), np.int64), share)
    with pytest.raises(ValueError, match="per cent"):
        too_much(np.ones(1, np.int64), np.ones(1, np.int64), share)


@given(st.integers(1, 400), st.integers(5, 20), st.sampled_from(sorted(PERCENTILES)))
def test_a_percentile_is_given_just_where_enough_stand_on_either_side(members: int, minimum: int, name: str) -> None:
    place = rank(PERCENTILES[name], members)
    enough = place >= minimum and members - 1 - place >= minimum
    if enough:
        check_percentile(place, members, minimum)
        return
    with pytest.raises(GroupTooSmall) as refusal:
        check_percentile(place, members, minimum)
    assert refusal.value.detail == f"A percentile needs {minimum} members on either side."


@given(matrices)
def test_measures_are_those_of_each_slot_by_itself(rows: list[list[int]]) -> None:
    values = np.array(rows, np.int64)
    found = measured(values, ("sum", "mean", "p10", "p50", "p90"))
    assert found["sum"].tolist() == [sum(column) for column in zip(*rows, strict=True)]
    assert (np.abs(found["mean"] - values.mean(axis=0)) <= 0.5 + 1e-6).all()
    for name in ("p10", "p50", "p90"):
        assert found[name].tolist() == np.percentile(  # type: ignore[index]
            values, PERCENTILES[name], axis=0, method="inverted_cdf"
        ).tolist()  # fmt: skip


def test_a_slot_lacking_one_member_is_missing_in_every_measure() -> None:
    found = measured(np.array([[1, MISSING], [2, 5]], np.int64), ("sum", "mean", "p50"))
    assert {name: values.tolist() for name, values in found.items()} == {
        "sum": [3, MISSING], "mean": [2, MISSING], "p50": [1, MISSING]
    }  # fmt: skip
    with pytest.raises(SumOutOfRange):
        measured(np.full((3, 1), 2**61, np.int64), ("sum",))


@given(st.lists(st.frozensets(st.integers(0, 24), min_size=5), min_size=2, max_size=6), st.integers(5, 8))
def test_the_differencing_attack_finds_nobody_in_what_was_answered(asked: list[frozenset[int]], minimum: int) -> None:
    """Whoever subtracts any answered total from any other, or two from a third, is left with none or enough."""
    world = SimpleNamespace(answered=[])
    for group in asked:
        try:
            check_difference(group, world.answered, minimum)
        except GroupTooSmall:
            continue
        world.answered.append(group)
    for one, other in combinations(set(world.answered), 2):
        assert len(one ^ other) >= minimum
    for whole, part, other in ((a, b, c) for a in world.answered for b in world.answered for c in world.answered):
        if len({whole, part, other}) == 3:
            weights = [(one in whole) - (one in part) - (one in other) for one in range(25)]
            left = sum(1 for weight in weights if weight)
            assert left == 0 or left >= minimum
