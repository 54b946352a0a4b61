"""Commands about meter data: take a file of readings, work it into the lake; and what of a point can be had."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from django.db import transaction
from django.db.models import Q
from numpy.typing import NDArray

from meterhall.domain.consent import Refused
from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.granularity import Granularity, parse_granularity
from meterhall.domain.readings.resampling import slot_edges
from meterhall.domain.readings.rows import Rows, SeriesSpec
from meterhall.lake import Ingested, Lake
from meterhall.provider.metering.models import IngestRun, QuarantinedRow, Series
from meterhall.provider.metering.register import MAY_PASS, UNKNOWN, Found, find_series
from meterhall.provider.metering.rows import Columns, read_columns
from meterhall.provider.points.models import Point
from meterhall.provider.sets import pieces, write_back
from meterhall.web.home import write_private
from meterhall.web.platform import platform
from meterhall.web.work.models import WorkState

MOST_QUARANTINE = 10_000
DAY_S, HOUR_S = 86_400, 3600
MOST_DAYS_AHEAD = 400
"""Of an open period: long enough to hold both clock changes."""


@lru_cache(maxsize=4)
def _lake(path: Path) -> Lake:
    return Lake(path)


def lake() -> Lake:
    """This provider's lake."""
    return _lake(platform().home.path / "lake")


def spec(series: Series) -> SeriesSpec:
    """What the lake needs to know of a series."""
    return SeriesSpec(id=series.pk, resolution_s=series.resolution_s, scale=series.scale)


def take_readings(content: bytes, granularity: str, *, name: str = "") -> IngestRun:
    """Keep a file of readings; the worker works it in. `name` is what its sender calls it.

    The same file again is the same run, unless that run set rows aside for want of a point or series: then it is tried
    anew, since they may be registered by now.
    """
    resolution_s = parse_granularity(granularity).period_s
    if not resolution_s:
        raise InvalidInput(
            "Readings by civil day or month are not taken in; hand in the finer ones.", field="/resolution"
        )
    mark = digest(content)
    same = IngestRun.objects.filter(digest=mark, resolution_s=resolution_s)
    worth_another = Q(work_state=WorkState.DEAD) | Q(quarantine__rule__in=[rule for rule, _ in MAY_PASS])
    known = same.exclude(pk__in=same.filter(worth_another).values("pk")).first()
    if known is not None:
        return known
    path = _folder() / f"{mark.removeprefix('sha-256:')}-{same.count()}.readings"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, content)
    now = platform().now()
    return IngestRun.objects.create(
        file=path.name, name=name[:200], digest=mark, resolution_s=resolution_s, received_at=now, due_at=now
    )


def _folder() -> Path:
    return platform().home.path / "files" / "ingest"


def work_in(run: IngestRun) -> None:
    """Put the run's rows into the lake, then write down what came of it; safe to repeat after a crash anywhere.

    The lake commits first, under the run's number; a repeated run finds its number there and only writes it down.
    """
    path = _folder() / run.file
    if run.finished_at is not None and not path.exists():
        return  # all was done but the note of it
    try:
        columns = read_columns(path)
    except InvalidInput as fault:
        _refuse(run, fault.detail)
        path.unlink(missing_ok=True)
        return
    found = find_series(columns.points, run.resolution_s)
    chosen = np.array([one.pk if isinstance(one, Series) else -1 for one in found], np.int64)[columns.which]
    known = chosen >= 0
    rows = Rows(chosen[known], columns.starts[known], columns.mantissas[known], columns.quality[known])
    distinct = [spec(series) for series in {one.pk: one for one in found if isinstance(one, Series)}.values()]
    ingested = lake().ingest(distinct, rows, available_at=platform().now(), transaction=("ingest", run.pk))
    _write_down(run, columns, found, ingested, known)
    path.unlink(missing_ok=True)


def _refuse(run: IngestRun, reason: str) -> None:
    run.problem, run.finished_at = reason[:500], platform().now()
    run.save(update_fields=["problem", "finished_at"])


