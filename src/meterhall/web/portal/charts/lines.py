"""A line of a chart: energies over slots of any length, and the sums a table of it shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings.civil import CivilPeriod, civil_days, civil_months
from meterhall.domain.readings.curves import LoadCurve, Quality
from meterhall.web.portal.values import Text

ESTIMATED = (
    Quality.ESTIMATED_REFERENCE_DAY,
    Quality.ESTIMATED_INTERPOLATION,
    Quality.QUESTIONABLE,
    Quality.PROJECTED,
)
"""Qualities drawn as estimated: nobody has read these values from a meter."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """Energies of consecutive slots.

    `edges` int64 of shape (slots + 1,), seconds since 1970 UTC; `energies_wh` float64 of shape (slots,), NaN where
    there is no value; `estimated` bool of the same shape.
    """

    label: Text
    edges: NDArray[np.int64]
    energies_wh: NDArray[np.float64]
    estimated: NDArray[np.bool_]

    @classmethod
    def of_curve(cls, label: Text, curve: LoadCurve) -> Self:
        """A load curve as a line."""
        first = int(curve.start.timestamp())
        edges = first + curve.series.resolution_s * np.arange(len(curve) + 1, dtype=np.int64)
        energies = np.where(curve.present, curve.mantissas, np.nan) * 10.0**curve.series.scale
        return cls(label, edges, energies, np.isin(curve.quality, ESTIMATED) & curve.present)

    def __len__(self) -> int:
        return len(self.energies_wh)

    @property
    def start(self) -> datetime:
        return datetime.fromtimestamp(int(self.edges[0]), UTC)

    @property
    def end(self) -> datetime:
        return datetime.fromtimestamp(int(self.edges[-1]), UTC)

    @property
    def present(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.energies_wh)

    def shown(self, power: bool) -> NDArray[np.float64]:
        """The mean power of each slot in W, or its energy in Wh."""
        return self.energies_wh * 3600.0 / np.diff(self.edges) if power else self.energies_wh

    def sums(self, periods: list[CivilPeriod]) -> list[tuple[float, int, int]]:
        """Of each period: the energy of its values in Wh, how many there are, and how many there should be."""
        cuts = np.searchsorted(self.edges[:-1], [int(period.start.timestamp()) for period in periods])
        ends = np.searchsorted(self.edges[:-1], [int(period.end.timestamp()) for period in periods])
        return [
            (float(np.nansum(self.energies_wh[a:b])), int(self.present[a:b].sum()), int(b - a))
            for a, b in zip(cuts, ends, strict=True)
        ]


def periods_for_table(start: datetime, end: datetime, zone: ZoneInfo) -> list[CivilPeriod]:
    """The civil days between two instants, or the months where the days would be too many to read."""
    first, until = start.astimezone(zone).date(), _day_after(end, zone)
    return civil_days(zone, first, until) if (until - first).days <= 62 else civil_months(zone, first, until)


def _day_after(end: datetime, zone: ZoneInfo) -> date:
    local = end.astimezone(zone)
    at_midnight = (local.hour, local.minute, local.second) == (0, 0, 0)
    return local.date() if at_midnight else local.date() + timedelta(days=1)
