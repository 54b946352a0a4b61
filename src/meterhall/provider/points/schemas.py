"""What the meter-data system tells about metering points."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from meterhall.domain.protocol.activations import PodText
from meterhall.domain.protocol.base import Message, ShortText


class OccupancyIn(Message):
    """A holder of the point from `from` until `until` (excluded; absent while it lasts)."""

    holder_reference: ShortText = Field(repr=False)
    first: date = Field(alias="from")
    until: date | None = None


class PointIn(Message):
    """A metering point as the grid operator keeps it."""

    pod: PodText = Field(repr=False)
    country: str | None = Field(
        None, pattern="^[A-Z]{2}$", description="Where the POD names no country; absent: the provider's own."
    )
    zone: ShortText
    area: str = ""
    usage_class: str = "household"
    sandbox: bool = Field(False, description="A fictitious point of the test facility; its POD is of a reserved range.")
    occupancies: tuple[OccupancyIn, ...] = ()


class PointsIn(Message):
    points: tuple[PointIn, ...] = Field(min_length=1, max_length=10_000)


class PointsTaken(Message):
    created: int
    updated: int
