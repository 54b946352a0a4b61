"""Granularity: how long one slot of a delivered curve is, as ISO 8601 writes it. No resampling is done here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from meterhall.domain.errors import InvalidInput
from meterhall.domain.readings.curves import DAY_S

_TIMED: Final = re.compile(r"PT(?=\d)(?:(\d{1,2})H)?(?:(\d{1,4})M)?(?:(\d{1,5})S)?")


class UnknownGranularity(InvalidInput):
    code = "unknown_granularity"
    title = "A granularity is P1D, P7D, P1M or an ISO 8601 time that divides a day, as PT15M."


class GranularityUnavailable(InvalidInput):
    code = "granularity_unavailable"
    title = "The series can't be delivered in this granularity."


class CivilUnit(StrEnum):
    """What a civil slot is: a day, an ISO 8601 week, which begins on a Monday, or a month."""

    DAY = "P1D"
    WEEK = "P7D"
    MONTH = "P1M"


_MOST_DAYS: Final = {CivilUnit.DAY: 1, CivilUnit.WEEK: 7, CivilUnit.MONTH: 31}


@dataclass(frozen=True, slots=True)
class Granularity:
    """Either `period_s` seconds, counted from midnight UTC, or (`period_s` is 0) one civil day, week or month of a
    zone."""

    period_s: int = 0
    unit: CivilUnit = CivilUnit.DAY

    @property
    def civil(self) -> bool:
        """Whether the slots are civil days, weeks or months, whose length depends on the zone."""
        return self.period_s == 0

    @property
    def monthly(self) -> bool:
        """Whether the slots are civil months."""
        return self.civil and self.unit is CivilUnit.MONTH

    @property
    def most_days(self) -> int:
        """How many civil days the longest slot has: 1, 7 or 31; 0 of slots of one length."""
        return _MOST_DAYS[self.unit] if self.civil else 0

    def is_made_of(self, held: Granularity) -> bool:
        """Whether civil slots are such as are held, or are made of them: weeks and months of days."""
        return self == held or (self.civil and held == CIVIL_DAY)

    def __str__(self) -> str:
        if self.civil:
            return str(self.unit)
        hours, rest = divmod(self.period_s, 3600)
        minutes, seconds = divmod(rest, 60)
        return "PT" + "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)


QUARTER_HOUR: Final = Granularity(900)
HALF_HOUR: Final = Granularity(1800)
HOUR: Final = Granularity(3600)
CIVIL_DAY: Final = Granularity()
CIVIL_WEEK: Final = Granularity(unit=CivilUnit.WEEK)
CIVIL_MONTH: Final = Granularity(unit=CivilUnit.MONTH)


@lru_cache(maxsize=128)
def parse_granularity(text: str, *, field: str = "/granularity") -> Granularity:
    """The granularity an ISO 8601 duration names: `P1D`, `P7D`, `P1M` or hours, minutes and seconds that divide a day.

    Raises `UnknownGranularity`. `PT24H` is 24 hours from midnight UTC; only `P1D` is a civil day. A week is `P7D` and
    not `P1W`: the durations of XML, and so CIM, have no weeks.
    """
    if text in _MOST_DAYS:
        return Granularity(unit=CivilUnit(text))
    match = _TIMED.fullmatch(text)
    if match is None:
        raise UnknownGranularity(f"{text[:40]!r} is not a granularity.", field=field)
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    period_s = hours * 3600 + minutes * 60 + seconds
    if period_s == 0 or DAY_S % period_s:
        raise UnknownGranularity(f"{text} does not divide a day.", field=field)
    return Granularity(period_s)
