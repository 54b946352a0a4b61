"""Curves as a provider has them at the moment of asking: nothing is prepared, signed or receipted."""

from __future__ import annotations

from collections.abc import Collection

from meterhall.client.checks import MOST_BYTES, granularity_of, is_within
from meterhall.client.line import Line
from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.base import DirectionName
from meterhall.domain.protocol.deliveries import CurvesAsked, DataRequest
from meterhall.domain.readings import Curve, parse_granularity
from meterhall.formats import FORMATS


class LiveUnreadable(InvalidInput):
    code = "live_unreadable"
    title = "The provider's answer is not what was asked for; nothing of it is shown."


def look(line: Line, path: str, asked: DataRequest, accepted: Collection[str]) -> list[Curve]:
    """The curves of an activation, at `path` there: of the pseudonyms that are asked for, each by itself, or of all.

    Raises `LiveUnreadable`, of what was not asked for as well, `TooLarge`, and like `Line.call`.
    """
    return [
        curve
        for direction in asked.directions
        for name in asked.pseudonyms or (None,)
        for curve in _of(line, path, asked, direction, {name} if name else accepted)
    ]


def _of(line: Line, path: str, asked: DataRequest, direction: DirectionName, names: Collection[str]) -> list[Curve]:
    wanted = CurvesAsked(
        first=asked.period.first, until=asked.period.until, granularity=asked.granularity, format=asked.format,
        direction=direction, pseudonym=next(iter(names)) if asked.pseudonyms else None,
    )  # fmt: skip
    try:
        content = line.read(f"{path}/curves", wanted.document(), MOST_BYTES)
        curves = list(FORMATS[asked.format].decode(content))
    except (InvalidInput, ValueError, KeyError) as fault:
        raise LiveUnreadable(f"The answer cannot be read as {asked.format}.") from fault
    slots = parse_granularity(asked.granularity)
    for curve in curves:
        said = curve.series.usage_point in names and curve.series.direction == direction
        if not (said and granularity_of(curve) == slots and is_within(curve, asked.period, slots)):
            raise LiveUnreadable("The answer holds another point, direction, granularity or day.")
    return curves
