"""Amounts as files state them, in energy or mean power, made mantissas of a series: exactly or not at all."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import MISSING

HOUR_S: Final = 3600
_MOST: Final = int(np.iinfo(np.int64).max)


class Unit(StrEnum):
    """What a stated number counts. A mean power stands for the energy of its slot."""

    WH = "Wh"
    KWH = "kWh"
    MWH = "MWh"
    W = "W"
    KW = "kW"
    MW = "MW"

    @property
    def is_power(self) -> bool:
        return not self.endswith("h")

    @property
    def power_of_ten(self) -> int:
        """Of Wh, or of W."""
        return {"k": 3, "M": 6}.get(self[0], 0)


def in_scale(
    stated: NDArray[np.int64], places: int, unit: Unit, resolution_s: int, scale: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Numbers of so many decimal `places` as mantissas of `10**scale` Wh a slot, `MISSING` kept; shape (values,) each.

    The second is true where the amount is not whole in that scale, the third where it is beyond what can be kept; the
    mantissa says nothing there. Nothing is rounded.
    """
    factor = Fraction(10) ** (unit.power_of_ten - places - scale)
    if unit.is_power:
        factor *= Fraction(resolution_s, HOUR_S)
    present = stated != MISSING
    none = np.zeros(len(stated), np.bool_)
    if factor == 1:
        return stated, none, none
    times, parts = factor.numerator, factor.denominator
    if parts > _MOST:
        return stated, present & (stated != 0), none
    broken = present & (stated % parts != 0) if parts > 1 else none
    whole = np.where(present, stated, 0) // parts
    beyond = present & ~broken & (np.abs(whole) > _MOST // times)
    kept = np.where(beyond, 0, whole) * min(times, _MOST)
    return np.where(present, kept, MISSING), broken, beyond


def most_of(power_w: int, slot_s: int, scale: int) -> int:
    """The largest mantissa of `10**scale` Wh that a slot has at a mean power of at most so many W."""
    return int(Fraction(power_w) * Fraction(slot_s, HOUR_S) / Fraction(10) ** scale)


def decimal_text(mantissa: int, scale: int) -> str:
    """`mantissa × 10**scale` as a decimal, exactly."""
    if scale >= 0:
        return str(mantissa * 10**scale)
    sign, digits = "-" if mantissa < 0 else "", str(abs(mantissa)).rjust(1 - scale, "0")
    return f"{sign}{digits[:scale]}.{digits[scale:]}"
