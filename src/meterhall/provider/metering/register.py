"""The register of series: finds the series of each (POD, direction) of a file, or makes the one a point lacks."""

from __future__ import annotations

from meterhall.provider.metering.models import Series
from meterhall.provider.points.models import Point
from meterhall.provider.points.service import pod_key, points_by_pod
from meterhall.web.platform import platform
from meterhall.web.sets import pieces

UNKNOWN = ("P1", "No such metering point is registered.")
DIRECTION = ("P2", "A direction is import, export or net.")
RESOLUTION = ("P3", "The series is kept at another resolution than the file's.")
MAY_PASS = (UNKNOWN, RESOLUTION)
"""Rules that a row may keep later, when the register has changed."""
DIRECTIONS = frozenset(("import", "export", "net"))
Found = Series | tuple[str, str]


class Register:
    """The series of a file's points, found or made a block at a time and remembered. New ones keep `scale`."""

    def __init__(self, resolution_s: int, scale: int = 0, civil: str = "") -> None:
        self._resolution_s, self._scale, self._civil = resolution_s, scale, civil
        self._found: dict[tuple[str, str], Found] = {}
        self.series: dict[int, Series] = {}

    def find(self, pairs: list[tuple[str, str]]) -> list[Found]:
        """The series of each (POD, direction), or the rule by which its rows are set aside. A few queries for all."""
        fresh = list({pair: None for pair in pairs if pair not in self._found})
        if fresh:
            found = find_series(fresh, self._resolution_s, self._scale, self._civil)
            self._found.update(zip(fresh, found, strict=True))
            self.series |= {one.pk: one for one in found if isinstance(one, Series)}
        return [self._found[pair] for pair in pairs]

    def scales(self) -> set[int]:
        """The scales of the series found so far."""
        return {one.scale for one in self.series.values()}


def find_series(pairs: list[tuple[str, str]], resolution_s: int, scale: int = 0, civil: str = "") -> list[Found]:
    """The series of each (POD, direction), or the rule by which its rows are set aside. A few queries for all."""
    pods = {pod for pod, _ in pairs}
    points = points_by_pod({pod for pod in pods if pod.isascii() and pod.isalnum()})
    keys = {pod: pod if pod in points else pod_key(pod, platform().config.country) for pod in pods}
    points |= points_by_pod({key for key in keys.values() if key and key not in points})
    wanted = {
        (points[keys[pod]].pk, direction): points[keys[pod]]
        for pod, direction in pairs
        if keys[pod] in points and direction in DIRECTIONS
    }
    known = _known(list(points.values()))
    fresh = [
        Series(point=point, direction=direction, resolution_s=resolution_s, civil=civil, scale=scale)
        for (pk, direction), point in wanted.items()
        if (pk, direction) not in known
    ]
    Series.objects.bulk_create(fresh, batch_size=500, ignore_conflicts=True)
    if fresh:
        known = _known(list(points.values()))
    return [_one(points.get(keys[pod]), direction, (resolution_s, civil), known) for pod, direction in pairs]


def _known(points: list[Point]) -> dict[tuple[int, str], Series]:
    return {
        (one.point_id, one.direction): one
        for some in pieces(point.pk for point in points)
        for one in Series.objects.filter(point__in=some)
    }


def _one(point: Point | None, direction: str, slots: tuple[int, str], known: dict[tuple[int, str], Series]) -> Found:
    if point is None:
        return UNKNOWN
    series = known.get((point.pk, direction))
    if series is None:
        return DIRECTION
    return series if (series.resolution_s, series.civil) == slots else RESOLUTION
