"""Curves as a provider has them at the moment of asking: nothing is prepared, signed or receipted."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from meterhall.client.line import Line
from meterhall.domain.errors import InvalidInput, MeterhallError
from meterhall.domain.protocol.base import DirectionName
from meterhall.domain.protocol.deliveries import CurvesAsked, DataRequest
from meterhall.domain.readings import Curve
from meterhall.formats import FORMATS


class LiveUnreadable(InvalidInput):
    code = "live_unreadable"
    title = "The provider's answer is not what was asked for; nothing of it is shown."


def look(line: Line, path: str, asked: DataRequest, accepted: Collection[str]) -> list[Curve]:
    """The curves of an activation, at `path` there: of the pseudonyms that are asked for, each by itself, or of all.

    Raises `LiveUnreadable`, of one that was not accepted as well, and like `Line.call`.
    """
    curves = [
        curve
        for direction in asked.directions
        for name in asked.pseudonyms or (None,)
        for curve in _of(line, path, asked, direction, name)
    ]
    if any(curve.series.usage_point not in accepted for curve in curves):
        raise LiveUnreadable("The answer holds a point that was not accepted.")
    return curves


def _of(line: Line, path: str, asked: DataRequest, direction: DirectionName, name: str | None) -> Iterator[Curve]:
    wanted = CurvesAsked(
        first=asked.period.first, until=asked.period.until, granularity=asked.granularity, format=asked.format,
        direction=direction, pseudonym=name,
    )  # fmt: skip
    answer = line.send("GET", f"{path}/curves", params=wanted.document())
    try:
        yield from FORMATS[asked.format].decode(answer.content)
    except (MeterhallError, ValueError, KeyError) as fault:
        raise LiveUnreadable(f"The answer cannot be read as {asked.format}.") from fault
