"""What is collected goes in once, as new versions where it corrects; what a customer took back goes out for good.

Equal slots go into our own lake, civil days, weeks and months into the database (`civil`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from django.db import transaction
from django.db.models import DateField, Q, Value
from django.db.models.functions import Coalesce, Greatest, Least

from meterhall.client.checks import Rejected, granularity_of
from meterhall.domain.protocol.deliveries import GroupOf, Manifest, Part
from meterhall.domain.readings import MISSING, CivilCurve, Curve, LoadCurve, Rows, SeriesSpec, parse_granularity
from meterhall.domain.readings.checked import checked
from meterhall.domain.readings.groups import rescaled
from meterhall.domain.readings.judging import NO_LIMITS
from meterhall.domain.readings.rows import DayMatrix
from meterhall.lake import Lake
from meterhall.requester.collection import civil
from meterhall.requester.collection.models import Series
from meterhall.requester.collection.zones import zones_of_pseudonyms
from meterhall.web.platform import platform
from meterhall.web.sets import among, pieces

ANY: Final = Q()


@lru_cache(maxsize=4)
def _lake(path: Path) -> Lake:
    return Lake(path)


def lake() -> Lake:
    """This requester's lake."""
    return _lake(platform().home.path / "lake")


def spec(series: Series) -> SeriesSpec:
    """What the lake needs to know of a series of equal slots."""
    resolution_s = parse_granularity(series.granularity).period_s
    return SeriesSpec(series.pk, resolution_s, series.scale, signed=series.direction == "net")


def check_scales(curves: list[Curve], part: Part, manifest: Manifest) -> None:
    """Whether every value can be kept exactly where its series is kept already. Raises `Rejected`."""
    for scale in {curve.series.scale for curve in curves}:
        of_scale = [curve for curve in curves if curve.series.scale == scale]
        otherwise = _held(of_scale, manifest, Q(scale__lt=scale) | Q(scale__gt=scale))
        for curve in of_scale if otherwise else ():
            series = otherwise.get(_name(curve))
            if series is not None:
                _scaled(curve, series.scale, part)


def store(curves: list[Curve], part: Part, manifest: Manifest) -> None:
    """Put a checked part in under its number, exactly once; a part that is in already changes nothing.

    Parts of a delivery are stored in the order of their numbers. Raises `Rejected` where a value cannot be kept
    exactly.
    """
    series = _series([curve for curve in curves if len(curve)], manifest)
    known = [(series[_name(curve)], curve) for curve in curves if len(curve)]
    taken = [(one, _scaled(curve, one.scale, part)) for one, curve in known if one.withdrawn_at is None]
    _into_lake([pair for pair in taken if not isinstance(pair[1], CivilCurve)], part, manifest)
    with transaction.atomic():
        given = _given((one.pk for one, _ in taken), held=True)
        left = [(one, curve) for one, curve in taken if one.pk in given]
        for one, curve in left:
            if isinstance(curve, CivilCurve):
                civil.put(one, curve, platform().now())
        _stretch(left)


def _given(numbers: Iterable[int], *, held: bool = False) -> set[int]:
    """Those of the series that nobody has withdrawn; with `held` nobody does before the transaction is over."""
    series = Series.objects.select_for_update() if held else Series.objects.all()
    return set(series.filter(among("pk", set(numbers)), withdrawn_at=None).values_list("pk", flat=True))


class _Given:
    """Days of series, without those of withdrawn ones: asked only when nobody else can write to the lake, so that who
    withdraws before is heard, and who withdraws after erases what has come in."""

    def __init__(self, days: Sequence[DayMatrix]) -> None:
        self._days = days

    def __iter__(self) -> Iterator[DayMatrix]:
        given = np.array(sorted(_given({one for days in self._days for one in days.series_ids.tolist()})), np.int64)
        for days in self._days:
            left = days.take(np.isin(days.series_ids, given))
            if len(left):
                yield left


def _into_lake(pairs: list[tuple[Series, Curve]], part: Part, manifest: Manifest) -> None:
    if pairs:
        specs = [spec(series) for series in {series.pk: series for series, _ in pairs}.values()]
        days, _ = checked(specs, [_rows(pairs)], NO_LIMITS)
        mark = f"{manifest.provider}/{manifest.delivery_id}", part.number
        lake().put(_Given(days), available_at=platform().now(), transaction=mark)


def _rows(pairs: list[tuple[Series, Curve]]) -> Rows:
    mantissas = np.concatenate([curve.mantissas for _, curve in pairs])
    there = mantissas != MISSING
    return Rows(
        np.repeat([series.pk for series, _ in pairs], [len(curve) for _, curve in pairs])[there],
        np.concatenate([curve.starts for _, curve in pairs])[there],
        mantissas[there],
        np.concatenate([curve.quality for _, curve in pairs])[there],
    )


