"""Periods: a stretch of time in equal slots, and the UTC days it touches. Nothing of files or queries is here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.curves import DAY_S, MisalignedCurve
from meterhall.domain.readings.granularity import GranularityUnavailable
from meterhall.domain.readings.rows import instant_of

Number = TypeVar("Number", np.int64, np.uint8)


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_s` to `end_s` (exclusive), seconds since 1970 UTC, both on the edge of a slot of `slot_s` seconds."""

    start_s: int
    end_s: int
    slot_s: int

    @classmethod
    def of(cls, start: datetime, end: datetime, slot_s: int) -> Period:
        """The period between two instants; raises `MisalignedCurve` where one of them is naive or cuts a slot."""
        if slot_s <= 0 or DAY_S % slot_s:
            raise GranularityUnavailable(f"{slot_s} s does not divide a day.", field="/granularity")
        for instant, field in ((start, "/start"), (end, "/end")):
            if instant.tzinfo is None or instant.microsecond or int(instant.timestamp()) % slot_s:
                raise MisalignedCurve(f"A period lies on the edges of slots of {slot_s} s.", field=field)
        if end < start:
            raise MisalignedCurve("A period does not end before it starts.", field="/end")
        return cls(int(start.timestamp()), int(end.timestamp()), slot_s)

    @property
    def start(self) -> datetime:
        return instant_of(self.start_s * 1_000_000)

    @property
    def slots(self) -> int:
        return (self.end_s - self.start_s) // self.slot_s

    @property
    def edges(self) -> NDArray[np.int64]:
        """The edges of the slots, seconds since 1970 UTC, shape (slots + 1,)."""
        return np.arange(self.start_s, self.end_s + 1, self.slot_s, dtype=np.int64)

    @property
    def first_day(self) -> int:
        """The first UTC day it touches, in days since 1970."""
        return self.start_s // DAY_S

    @property
    def last_day(self) -> int:
        """The last UTC day it touches, in days since 1970."""
        return (self.end_s - 1) // DAY_S

    def cut(self, days: NDArray[Number]) -> NDArray[Number]:
        """The period's slots out of its whole days, shape (days, slots a day)."""
        first = (self.start_s - self.first_day * DAY_S) // self.slot_s
        return days.reshape(-1)[first : first + self.slots]

    def parts(self, days: int) -> Iterator[Period]:
        """The period in parts of at most so many UTC days."""
        for first in range(self.first_day, self.last_day + 1, days):
            start_s, end_s = max(self.start_s, first * DAY_S), min(self.end_s, (first + days) * DAY_S)
            yield Period(start_s, end_s, self.slot_s)


def whole_slots(coarse_s: int, fine_s: int) -> int:
    """How many fine slots make a coarse one; raises `GranularityUnavailable` when not a whole number."""
    if coarse_s % fine_s:
        raise GranularityUnavailable(
            f"{coarse_s} s is not a whole multiple of the series' {fine_s} s.", field="/granularity"
        )
    return coarse_s // fine_s
