"""Units and decimals: whatever a file states is kept exactly in the scale of its series, or said not to fit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.readings.amounts import Unit, in_scale
from meterhall.domain.readings.curves import MISSING

IN_WH = {"Wh": 1, "kWh": 1000, "MWh": 10**6, "W": 1, "kW": 1000, "MW": 10**6}


@pytest.mark.parametrize(
    ("stated", "places", "unit", "resolution_s", "scale", "kept"),
    [
        (1234, 3, "kWh", 900, 0, 1234),
        (1, 0, "MWh", 900, 0, 10**6),
        (12, 1, "Wh", 900, -1, 12),
        (4, 0, "kW", 900, 0, 1000),
        (1234, 3, "kW", 900, -2, 30850),
        (12, 0, "W", 300, 0, 1),
        (5, -3, "Wh", 3600, 0, 5000),
        (0, 3, "kW", 600, 0, 0),
        (-1500, 3, "kWh", 900, 2, -15),
    ],
)
def test_amounts_are_kept_exactly(
    stated: int, places: int, unit: str, resolution_s: int, scale: int, kept: int
) -> None:
    values, broken, beyond = in_scale(np.array([stated, MISSING]), places, Unit(unit), resolution_s, scale)
    assert (values.tolist(), broken.any(), beyond.any()) == ([kept, MISSING], False, False)


@pytest.mark.parametrize(
    ("stated", "places", "unit", "resolution_s", "scale"),
    [(12345, 4, "kWh", 900, 0), (1, 0, "W", 900, 0), (1, 0, "kW", 600, 0), (1, 18, "Wh", 900, 9)],
)
def test_what_is_not_whole_in_the_scale_is_said_and_never_rounded(
    stated: int, places: int, unit: str, resolution_s: int, scale: int
) -> None:
    _, broken, _ = in_scale(np.array([stated, 0, MISSING]), places, Unit(unit), resolution_s, scale)
    assert broken.tolist() == [True, False, False]


def test_what_is_beyond_what_can_be_kept_is_said() -> None:
    _, broken, beyond = in_scale(np.array([10**15, 5, 0]), 0, Unit.MWH, 900, 0)
    assert (broken.any(), beyond.tolist()) == (False, [True, False, False])
    assert in_scale(np.array([1, 0]), -18, Unit.MWH, 900, -9)[2].tolist() == [True, False]


@given(
    stated=st.integers(-(10**12), 10**12),
    places=st.integers(0, 9),
    unit=st.sampled_from(list(Unit)),
    resolution_s=st.sampled_from([300, 600, 900, 1800, 3600]),
    scale=st.integers(-4, 3),
)
def test_whatever_passes_is_equal_to_what_was_stated(
    stated: int, places: int, unit: Unit, resolution_s: int, scale: int
) -> None:
    exact = Fraction(stated, 10**places) * IN_WH[unit]
    exact *= Fraction(resolution_s, 3600) if unit.is_power else 1
    exact /= Fraction(10) ** scale
    values, broken, beyond = in_scale(np.array([stated]), places, unit, resolution_s, scale)
    assert bool(broken[0]) == (exact.denominator != 1)
    if not broken[0] and not beyond[0]:
        assert int(values[0]) == exact
    assert not beyond[0] or abs(exact) > 2**62