def _name(curve: Curve) -> tuple[str, str, str]:
    """What tells a series apart within a provider: pseudonym, direction, granularity."""
    return curve.series.usage_point, str(curve.series.direction), str(granularity_of(curve))


def _held(curves: Iterable[Curve], manifest: Manifest, such: Q = ANY) -> dict[tuple[str, str, str], Series]:
    """The series there are of these curves' usage points, such as are asked for, by name; a query for many."""
    of = Series.objects.filter(such, provider=manifest.provider, is_forecast=manifest.forecast is not None)
    return {
        (one.pseudonym, one.direction, one.granularity): one
        for some in pieces({curve.series.usage_point for curve in curves})
        for one in of.filter(pseudonym__in=some)
    }


def _series(curves: Sequence[Curve], manifest: Manifest) -> dict[tuple[str, str, str], Series]:
    """The series of these curves by name; what is not there yet is made."""
    held = _held(curves, manifest)
    fresh = {_name(curve): curve for curve in curves if _name(curve) not in held}
    if not fresh:
        return held
    Series.objects.bulk_create(
        (
            Series(
                provider=manifest.provider, pseudonym=name[0], direction=name[1], granularity=name[2],
                is_forecast=manifest.forecast is not None, scale=curve.series.scale, group_size=manifest.group_size,
                **_of_group(curve, manifest),
            )
            for name, curve in fresh.items()
        ),
        batch_size=500,
        ignore_conflicts=True,
    )  # fmt: skip
    return _held(curves, manifest)


def _of_group(curve: Curve, manifest: Manifest) -> dict[str, str]:
    """Which measure of which group a curve is, as the manifest says."""
    if manifest.group is None:
        return {}
    measures = {one.pseudonym: one.measure for one in manifest.group.curves}
    return {"measure": measures.get(curve.series.usage_point, ""), "group_name": name_of(manifest.group.over)}


def name_of(over: GroupOf | None) -> str:
    """A group in words that need no translation: area, class of customer or postal code; empty for a list of PODs."""
    return " · ".join(part for part in (over.area, over.postal_code, over.usage_class) if part)[:200] if over else ""


def _scaled(curve: Curve, scale: int, part: Part) -> Curve:
    """The curve at the scale its series is kept in."""
    if curve.series.scale == scale:
        return curve
    values = np.where(curve.present, curve.mantissas, 0)
    if curve.series.scale > scale:
        moved = rescaled(values, curve.series.scale, scale)
    else:
        moved, rest = np.divmod(values, 10 ** (scale - curve.series.scale))
        if rest.any():
            raise Rejected("format_invalid", f"Part {part.number} is finer than the series is kept in.")
    mantissas = np.where(curve.present, moved, MISSING).astype(np.int64)
    if isinstance(curve, LoadCurve):
        return replace(curve, series=replace(curve.series, scale=scale), mantissas=mantissas)
    return replace(curve, series=replace(curve.series, scale=scale), mantissas=mantissas)


def _stretch(taken: Sequence[tuple[Series, Curve]]) -> None:
    """Widen the known civil days of these series by what came in: a query for many of which the same days came."""
    zones = zones_of_pseudonyms(series.pseudonym for series, _ in taken)
    came: dict[tuple[date, date], list[int]] = {}
    for series, curve in taken:
        came.setdefault(_civil_days(curve.start, curve.end, zones[series.pseudonym]), []).append(series.pk)
    now = platform().now()
    for days, numbers in came.items():
        first, until = (Value(day, DateField()) for day in days)
        for some in pieces(numbers):
            Series.objects.filter(pk__in=some).update(
                first_day=Least(Coalesce("first_day", first), first),
                until_day=Greatest(Coalesce("until_day", until), until),
                received_at=now,
            )


@lru_cache(maxsize=1024)
def _civil_days(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[date, date]:
    """The civil days from `start` to `end` in a zone: the first, and the one after the last."""
    last = (end - timedelta(microseconds=1)).astimezone(zone).date()
    return start.astimezone(zone).date(), last + timedelta(days=1)


def withdraw(provider: str, pseudonyms: Iterable[str], at: datetime) -> int:
    """Take nothing more in of these points, and erase what there is, files of the lake included; how many series."""
    found: list[Series] = []
    for some in pieces(pseudonyms):
        series = Series.objects.filter(provider=provider, pseudonym__in=some)
        series.filter(withdrawn_at=None).update(withdrawn_at=at)
        found += series
    return erase(found)


def erase(series: Iterable[Series]) -> int:
    """Erase the values of these series for good; how many series."""
    numbers = [one.pk for one in series]
    if numbers:
        lake().erase(numbers)
        with transaction.atomic():
            civil.erase(numbers)
            for some in pieces(numbers):
                Series.objects.filter(pk__in=some).update(first_day=None, until_day=None)
    return len(numbers)
