"""The rules a row must keep to enter the lake, each with an id; how they are applied is in `validation`, `judging`."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Rule(IntEnum):
    """Why a row is quarantined; `id` is what documents, logs and quarantine lists show. No number is given twice."""

    NEGATIVE = 1
    OVER_MAXIMUM = 2
    GAP = 3
    DUPLICATE = 4
    CONTRADICTION = 5
    MISALIGNED = 6
    UNKNOWN_QUALITY = 8
    OUT_OF_TIME = 9
    SPIKE = 10
    STUCK = 11
    FUTURE = 12
    SCHEMA = 13
    UNIT = 14
    RESOLUTION = 15
    CLOCK_GAP = 16
    CLOCK_TWICE = 17
    FALLING = 18
    NO_PREDECESSOR = 19
    NOT_ENERGY = 20

    @property
    def id(self) -> str:
        return f"V{self.value}"

    @property
    def sentence(self) -> str:
        return SENTENCES[self]

    @property
    def may_pass(self) -> bool:
        """Whether somebody who looked into it may let the row in as it is."""
        return self in JUDGEMENTS


SENTENCES: Final = {
    Rule.NEGATIVE: "The value is negative, and its series is not one of net flow.",
    Rule.OVER_MAXIMUM: "The value is more than the connection can carry.",
    Rule.GAP: "The row names a slot and has no value.",
    Rule.DUPLICATE: "The same slot with the same value and quality came before in this batch.",
    Rule.CONTRADICTION: "The same slot comes with different values or qualities in this batch.",
    Rule.MISALIGNED: "The start does not lie on the edge of a slot of its series.",
    Rule.UNKNOWN_QUALITY: "The quality is not one of the known codes.",
    Rule.OUT_OF_TIME: "The start lies outside the years 1970 to 2199.",
    Rule.SPIKE: "The value is far above all that is usual in its series.",
    Rule.STUCK: "The value is one of very many in a row that do not change.",
    Rule.FUTURE: "The slot ends after the file came in, and the value is not marked as projected.",
    Rule.SCHEMA: "A field of the row is missing or cannot be read.",
    Rule.UNIT: "The amount is not whole in the scale of its series, or beyond what can be kept.",
    Rule.RESOLUTION: "The row is of a longer or shorter time than the slots of the file, or lies as one does.",
    Rule.CLOCK_GAP: "The local clock has no such time on that day: it was put forward, or the day is shorter.",
    Rule.CLOCK_TWICE: "The local clock shows that time twice, and nothing says which of the two is meant.",
    Rule.FALLING: "The register reads less than one slot before.",
    Rule.NO_PREDECESSOR: "The register's reading one slot before is not in the file.",
    Rule.NOT_ENERGY: "The file says that the series is no electrical energy that flowed or was counted.",
}

JUDGEMENTS: Final = frozenset((Rule.OVER_MAXIMUM, Rule.CONTRADICTION, Rule.SPIKE, Rule.STUCK, Rule.FUTURE))
"""Rules about what is likely or which of two is right. The others are of rows that cannot be kept as they are."""
