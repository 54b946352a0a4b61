"""The command that has missing values of a metering point estimated; what is stored says how, and who had it done."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.errors import InvalidInput, NotFound
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.curves import MISSING
from meterhall.domain.readings.estimation import Method, from_like_days, from_profile, on_a_line
from meterhall.domain.readings.granularity import Granularity
from meterhall.domain.readings.rows import Rows, matrices
from meterhall.provider.metering.intake import Profile, read_blocks
from meterhall.provider.metering.models import Estimation, Series
from meterhall.provider.metering.service import lake, spec
from meterhall.provider.metering.serving import finest_first
from meterhall.provider.points.service import pod_key, points_by_pod
from meterhall.web.platform import platform

MOST_DAYS = 400
MARGIN = timedelta(days=29)
"""Days read around those to be estimated: like days lie up to four weeks away."""


class UnknownSeries(NotFound):
    code = "unknown_series"
    title = "No series of this metering point and direction is registered."


class NotEstimated(InvalidInput):
    code = "not_estimated"
    title = "What is measured by civil day or month is not estimated: hand in the value, or finer readings."


class NoShape(InvalidInput):
    code = "no_load_profile"
    title = "The method load_profile needs a file with one series that has the shape."


def estimate(
    pod: str,
    days: tuple[date, date],
    method: Method,
    *,
    by: str,
    direction: str = "import",
    shape: tuple[Path, Profile] | None = None,
) -> Estimation:
    """Estimate what is missing on the civil days from the first to the second (exclusive) of `days`, up to now.

    A measured value is never changed, and one handed in later replaces an estimate. Doing it again finds nothing
    left to do. Raises `UnknownSeries`, `NotEstimated`, `NoShape` and `InvalidInput` for the days.
    """
    series = _series(pod, direction, days)
    start, end = _period(series, days)
    first, values = _read(series, start - MARGIN, end + MARGIN)
    starts = first + series.resolution_s * np.arange(len(values), dtype=np.int64)
    wanted = (starts >= int(start.timestamp())) & (starts < int(end.timestamp()))
    made = _made(series, values, starts, wanted, method, shape)
    fresh = np.flatnonzero(wanted & (values == MISSING) & (made != MISSING))
    done = Estimation(
        series=series, token=new_id("est"), method=method, first_day=days[0], until_day=days[1], by=by[:120],
        at=platform().now(), missing=int((wanted & (values == MISSING)).sum()), estimated=len(fresh),
    )  # fmt: skip
    done.save()
    if len(fresh):
        ids, quality = np.full(len(fresh), series.pk), np.full(len(fresh), method.quality, np.uint8)
        rows = Rows(ids, starts[fresh], made[fresh], quality)
        made_days = list(matrices([spec(series)], rows))
        lake().put(made_days, available_at=done.at, transaction=(f"estimate/{done.token}", 1))
    return done


def _series(pod: str, direction: str, days: tuple[date, date]) -> Series:
    """Of several the finest that is measured about then, else the finest of all."""
    points = points_by_pod({pod_key(pod, platform().config.country)} - {""})
    known = Series.objects.filter(point__in=points.values(), direction=direction).select_related("point")
    several = finest_first(known)
    if not several:
        raise UnknownSeries(field="/pod")
    timed = [one for one in several if not one.civil]
    if not timed:
        raise NotEstimated(field="/pod")
    return next((one for one in timed if _is_measured(one, days)), timed[0])


def _is_measured(series: Series, days: tuple[date, date]) -> bool:
    first, until = series.first_day, series.until_day
    return first is not None and until is not None and first < days[1] and days[0] < until


def _period(series: Series, days: tuple[date, date]) -> tuple[datetime, datetime]:
    """The instants the civil days begin and end, on the edges of slots, and none of the time to come."""
    if not timedelta(0) < days[1] - days[0] <= timedelta(days=MOST_DAYS):
        raise InvalidInput(f"Estimate from one day on until a later one, {MOST_DAYS} days at most.", field="/until")
    zone, step = ZoneInfo(series.point.zone), series.resolution_s
    start, end = (int(midnight(zone, day).timestamp()) for day in days)
    end = min(end, int(platform().now().timestamp()))
    if end <= start:
        raise InvalidInput("Days to come are not estimated.", field="/first")
    edges = -(-start // step) * step, max(end // step * step, -(-start // step) * step)
    first, last = (datetime.fromtimestamp(one, UTC) for one in edges)
    return first, last


def _read(series: Series, start: datetime, end: datetime) -> tuple[int, NDArray[np.int64]]:
    blocks = list(lake().read([spec(series)], start, end))
    return int(start.timestamp()), np.concatenate([block.mantissas for block in blocks])


def _made(
    series: Series,
    values: NDArray[np.int64],
    starts: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    method: Method,
    shape: tuple[Path, Profile] | None,
) -> NDArray[np.int64]:
    if method == Method.LINEAR:
        return on_a_line(values, series.resolution_s)
    if method == Method.LIKE_DAY:
        return from_like_days(values, starts, ZoneInfo(series.point.zone), series.resolution_s)
    if shape is None:
        raise NoShape(field="/shape")
    made = values.copy()
    made[wanted] = from_profile(values[wanted], _shape(*shape, starts[wanted], series.resolution_s))
    return made


def _shape(path: Path, profile: Profile, starts: NDArray[np.int64], resolution_s: int) -> NDArray[np.int64]:
    """The numbers of the file at these starts. Raises `NoShape` where it is not one series of one kind of number."""
    found = np.full(len(starts), MISSING)
    places = set()
    for block in read_blocks(path, profile, Granularity(resolution_s)):
        places.add(block.places)
        if len(set(block.points)) > 1 or block.rules.any():
            raise NoShape(field="/shape")
        place = (block.starts - int(starts[0])) // resolution_s
        inside = (place >= 0) & (place < len(starts)) & (block.starts % resolution_s == 0)
        found[place[inside]] = block.stated[inside]
    if len(places) > 1:
        raise NoShape("Its numbers have more decimals in one part than in another.", field="/shape")
    return found
