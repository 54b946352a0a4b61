"""Questions about what was collected: a curve, how complete it is, a table to take away. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from meterhall.domain.errors import InvalidInput, NotFound
from meterhall.domain.protocol.base import Period
from meterhall.domain.readings import (
    CIVIL_DAY,
    MISSING,
    CivilCurve,
    CivilSeries,
    Direction,
    Granularity,
    GranularityUnavailable,
    LoadCurve,
    PeriodCurve,
    Quality,
    midnight,
    parse_granularity,
    resample,
)
from meterhall.domain.readings import Series as CurveSeries
from meterhall.domain.readings.curves import DAY_S
from meterhall.domain.readings.groups import rescaled
from meterhall.domain.readings.resampling import resample_civil, slot_edges
from meterhall.requester.activations.models import ActivationItem
from meterhall.requester.collection import civil
from meterhall.requester.collection.models import Series
from meterhall.requester.collection.store import lake, spec
from meterhall.requester.collection.zones import zone_of_pod, zone_of_pseudonym
from meterhall.web.platform import platform

MOST_SLOTS = 200_000
"""Slots of one answer: a year of quarter hours of five PODs."""


class NothingCollected(NotFound):
    code = "nothing_collected"
    title = "Nothing has been collected of this point in this direction."


class PeriodTooLong(InvalidInput):
    code = "period_too_long"
    title = f"One answer has at most {MOST_SLOTS} values; ask for fewer days or a coarser granularity."


@dataclass(frozen=True, slots=True)
class Subject:
    """What a curve is of: the pseudonyms one POD has had, or one group; the zone its days are in; readings or
    forecasts."""

    pseudonyms: tuple[str, ...]
    zone: ZoneInfo
    pod: str | None = None
    is_forecast: bool = False


@dataclass(frozen=True, slots=True)
class DayCompleteness:
    """How many values of a civil day are there, of how many."""

    day: date
    present: int
    expected: int


def subject_of_pod(pod: str) -> Subject:
    """Everything a POD was called in deliveries. Raises `NothingCollected`."""
    names = ActivationItem.objects.filter(pod=pod).exclude(pseudonym="").values_list("pseudonym", flat=True)
    if not names:
        raise NothingCollected
    return Subject(tuple(sorted(set(names))), zone_of_pod(pod), pod)


def subject_of(pseudonym: str) -> Subject:
    """The POD behind a pseudonym, or the group of this name. Raises `NothingCollected`."""
    pod = ActivationItem.objects.filter(pseudonym=pseudonym).values_list("pod", flat=True).first()
    if pod is not None:
        return subject_of_pod(pod)
    if not Series.objects.filter(pseudonym=pseudonym).exclude(group_size=None).exists():
        raise NothingCollected
    return Subject((pseudonym,), zone_of_pseudonym(pseudonym))


def held_of(subject: Subject) -> QuerySet[Series]:
    """The series that are held of a subject."""
    mine = Series.objects.filter(pseudonym__in=subject.pseudonyms, is_forecast=subject.is_forecast, withdrawn_at=None)
    return mine.exclude(received_at=None)


def series_of(subject: Subject, direction: str) -> list[Series]:
    """What is held of a subject: the finest first, of equally fine ones the newest. Raises `NothingCollected`."""
    found = held_of(subject).filter(direction=direction)
    if not found:
        raise NothingCollected
    return sorted(found, key=lambda one: (slot_s(one.granularity), -one.received_at.timestamp()))  # type: ignore[union-attr]


def slot_s(granularity: str) -> int:
    """How long a slot is, in seconds; of a civil day, week or month about, to compare by."""
    found = parse_granularity(granularity)
    return found.period_s or found.most_days * DAY_S


def known_period(series: Sequence[Series]) -> Period:
    """The civil days in which there is something."""
    first = min((one.first_day for one in series if one.first_day), default=date(1970, 1, 1))
    until = max((one.until_day for one in series if one.until_day), default=first)
    return Period(first=first, until=until)


def load_curve(
    subject: Subject, direction: str, period: Period, granularity: str | None = None, known_at: datetime | None = None
) -> PeriodCurve:
    """The curve of a subject over civil days in its zone, each slot from the finest series that has it whole.

    Without a granularity, in the finest there is; with `known_at` as it was known here at that instant. A slot nobody
    has whole is missing, never estimated. Raises `NothingCollected`, `GranularityUnavailable`, `PeriodTooLong`.
    """
    held = series_of(subject, direction)
    wanted = parse_granularity(granularity or held[0].granularity)
    start, end = midnight(subject.zone, period.first), midnight(subject.zone, period.until)
    edges = slot_edges(wanted, subject.zone, start, end)
    if len(edges) > MOST_SLOTS:
        raise PeriodTooLong(field="/until")
    curves = [curve for one in held if (curve := _of_series(one, wanted, subject.zone, edges, known_at)) is not None]
    if not curves:
        raise GranularityUnavailable(f"Nothing collected is as fine as {wanted}.", field="/granularity")
    return _overlaid(curves)


def _of_series(
    series: Series, wanted: Granularity, zone: ZoneInfo, edges: NDArray[np.int64], known_at: datetime | None
) -> PeriodCurve | None:
    """One series in the slots wanted; None where its own are no whole part of them."""
    own = parse_granularity(series.granularity)
    if own.civil:
        return _of_civil(series, wanted, zone, edges, known_at) if wanted.is_made_of(own) else None
    if not wanted.civil and wanted.period_s % own.period_s:
        return None
    start, end = (datetime.fromtimestamp(int(edge), UTC) for edge in (edges[0], edges[-1]))
    blocks = list(lake().read([spec(series)], start, end, as_known_at=known_at))
    known = CurveSeries(series.pseudonym, own.period_s, Direction(series.direction), series.scale)
    curve = LoadCurve(
        known,
        start,
        np.concatenate([block.mantissas for block in blocks]) if blocks else np.empty(0, np.int64),
        np.concatenate([block.quality for block in blocks]) if blocks else np.empty(0, np.uint8),
        max((block.available_at for block in blocks if block.available_at), default=known_at or platform().now()),
    )
    return resample(curve, wanted, zone)


def _of_civil(
    series: Series, wanted: Granularity, zone: ZoneInfo, edges: NDArray[np.int64], known_at: datetime | None
) -> PeriodCurve:
    """The values as they are held, or days summed over weeks or months."""
    own = parse_granularity(series.granularity)
    held = slot_edges(own, zone, *(datetime.fromtimestamp(int(edge), UTC) for edge in (edges[0], edges[-1])))
    values = civil.newest(series, int(held[0]), int(held[-1]), known_at)
    mantissas, quality = np.full(len(held) - 1, MISSING, np.int64), np.zeros(len(held) - 1, np.uint8)
    for place, edge in enumerate(held[:-1].tolist()):
        if edge in values:
            mantissas[place], quality[place] = values[edge].mantissa, values[edge].quality
    at = max((value.known_at for value in values.values()), default=known_at or platform().now())
    of = CivilSeries(series.pseudonym, own, Direction(series.direction), series.scale)
    curve = resample_civil(CivilCurve(of, held, mantissas, quality, at), wanted, zone)
    known = CurveSeries(series.pseudonym, DAY_S, Direction(series.direction), series.scale)
    there, one_each = curve.present.astype(np.int64), np.ones(len(curve), np.int64)
    return PeriodCurve(known, wanted, edges, curve.mantissas, curve.quality, there, one_each, at)


def _overlaid(curves: list[PeriodCurve]) -> PeriodCurve:
    """The first curve, its missing slots taken from the following ones."""
    scale = min(curve.series.scale for curve in curves)
    result = _at_scale(curves[0], scale)
    for curve in (_at_scale(one, scale) for one in curves[1:]):
        better = (result.mantissas == MISSING) & (curve.mantissas != MISSING)
        result = replace(
            result,
            mantissas=np.where(better, curve.mantissas, result.mantissas),
            quality=np.where(better, curve.quality, result.quality),
            present=np.where(better, curve.present, result.present),
            expected=np.where(better, curve.expected, result.expected),
            available_at=max(result.available_at, curve.available_at),
        )
    return result


def _at_scale(curve: PeriodCurve, scale: int) -> PeriodCurve:
    there = curve.mantissas != MISSING
    moved = rescaled(np.where(there, curve.mantissas, 0), curve.series.scale, scale)
    return replace(
        curve, series=replace(curve.series, scale=scale), mantissas=np.where(there, moved, MISSING).astype(np.int64)
    )


def completeness(subject: Subject, direction: str, period: Period) -> list[DayCompleteness]:
    """How complete each civil day is. Raises `NothingCollected`, `PeriodTooLong`."""
    curve = load_curve(subject, direction, period, str(CIVIL_DAY))
    days = (period.first + timedelta(days=place) for place in range(len(curve)))
    counts = zip(days, curve.present.tolist(), curve.expected.tolist(), strict=True)
    return [DayCompleteness(day, present, expected) for day, present, expected in counts]


def energy_wh(curve: PeriodCurve) -> list[Decimal | None]:
    """The exact values in Wh; None where missing."""
    return [
        None if value == MISSING else Decimal(value).scaleb(curve.series.scale) for value in curve.mantissas.tolist()
    ]


def csv_rows(subject: Subject, curve: PeriodCurve) -> Iterator[str]:
    """The curve as lines of a table: times with the offset of the subject's zone, quality in words."""
    yield "start,end,energy_wh,quality,values_present,values_expected\n"
    names = {int(quality): quality.name.lower() for quality in Quality}
    for place, value in enumerate(energy_wh(curve)):
        start, end = (_local(curve.edges[place + more], subject.zone) for more in (0, 1))
        quality = names.get(int(curve.quality[place]), "") if value is not None else ""
        shown = "" if value is None else f"{value:f}"
        yield f"{start},{end},{shown},{quality},{curve.present[place]},{curve.expected[place]}\n"


def _local(edge: np.int64, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(int(edge), zone).isoformat()
