"""Commands about meter data: take a file of readings, work it into the lake; and what of a point can be had."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.db import transaction

from meterhall.domain.consent import Refused
from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings.granularity import parse_granularity
from meterhall.domain.readings.rows import Rows, SeriesSpec
from meterhall.lake import Ingested, Lake
from meterhall.provider.metering.models import IngestRun, QuarantinedRow, Series
from meterhall.provider.metering.rows import Columns, read_columns
from meterhall.provider.points.models import Point
from meterhall.provider.points.service import find_point, one_pod
from meterhall.web.home import write_private
from meterhall.web.platform import platform
from meterhall.web.work.models import WorkState

MOST_QUARANTINE = 10_000


class ResolutionClash(InvalidInput):
    code = "resolution_clash"
    title = "The series is kept at another resolution."


@lru_cache(maxsize=4)
def _lake(path: Path) -> Lake:
    return Lake(path)


def lake() -> Lake:
    """This provider's lake."""
    return _lake(platform().home.path / "lake")


def spec(series: Series) -> SeriesSpec:
    """What the lake needs to know of a series."""
    return SeriesSpec(id=series.pk, resolution_s=series.resolution_s, scale=series.scale)


def take_readings(content: bytes, granularity: str) -> IngestRun:
    """Keep a file of readings; the worker works it in. The same file again is the same run."""
    resolution_s = parse_granularity(granularity).period_s
    name = digest(content)
    known = IngestRun.objects.filter(digest=name, resolution_s=resolution_s).first()
    if known is not None:
        return known
    path = platform().home.path / "files" / "ingest" / f"{name.removeprefix('sha-256:')}.readings"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, content)
    now = platform().now()
    return IngestRun.objects.create(file=path.name, digest=name, resolution_s=resolution_s, received_at=now, due_at=now)


def work_in(run: IngestRun) -> None:
    """Put the run's rows into the lake, then write down what came of it; safe to repeat after a crash anywhere.

    The lake commits first, under the run's number; a repeated run finds its number there and only writes it down.
    """
    path = platform().home.path / "files" / "ingest" / run.file
    try:
        columns = read_columns(path)
        pairs = _series_of(columns.points, run.resolution_s)
    except InvalidInput as fault:
        _refuse(run, fault.detail)
        return
    chosen = np.array([series.pk if series else -1 for series in pairs], np.int64)[columns.which]
    known = chosen >= 0
    rows = Rows(chosen[known], columns.starts[known], columns.mantissas[known], columns.quality[known])
    distinct = [spec(series) for series in {one.pk: one for one in pairs if one}.values()]
    ingested = lake().ingest(distinct, rows, available_at=platform().now(), transaction=("ingest", run.pk))
    _write_down(run, columns, ingested, np.flatnonzero(known), np.flatnonzero(~known))
    path.unlink(missing_ok=True)


def _series_of(points: list[tuple[str, str]], resolution_s: int) -> list[Series | None]:
    """The series of each (POD, direction), made where the point is known and has none; None where it is not."""
    return [_series(pod, direction, resolution_s) for pod, direction in points]


def _series(pod: str, direction: str, resolution_s: int) -> Series | None:
    try:
        point = find_point(one_pod(pod, platform().config.country, "/pod"))
    except InvalidInput:
        return None
    if point is None or direction not in {"import", "export"}:
        return None
    series, _ = Series.objects.get_or_create(point=point, direction=direction, defaults={"resolution_s": resolution_s})
    if series.resolution_s != resolution_s:
        raise ResolutionClash(f"A series is kept at {series.resolution_s} s, the file says {resolution_s} s.")
    return series


def _refuse(run: IngestRun, reason: str) -> None:
    run.problem, run.finished_at, run.work_state = reason[:500], platform().now(), WorkState.DONE
    run.save()


def _write_down(run: IngestRun, columns: Columns, ingested: Ingested, taken: np.ndarray, unknown: np.ndarray) -> None:
    with transaction.atomic():
        run.quarantine.all().delete()
        aside = [
            QuarantinedRow(run=run, row=int(taken[place]), rule=rule.id, sentence=rule.sentence)
            for place, rule in list(ingested.quarantine)[:MOST_QUARANTINE]
        ]
        aside += [
            QuarantinedRow(run=run, row=int(row), rule="P1", sentence="No such metering point is registered.")
            for row in unknown[:MOST_QUARANTINE]
        ]
        QuarantinedRow.objects.bulk_create(aside)
        run.rows = len(columns.starts)
        run.quarantined = len(ingested.quarantine) + len(unknown)
        run.days_written, run.days_unchanged = ingested.written, ingested.unchanged
        run.finished_at, run.work_state = platform().now(), WorkState.DONE
        run.save()
        _stretch(columns, run.resolution_s)


def _stretch(columns: Columns, resolution_s: int) -> None:
    """Widen the known days of each series by what came in."""
    pairs = _series_of(columns.points, resolution_s)
    for place, series in enumerate(pairs):
        mine = columns.starts[columns.which == place]
        if series is None or not len(mine):
            continue
        first = datetime.fromtimestamp(int(mine.min()), UTC).date()
        until = datetime.fromtimestamp(int(mine.max()), UTC).date() + timedelta(days=1)
        series.first_day = min(first, series.first_day or first)
        series.until_day = max(until, series.until_day or until)
        series.save(update_fields=["first_day", "until_day"])


def available_days(point: Point, scope: DataScope, period: Period | None) -> Period | Refused:
    """The days of `period` that may be had of a point in this scope, or why none."""
    found = list(point.series.filter(direction__in=scope.directions))
    if len(found) < len(set(scope.directions)) or any(series.first_day is None for series in found):
        return Refused("period_unavailable")
    finest = [parse_granularity(name) for name in scope.granularities]
    for series in found:
        if any(not one.civil and one.period_s % series.resolution_s for one in finest):
            return Refused("granularity_unavailable")
    wanted = period or Period(first=date(1970, 1, 1), until=date(9999, 1, 1))
    known = [series for series in found if series.first_day < wanted.until and series.until_day > wanted.first]
    return wanted if known else Refused("period_unavailable")


def series_of_points(points: Iterable[Point], direction: str) -> dict[int, Series]:
    """The series of each point in a direction, by the point's primary key."""
    return {one.point_id: one for one in Series.objects.filter(point__in=list(points), direction=direction)}
