"""The register of series: that of each (POD, direction) at a file's resolution, found, or made where it is lacking."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from meterhall.provider.metering.models import Series
from meterhall.provider.points.service import keys_by_pod, pod_key
from meterhall.web.platform import platform
from meterhall.web.sets import among, pieces

UNKNOWN = ("P1", "No such metering point is registered.")
DIRECTION = ("P2", "A direction is import, export or net.")
MAY_PASS = (UNKNOWN,)
"""Rules that a row may keep later, when the register has changed."""
DIRECTIONS = frozenset(("import", "export", "net"))
Found = Series | tuple[str, str]
SERIES_AT_ONCE: Final = 10_000
"""Series written in one transaction: about a second in which nobody else can write on SQLite."""


class Register:
    """The series of a file's points, found or made a block at a time and remembered. New ones keep `scale`."""

    def __init__(self, resolution_s: int, scale: int = 0, civil: str = "") -> None:
        self._resolution_s, self._scale, self._civil = resolution_s, scale, civil
        self._ids: dict[tuple[str, str], int] = {}
        self.rules: dict[tuple[str, str], tuple[str, str]] = {}
        """The rule by which the rows of a (POD, direction) without a series are set aside."""
        self.series: dict[int, Series] = {}
        self.beside: set[int] = set()
        """Those without values that stand beside one of longer slots that has some."""
        self._powers: dict[int, int] = {}

    def find(self, pairs: list[tuple[str, str]]) -> list[int]:
        """The id of the series of each (POD, direction), or -1. A few queries for all that are new."""
        fresh = list({pair: None for pair in pairs if pair not in self._ids})
        if fresh:
            found = find_series(fresh, self._resolution_s, self._scale, self._civil)
            for pair, one in zip(fresh, found.of_pairs, strict=True):
                if isinstance(one, Series):
                    self._ids[pair], self.series[one.pk] = one.pk, one
                else:
                    self._ids[pair], self.rules[pair] = -1, one
            self.beside |= found.beside
            self._powers |= found.powers
        return [self._ids[pair] for pair in pairs]

    def power_of(self, series: Series) -> int | None:
        """What the connection of a series' point can carry, in W; None where that is not known."""
        return self._powers.get(series.point_id)

    def scales(self) -> set[int]:
        """The scales of the series found so far."""
        return {one.scale for one in self.series.values()}


class Looked(NamedTuple):
    """What is found of some pairs, which of the series stand beside one of longer slots, as in `Register`, and the
    power of the points of which one is known."""

    of_pairs: list[Found]
    beside: set[int]
    powers: dict[int, int]


def find_series(pairs: list[tuple[str, str]], resolution_s: int, scale: int = 0, civil: str = "") -> Looked:
    """The series of each (POD, direction), or the rule by which its rows are set aside. A few queries for all."""
    pods = {pod for pod, _ in pairs}
    there = keys_by_pod({pod for pod in pods if pod.isascii() and pod.isalnum()})
    keys = {pod: pod if pod in there else pod_key(pod, platform().config.country) for pod in pods}
    there |= keys_by_pod({key for key in keys.values() if key and key not in there})
    points = {pod: pk for pod, (pk, _) in there.items()}
    powers = {pk: power_w for pk, power_w in there.values() if power_w is not None}
    wanted = dict.fromkeys(
        (points[keys[pod]], direction) for pod, direction in pairs if keys[pod] in points and direction in DIRECTIONS
    )
    slots = resolution_s, civil
    every = _known(points.values())
    known = _of(every, slots)
    fresh = [
        Series(point_id=pk, direction=direction, resolution_s=resolution_s, civil=civil, scale=scale)
        for pk, direction in wanted
        if (pk, direction) not in known
    ]
    for some in pieces(fresh, SERIES_AT_ONCE):
        Series.objects.bulk_create(some, batch_size=500, ignore_conflicts=True)
    if fresh:
        known = _of(_known(points.values()), slots)
    coarser = [one for one in every if one.first_day and (one.civil, one.resolution_s) > (civil, resolution_s)]
    longer = {(one.point_id, one.direction) for one in coarser}
    beside = {one.pk for line, one in known.items() if line in longer and one.first_day is None}
    return Looked([_one(points.get(keys[pod]), direction, known) for pod, direction in pairs], beside, powers)


def _known(points: Iterable[int]) -> list[Series]:
    return list(Series.objects.filter(among("point", points)))


def _of(every: list[Series], slots: tuple[int, str]) -> dict[tuple[int, str], Series]:
    return {(one.point_id, one.direction): one for one in every if (one.resolution_s, one.civil) == slots}


def _one(point: int | None, direction: str, known: dict[tuple[int, str], Series]) -> Found:
    if point is None:
        return UNKNOWN
    return known.get((point, direction), DIRECTION)
