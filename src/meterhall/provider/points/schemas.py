"""What the meter-data system tells about metering points."""

from __future__ import annotations

from datetime import date
from typing import Final

from pydantic import Field

from meterhall.domain.protocol.activations import PodText
from meterhall.domain.protocol.base import Message, ShortText

MOST_POWER_W: Final = 10**12


class OccupancyIn(Message):
    """A holder of the point from `from` until `until` (excluded; absent while it lasts)."""

    holder_reference: ShortText = Field(repr=False)
    first: date = Field(alias="from")
    until: date | None = None


class MeterIn(Message):
    """A meter that hangs at the point from `from` until `until` (excluded; absent while it hangs)."""

    number: str = Field(min_length=1, max_length=40, repr=False)
    first: date = Field(alias="from")
    until: date | None = None


class PointIn(Message):
    """A metering point as the grid operator keeps it. Of a point that is known, what is left out stays as it was."""

    pod: PodText = Field(repr=False)
    country: str | None = Field(
        None, pattern="^[A-Z]{2}$", description="Where the POD names no country; absent: the provider's own."
    )
    zone: ShortText
    area: str = Field("", max_length=120, description="The grid area: its EIC or the grid operator's own code.")
    postal_code: str = Field("", max_length=12)
    municipality: str = Field("", max_length=120)
    address: str = Field("", max_length=200, repr=False, description="Shown to the holder and to staff only.")
    usage_class: str = Field("household", min_length=1, max_length=40, description="The class of customer.")
    maximum_power_w: int | None = Field(
        None,
        ge=1,
        le=MOST_POWER_W,
        description="What its connection can carry, in W: rather the main fuse than the power agreed on. Readings of "
        "more are set aside. null: not known.",
    )
    sandbox: bool = Field(False, description="A fictitious point of the test facility; its POD is of a reserved range.")
    occupancies: tuple[OccupancyIn, ...] = ()
    meters: tuple[MeterIn, ...] = Field((), description="Meter exchanges, first to last; they cut no holder's days.")


class PointsIn(Message):
    points: tuple[PointIn, ...] = Field(min_length=1, max_length=10_000)


class PointsTaken(Message):
    created: int
    updated: int
