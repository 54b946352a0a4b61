"""Rows that are set aside while a file is worked in: counted by rule, and listed as far as a list goes."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import MISSING
from meterhall.domain.readings.rules import Rule
from meterhall.provider.metering.intake import Block
from meterhall.provider.metering.intake.gathering import Taken
from meterhall.provider.metering.models import QuarantinedRow, Series

MOST_LISTED = 100_000
"""Rows set aside that are listed with their values. Where there are more, the file is kept."""


class Held:
    """What a run sets aside. `rows` are the listed ones, not saved yet; people count them from 1."""

    def __init__(self) -> None:
        self.rows: list[QuarantinedRow] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return sum(self.counts.values())

    def of_block(self, block: Block, chosen: NDArray[np.int64], rules: list[tuple[str, str]]) -> None:
        """Set rows of a block aside; `rules` is the rule and the sentence of each."""
        self.counts.update(rules)
        for row, (rule, sentence) in zip(chosen[: self._room()].tolist(), rules, strict=False):
            pod, direction = block.points[block.which[row]]
            place, value = int(block.rows[row]), int(block.stated[row])
            is_read = block.rules[row] not in (Rule.SCHEMA, Rule.CLOCK_GAP)
            self.rows.append(
                QuarantinedRow(
                    row=place + 1, rule=rule, sentence=sentence, pod=_kept(pod, 100), direction=_kept(direction, 20),
                    start_s=int(block.starts[row]) if is_read else None,
                    amount="" if value == MISSING else f"{value}e{-block.places} {block.unit}",
                    quality=int(block.quality[row]), text=_kept(block.texts.get(place, ""), 200),
                )
            )  # fmt: skip

    def of_series(
        self, taken: Taken, rules: NDArray[np.uint8], known: dict[int, Series], *, has_value: bool = True
    ) -> None:
        """Set rows of known series aside, each by the rule it breaks."""
        for rule, count in zip(*np.unique(rules, return_counts=True), strict=True):
            self.counts[Rule(rule).id, Rule(rule).sentence] += int(count)
        some = taken.where(np.arange(min(len(taken), self._room())))
        for place, rule in enumerate(rules[: len(some)].tolist()):
            series, value = known[int(some.series_ids[place])], int(some.values[place])
            self.rows.append(
                QuarantinedRow(
                    row=int(some.rows[place]) + 1, rule=Rule(rule).id, sentence=Rule(rule).sentence,
                    point_id=series.point_id, series=series, direction=series.direction,
                    start_s=int(some.starts[place]), value=value if has_value and value != MISSING else None,
                    quality=int(some.quality[place]),
                )
            )  # fmt: skip

    def _room(self) -> int:
        return max(MOST_LISTED - len(self.rows), 0)


def _kept(text: str, most: int) -> str:
    """As much of a text as a column of the database takes."""
    return text.replace("\0", "")[:most]
