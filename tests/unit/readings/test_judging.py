"""Spikes, values that do not move, and values of slots to come: judged by the limits that are set, and not without."""

from __future__ import annotations

import numpy as np

from meterhall.domain.readings import MISSING, Quality, Rows, Rule, SeriesSpec, validate
from meterhall.domain.readings.judging import Limits

HOUR = 3600
SPECS = [SeriesSpec(1, HOUR), SeriesSpec(2, HOUR, scale=-3), SeriesSpec(3, HOUR, signed=True)]
SPIKE = Limits(spike_times=20, spike_floor_w=30_000)
STUCK = Limits(stuck_h=24, stuck_floor_w=100)


def rows(values: list[int], series: int = 1, shuffle: bool = False, quality: int = 0) -> Rows:
    count = len(values)
    order = np.random.default_rng(1).permutation(count) if shuffle else np.arange(count)
    return Rows(
        np.full(count, series), (np.arange(count) * HOUR)[order], np.array(values, np.int64)[order],
        np.full(count, quality, np.uint8),
    )  # fmt: skip


def held(given: Rows, limits: Limits) -> list[tuple[int, Rule]]:
    return [(int(given.starts[row]) // HOUR, rule) for row, rule in validate(SPECS, given, limits)[1]]


def usual(count: int = 48) -> list[int]:
    return [100 + 7 * (hour % 24) for hour in range(count)]


def test_a_value_far_above_the_usual_is_a_spike() -> None:
    values = usual()
    values[30] = 65_535
    assert held(rows(values, shuffle=True), SPIKE) == [(30, Rule.SPIKE)]
    assert held(rows([value * 1000 for value in values], series=2), SPIKE) == [(30, Rule.SPIKE)]
    values[30] = -65_535
    assert held(rows(values, series=3), SPIKE) == [(30, Rule.SPIKE)]
    assert held(rows(values, series=3), Limits()) == []


def test_a_high_value_is_none_where_others_are_high_or_where_it_is_no_great_power() -> None:
    assert held(rows([*usual(), 29_999]), SPIKE) == []
    assert held(rows([value * 300 for value in usual()]), SPIKE) == []
    assert held(rows([*usual(18), 65_535]), SPIKE) == [], "too few to say what is usual"
    values = [*usual(), MISSING]
    assert held(rows(values), SPIKE) == [(48, Rule.GAP)]


def test_each_series_has_its_own_usual() -> None:
    values = usual(24) + [40_000] * 24
    both = Rows(np.repeat([1, 3], 24), np.tile(np.arange(24) * HOUR, 2), np.array(values), np.zeros(48, np.uint8))
    assert len(validate(SPECS, both, SPIKE)[1]) == 0


def test_a_value_that_does_not_move_for_a_day_is_stuck() -> None:
    values = [*usual(10), *[250] * 24, *usual(10)]
    wanted = [(hour, Rule.STUCK) for hour in range(10, 34)]
    assert sorted(held(rows(values, shuffle=True), STUCK)) == wanted
    assert held(rows([*usual(10), *[250] * 23, *usual(10)]), STUCK) == []
    assert held(rows([0] * 48), STUCK) == []
    assert held(rows([99] * 48), STUCK) == []
    assert held(rows([99_999] * 48, series=2), STUCK) == []


def test_a_hole_ends_a_run_of_equal_values() -> None:
    given = rows([250] * 40)
    thinned = given.where(np.arange(40) != 20)
    assert held(thinned, STUCK) == []


def test_rows_far_apart_are_judged_alike() -> None:
    given = rows([250] * 24)
    far = Rows(given.series_ids, given.starts + 10**9 * HOUR // 1000 * (np.arange(24) == 23), given.mantissas,
               given.quality)  # fmt: skip
    assert held(far, STUCK) == []
    many = rows([250] * 25)
    far = Rows(many.series_ids, np.where(np.arange(25) == 24, 3_600_000_000, many.starts), many.mantissas, many.quality)
    assert len(held(far, STUCK)) == 24


def test_a_slot_to_come_has_no_value_unless_it_is_projected() -> None:
    limits = Limits(latest_end=2 * HOUR)
    assert held(rows([1, 1, 1]), limits) == [(2, Rule.FUTURE)]
    assert held(rows([1, 1, 1], quality=Quality.PROJECTED), limits) == []


def test_judgements_may_pass_and_what_cannot_be_kept_may_not() -> None:
    assert {rule for rule in Rule if rule.may_pass} == {
        Rule.OVER_MAXIMUM, Rule.CONTRADICTION, Rule.SPIKE, Rule.STUCK, Rule.FUTURE
    }  # fmt: skip
