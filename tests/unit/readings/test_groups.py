from datetime import UTC, datetime

import numpy as np
import pytest

from meterhall.domain.readings import MISSING, LoadCurve, Series, sum_curves
from meterhall.domain.readings.curves import MisalignedCurve
from meterhall.domain.readings.resampling import SumOutOfRange

START = datetime(2026, 1, 1, tzinfo=UTC)


def curve(values: list[int], *, scale: int = 0, step_s: int = 900) -> LoadCurve:
    series = Series("a", step_s, scale=scale)
    return LoadCurve(series, START, np.array(values, np.int64), np.zeros(len(values), np.uint8), START)


def test_a_slot_lacking_one_member_is_missing_and_says_how_many_there_are() -> None:
    group = sum_curves([curve([1, 2, 3]), curve([10, MISSING, 30]), curve([100, 200, 300])])
    assert group.mantissas.tolist() == [111, MISSING, 333]
    assert group.counts.tolist() == [3, 2, 3]
    assert group.members == 3
    assert group.completeness.tolist() == [1, 2 / 3, 1]


def test_scales_are_brought_together_without_rounding() -> None:
    group = sum_curves([curve([5], scale=3), curve([7], scale=0), curve([1], scale=-2)])
    assert (group.scale, group.mantissas.tolist()) == (-2, [500_701])


def test_zero_is_a_value() -> None:
    assert sum_curves([curve([0]), curve([0])]).mantissas.tolist() == [0]


@pytest.mark.parametrize("curves", [[], [curve([1]), curve([1, 2])], [curve([1]), curve([1], step_s=3600)]])
def test_refuses_curves_that_do_not_fit(curves: list[LoadCurve]) -> None:
    with pytest.raises(MisalignedCurve):
        sum_curves(curves)


@pytest.mark.parametrize("curves", [[curve([2**62]), curve([2**62])], [curve([2**50], scale=9), curve([1])]])
def test_a_sum_never_wraps(curves: list[LoadCurve]) -> None:
    with pytest.raises(SumOutOfRange):
        sum_curves(curves)