def _write_down(
    run: IngestRun, columns: Columns, found: list[Found], ingested: Ingested, known: NDArray[np.bool_]
) -> None:
    taken, unknown = np.flatnonzero(known), np.flatnonzero(~known)
    broken = ingested.quarantine
    with transaction.atomic():
        run.quarantine.all().delete()
        aside = [
            QuarantinedRow(run=run, row=int(taken[place]), rule=rule.id, sentence=rule.sentence)
            for place, rule in itertools.islice(broken, MOST_QUARANTINE)
        ]
        for row in unknown[:MOST_QUARANTINE]:
            rule = found[columns.which[row]]
            code, sentence = rule if isinstance(rule, tuple) else UNKNOWN
            aside.append(QuarantinedRow(run=run, row=int(row), rule=code, sentence=sentence))
        QuarantinedRow.objects.bulk_create(aside, batch_size=500)
        run.rows = len(columns.starts)
        run.quarantined = len(broken) + len(unknown)
        run.days_written, run.days_unchanged = ingested.written, ingested.unchanged
        run.finished_at = platform().now()
        run.save()
        _stretch(columns, found, np.setdiff1d(taken, taken[broken.rows]))


def _stretch(columns: Columns, found: list[Found], taken: NDArray[np.int64]) -> None:
    """Widen the known days of each series by the rows that went in."""
    first = np.full(len(found), np.iinfo(np.int64).max)
    last = np.full(len(found), np.iinfo(np.int64).min)
    np.minimum.at(first, columns.which[taken], columns.starts[taken])
    np.maximum.at(last, columns.which[taken], columns.starts[taken])
    wider: dict[int, Series] = {}
    for place, series in enumerate(found):
        if not isinstance(series, Series) or first[place] > last[place]:
            continue
        from_day = datetime.fromtimestamp(int(first[place]), UTC).date()
        until = datetime.fromtimestamp(int(last[place]), UTC).date() + timedelta(days=1)
        series.first_day = min(from_day, series.first_day or from_day)
        series.until_day = max(until, series.until_day or until)
        wider[series.pk] = series
    write_back(list(wider.values()), ["first_day", "until_day"])


def series_of(points: Iterable[int]) -> dict[int, list[Series]]:
    """The series of each point, by the point's primary key."""
    found: dict[int, list[Series]] = {}
    for some in pieces(set(points)):
        for one in Series.objects.filter(point__in=some).order_by("pk"):
            found.setdefault(one.point_id, []).append(one)
    return found


def unavailable(series: Sequence[Series], scope: DataScope, days: Sequence[Period]) -> Refused | None:
    """Why nothing of a point can be had in this scope on these days; None where something can.

    Days to come count as available: a schedule waits for them.
    """
    found = [one for one in series if one.direction in scope.directions and one.first_day is not None]
    if {one.direction for one in found} != set(scope.directions):
        return Refused("period_unavailable")
    wanted = [parse_granularity(name) for name in scope.granularities]
    for one in found:
        if any((grain.period_s or DAY_S) % one.resolution_s for grain in wanted) or _cuts_days(one, wanted, days):
            return Refused("granularity_unavailable")
    today = platform().now().date()
    for one in found:
        until = max(one.until_day or today, today + timedelta(days=1))
        if any(one.first_day < day.until and until > day.first for day in days):  # type: ignore[operator]
            return None
        if any(day.first > today for day in days):
            return None
    return Refused("period_unavailable")


def _cuts_days(series: Series, wanted: Sequence[Granularity], days: Sequence[Period]) -> bool:
    """Whether a civil day or month of these begins within a slot: only slots longer than an hour can do that."""
    if HOUR_S % series.resolution_s == 0:
        return False
    zone = ZoneInfo(series.point.zone)
    for day in days:
        until = min(day.until, day.first + timedelta(days=MOST_DAYS_AHEAD))
        start, end = midnight(zone, day.first), midnight(zone, until)
        edges = [slot_edges(grain, zone, start, end) for grain in wanted if grain.civil]
        if any((one % series.resolution_s).any() for one in [*edges, np.array([start.timestamp(), end.timestamp()])]):
            return True
    return False


def series_of_points(points: Iterable[Point], direction: str) -> dict[int, Series]:
    """The series of each point in a direction, by the point's primary key."""
    found = series_of(point.pk for point in points)
    return {point: one for point, several in found.items() for one in several if one.direction == direction}
