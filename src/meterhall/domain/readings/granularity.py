"""Granularity: how long one slot of a delivered curve is, as ISO 8601 writes it. No resampling is done here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from meterhall.domain.errors import InvalidInput
from meterhall.domain.readings.curves import DAY_S

_TIMED: Final = re.compile(r"PT(?=\d)(?:(\d{1,2})H)?(?:(\d{1,4})M)?(?:(\d{1,5})S)?")


class UnknownGranularity(InvalidInput):
    code = "unknown_granularity"
    title = "A granularity is P1D, P1M or an ISO 8601 time that divides a day, as PT15M."


class GranularityUnavailable(InvalidInput):
    code = "granularity_unavailable"
    title = "The series can't be delivered in this granularity."


@dataclass(frozen=True, slots=True)
class Granularity:
    """Either `period_s` seconds, counted from midnight UTC, or (`period_s` is 0) one civil day or month of a zone."""

    period_s: int = 0
    monthly: bool = False

    @property
    def civil(self) -> bool:
        """Whether the slots are civil days or months, whose length depends on the zone."""
        return self.period_s == 0

    def __str__(self) -> str:
        if self.civil:
            return "P1M" if self.monthly else "P1D"
        hours, rest = divmod(self.period_s, 3600)
        minutes, seconds = divmod(rest, 60)
        return "PT" + "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)


QUARTER_HOUR: Final = Granularity(900)
HALF_HOUR: Final = Granularity(1800)
HOUR: Final = Granularity(3600)
CIVIL_DAY: Final = Granularity()
CIVIL_MONTH: Final = Granularity(monthly=True)


@lru_cache(maxsize=128)
def parse_granularity(text: str, *, field: str = "/granularity") -> Granularity:
    """The granularity an ISO 8601 duration names: `P1D`, `P1M` or hours, minutes and seconds that divide a day.

    Raises `UnknownGranularity`. `PT24H` is 24 hours from midnight UTC; only `P1D` is a civil day.
    """
    if text in ("P1D", "P1M"):
        return Granularity(monthly=text == "P1M")
    match = _TIMED.fullmatch(text)
    if match is None:
        raise UnknownGranularity(f"{text[:40]!r} is not a granularity.", field=field)
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    period_s = hours * 3600 + minutes * 60 + seconds
    if period_s == 0 or DAY_S % period_s:
        raise UnknownGranularity(f"{text} does not divide a day.", field=field)
    return Granularity(period_s)
