"""Commands about meter data: take a file of readings, and what of a point can be had. Working it in: `working`."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import Q

from meterhall.domain.consent import Refused
from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings.amounts import most_of
from meterhall.domain.readings.civil import EARLIEST, midnight
from meterhall.domain.readings.curves import Direction
from meterhall.domain.readings.granularity import Granularity, parse_granularity
from meterhall.domain.readings.resampling import slot_edges
from meterhall.domain.readings.rows import MANTISSA_MAX, SeriesSpec
from meterhall.lake import Lake
from meterhall.lake.spark import SparkEngine
from meterhall.provider.metering.intake import OF_CURVES, PLAIN, Profile, check_fits, format_of
from meterhall.provider.metering.models import TOO_LATE, IngestRun, Series
from meterhall.provider.metering.register import MAY_PASS
from meterhall.web.config import EMBEDDED
from meterhall.web.platform import platform
from meterhall.web.sets import among, pieces
from meterhall.web.work.models import WorkState

PIECE_BYTES = 1024 * 1024
DAY_S, HOUR_S = 86_400, 3600
LONGEST_DAY_S, LONGEST_MONTH_S = 25 * HOUR_S, (31 * 24 + 1) * HOUR_S
"""Of civil days and months: those in which the clock is put back."""
REGISTERS = "PT15M"
"""How far apart a register's readings are where neither its file nor anybody else says it."""
MOST_DAYS_AHEAD = 400
"""Of an open period: long enough to hold both clock changes."""


@lru_cache(maxsize=4)
def _lake(path: Path, engine: str, seen_at: str) -> Lake:
    return Lake(path, engine=None if engine == EMBEDDED else SparkEngine(engine, path, seen_at=seen_at))


def lake() -> Lake:
    """This provider's lake, which the engine of the settings calculates on."""
    config = platform().config
    return _lake(platform().home.path / "lake", config.engine, config.engine_lake)


def spec(series: Series, maximum: int = MANTISSA_MAX) -> SeriesSpec:
    """What the lake needs to know of a series."""
    return SeriesSpec(series.pk, series.resolution_s, series.scale, series.direction == Direction.NET, maximum)


def bounded(series: Iterable[Series], power_of: Callable[[Series], int | None]) -> list[SeriesSpec]:
    """What readings of series are checked by: no value is more than the connection of its point can carry, or than the
    settings say where that is not known."""
    usual_w = platform().config.maximum_power_w
    return [spec(one, _largest(power_of(one) or usual_w, one.resolution_s, one.civil, one.scale)) for one in series]


@lru_cache(maxsize=4096)
def _largest(power_w: int, resolution_s: int, civil: str, scale: int) -> int:
    if not power_w:
        return MANTISSA_MAX
    slot_s = {"": resolution_s, "P1D": LONGEST_DAY_S, "P1M": LONGEST_MONTH_S}[civil]
    return min(most_of(power_w, slot_s, scale), MANTISSA_MAX)


def take_readings(
    content: bytes | IO[bytes], granularity: str, *, name: str = "", profile: Profile = PLAIN
) -> IngestRun:
    """Keep a file of readings; the worker works it in. `name` is what its sender calls it, `profile` how it is read.

    The granularity may be empty where the profile says it, or the file does, as ESPI and CIM do.

    The same file again is the same run, unless that run set rows aside for want of a point or series: then it is tried
    anew, since they may be registered by now.
    """
    said = granularity or profile.resolution
    if said:
        check_fits(profile, _grain(said))
    folder = ingest_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    coming = folder / f".{new_id('in')}"
    try:
        mark = _keep(content, coming)
        says_itself = (profile.format or format_of(coming)) in OF_CURVES
        grain = _grain(said or (REGISTERS if says_itself else ""))
        columns = {"resolution_s": grain.period_s or DAY_S, "civil": str(grain) if grain.civil else ""}
        described = profile.model_dump(mode="json", exclude_defaults=True)
        same = IngestRun.objects.filter(digest=mark, profile=described, **columns)
        worth_another = Q(work_state=WorkState.DEAD) | Q(unlisted__gt=0) | Q(problem=TOO_LATE)
        worth_another |= Q(quarantine__rule__in=[rule for rule, _ in MAY_PASS])
        known = same.exclude(pk__in=same.filter(worth_another).values("pk")).first()
        if known is not None:
            return known
        count = IngestRun.objects.filter(digest=mark).count()
        path = folder / f"{mark.removeprefix('sha-256:')}-{count}.readings"
        coming.replace(path)
    finally:
        coming.unlink(missing_ok=True)
    now = platform().now()
    return IngestRun.objects.create(
        file=path.name, name=name[:200], digest=mark, profile=described, received_at=now, due_at=now, **columns
    )  # fmt: skip


