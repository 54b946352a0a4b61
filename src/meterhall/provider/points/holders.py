"""Who held which points when, for many points at once. A reading belongs to whoever held the point on its day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from meterhall.domain.protocol.base import Period
from meterhall.provider.points.models import Occupancy
from meterhall.web.sets import among

FOREVER = date(9999, 12, 31)
"""The end of what has none yet."""


def overlap(one: Period, other: Period) -> Period | None:
    """The days in both, or None."""
    first, until = max(one.first, other.first), min(one.until, other.until)
    return Period(first=first, until=until) if first < until else None


class Holders:
    """The stretches of some points, read once."""

    def __init__(self, points: Iterable[int]) -> None:
        self._stretches: dict[tuple[int, str], list[Period]] = {}
        for one in Occupancy.objects.filter(among("point", set(points))).order_by("first"):
            mine = self._stretches.setdefault((one.point_id, one.holder_reference), [])
            mine.append(Period(first=one.first, until=one.until or FOREVER))

    def held(self, point: int, holder_reference: str, period: Period | None = None) -> tuple[Period, ...]:
        """The stretches of `period` in which the holder held the point, in order; a holder may come back."""
        stretches = self._stretches.get((point, holder_reference), [])
        if period is None:
            return tuple(stretches)
        return tuple(cut for one in stretches if (cut := overlap(one, period)) is not None)
