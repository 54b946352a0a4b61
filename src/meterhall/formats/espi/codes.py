"""The ESPI 4.0 code lists as far as load curves need them."""

from __future__ import annotations

from typing import Final

from meterhall.domain.readings import Direction, Quality

ATOM: Final = "http://www.w3.org/2005/Atom"
ESPI: Final = "http://naesb.org/espi"

FLOW: Final = {Direction.IMPORT: 1, Direction.NET: 4, Direction.EXPORT: 19}
"""`FlowDirectionKind`: forward, net, reverse."""
DELTA: Final = 4
"""`AccumulationKind`: the value is what flowed in the interval."""
BULK: Final = 1
"""`AccumulationKind`: what a register reads, which counts on and starts from 0 again at its maximum."""
ENERGY_AS_IT_FLOWED: Final = (DELTA, 0)
ACCUMULATIONS: Final = {
    1: "bulkQuantity", 2: "continuousCumulative", 3: "cumulative", 6: "indicating", 9: "summation", 10: "timeDelay",
    12: "instantaneous", 13: "latchingQuantity", 14: "boundedQuantity",
}  # fmt: skip
"""`AccumulationKind` of all that is no delta."""
ELECTRICITY: Final = 1
ENERGY: Final = 12
WATT_HOURS: Final = 72
DAILY, WEEKLY, MONTHLY, NOT_APPLICABLE = 11, 24, 13, 0
"""`TimePeriodOfInterest`."""
DEFAULT_QUALITY: Final = Quality.VALIDATED
"""What a reading without a quality of its own is, in the files written here."""
INT48_MAX: Final = 2**47