def _grain(granularity: str) -> Granularity:
    if not granularity:
        raise InvalidInput("Say how long a slot is: PT15M, PT1H, …, P1D or P1M.", field="/resolution")
    return parse_granularity(granularity, field="/resolution")


def _keep(content: bytes | IO[bytes], path: Path) -> str:
    """Write the content to the disk, a piece at a time; its digest, which another thread makes meanwhile."""
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    made = hashlib.sha256()
    file_number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file_number, "wb") as file, ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(made.update, b"")
        while piece := source.read(PIECE_BYTES):
            hashed.result()  # two pieces in memory at most
            hashed = pool.submit(made.update, piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return f"sha-256:{made.hexdigest()}"


def ingest_folder() -> Path:
    """Where files rest until they are worked in."""
    return platform().home.path / "files" / "ingest"


def clear_unfinished() -> int:
    """Remove files that came a day ago and are no run's: whoever was taking them died. How many."""
    folder, before = ingest_folder(), time.time() - DAY_S
    old = [file.name for file in folder.glob("*") if file.is_file() and file.stat().st_mtime < before]
    gone = 0
    for some in pieces(old):
        for name in set(some) - set(IngestRun.objects.filter(file__in=some).values_list("file", flat=True)):
            (folder / name).unlink(missing_ok=True)
            gone += 1
    return gone


def series_of(points: Iterable[int]) -> dict[int, list[Series]]:
    """The series of each point, by the point's primary key."""
    found: dict[int, list[Series]] = {}
    for one in Series.objects.filter(among("point", set(points))).order_by("pk"):
        found.setdefault(one.point_id, []).append(one)
    return found


def kinds_of(points: Iterable[int], direction: str) -> list[tuple[int, int, int, str, int]]:
    """Point, series, resolution, civil grain and scale of each series of a direction, numbers alone: of thousands of
    series a third of the work that the rows are."""
    of_these = Series.objects.filter(among("point", set(points)), direction=direction)
    return list(of_these.values_list("point_id", "pk", "resolution_s", "civil", "scale"))


def unavailable(series: Sequence[Series], scope: DataScope, days: Sequence[Period]) -> Refused | None:
    """Why nothing of a point can be had in this scope on these days; None where something can.

    Days to come count as available: a schedule waits for them.
    """
    found = [one for one in series if one.direction in scope.directions and one.first_day is not None]
    if {one.direction for one in found} != set(scope.directions):
        return Refused("period_unavailable")
    serving: dict[int, Series] = {}
    for direction, grain in product(scope.directions, map(parse_granularity, scope.granularities)):
        mine = [one for one in found if one.direction == direction and can_be_had(one, grain)]
        fitting = {one.pk: one for one in mine if not _cuts_days(one, grain, days)}
        if not fitting:
            return Refused("granularity_unavailable")
        serving |= fitting
    today = platform().now().date()
    for one in serving.values():
        until = max(one.until_day or today, today + timedelta(days=1))
        if any(one.first_day < day.until and until > day.first for day in days):  # type: ignore[operator]
            return None
        if any(day.first > today for day in days):
            return None
    return Refused("period_unavailable")


def can_be_had(series: Series, grain: Granularity) -> bool:
    """Whether slots so long are made of whole slots of the series."""
    if series.civil:
        return grain.is_made_of(series.grain)
    return (grain.period_s or DAY_S) % series.resolution_s == 0


def _cuts_days(series: Series, wanted: Granularity, days: Sequence[Period]) -> bool:
    """Whether a civil day, week or month of these begins within a slot: only slots longer than an hour can do that."""
    if series.civil or HOUR_S % series.resolution_s == 0:
        return False
    zone = ZoneInfo(series.point.zone)
    for day in days:
        first = max(day.first, EARLIEST)
        until = max(min(day.until, first + timedelta(days=MOST_DAYS_AHEAD)), first + timedelta(days=1))
        start, end = midnight(zone, first), midnight(zone, until)
        edges = [slot_edges(wanted, zone, start, end)] if wanted.civil else []
        if any((one % series.resolution_s).any() for one in [*edges, np.array([start.timestamp(), end.timestamp()])]):
            return True
    return False
