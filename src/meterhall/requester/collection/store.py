"""What is collected goes in once, as new versions where it corrects; what a customer took back goes out for good.

Equal slots go into our own lake, civil days and months into the database (`civil`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from django.db import transaction

from meterhall.client.checks import Rejected, granularity_of
from meterhall.domain.protocol.deliveries import GroupOf, Manifest, Part
from meterhall.domain.readings import MISSING, CivilCurve, Curve, LoadCurve, Rows, SeriesSpec, parse_granularity
from meterhall.domain.readings.groups import rescaled
from meterhall.lake import Lake
from meterhall.requester.collection import civil
from meterhall.requester.collection.models import Series
from meterhall.requester.collection.zones import zone_of_pseudonym
from meterhall.web.platform import platform


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
    for curve in curves:
        series = Series.objects.filter(**_key(curve, manifest)).first()
        if series is not None:
            _scaled(curve, series.scale, part)


def store(curves: list[Curve], part: Part, manifest: Manifest) -> None:
    """Put a checked part in under its number, exactly once; a part that is in already changes nothing.

    Parts of a delivery are stored in the order of their numbers. Raises `Rejected` where a value cannot be kept
    exactly.
    """
    known = [(_series(curve, manifest), curve) for curve in curves if len(curve)]
    taken = [(one, _scaled(curve, one.scale, part)) for one, curve in known if one.withdrawn_at is None]
    _into_lake([pair for pair in taken if not isinstance(pair[1], CivilCurve)], part, manifest)
    with transaction.atomic():
        for series, curve in taken:
            if isinstance(curve, CivilCurve):
                civil.put(series, curve, platform().now())
            _stretch(series, curve)
    # A withdrawal heard of while this part was on its way in found nothing to erase; it is erased here.
    erase(Series.objects.filter(pk__in=[series.pk for series, _ in taken]).exclude(withdrawn_at=None))


def _into_lake(pairs: list[tuple[Series, Curve]], part: Part, manifest: Manifest) -> None:
    if pairs:
        lake().ingest(
            [spec(series) for series in {series.pk: series for series, _ in pairs}.values()],
            _rows(pairs),
            available_at=platform().now(),
            transaction=(f"{manifest.provider}/{manifest.delivery_id}", part.number),
        )


def _rows(pairs: list[tuple[Series, Curve]]) -> Rows:
    kept = [(series.pk, curve, curve.present) for series, curve in pairs]
    return Rows(
        np.concatenate([np.full(int(there.sum()), number, np.int64) for number, _, there in kept]),
        np.concatenate([curve.starts[there] for _, curve, there in kept]),
        np.concatenate([curve.mantissas[there] for _, curve, there in kept]),
        np.concatenate([curve.quality[there] for _, curve, there in kept]),
    )


def _key(curve: Curve, manifest: Manifest) -> dict[str, Any]:
    return {
        "provider": manifest.provider,
        "pseudonym": curve.series.usage_point,
        "direction": str(curve.series.direction),
        "granularity": str(granularity_of(curve)),
        "is_forecast": manifest.forecast is not None,
    }


def _series(curve: Curve, manifest: Manifest) -> Series:
    defaults = {"scale": curve.series.scale, "group_size": manifest.group_size, **_of_group(curve, manifest)}
    series, _ = Series.objects.get_or_create(**_key(curve, manifest), defaults=defaults)
    return series


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


def _stretch(series: Series, curve: Curve) -> None:
    """Widen the known civil days of a series by what came in."""
    zone = zone_of_pseudonym(series.pseudonym)
    first = curve.start.astimezone(zone).date()
    until = (curve.end - timedelta(microseconds=1)).astimezone(zone).date() + timedelta(days=1)
    held = Series.objects.select_for_update().get(pk=series.pk)
    held.first_day = min(first, held.first_day or first)
    held.until_day = max(until, held.until_day or until)
    held.received_at = platform().now()
    held.save(update_fields=["first_day", "until_day", "received_at"])


def withdraw(provider: str, pseudonyms: Iterable[str], at: datetime) -> int:
    """Take nothing more in of these points, and erase what there is, files of the lake included; how many series."""
    series = Series.objects.filter(provider=provider, pseudonym__in=list(pseudonyms))
    series.filter(withdrawn_at=None).update(withdrawn_at=at)
    return erase(series)


def erase(series: Iterable[Series]) -> int:
    """Erase the values of these series for good; how many series."""
    numbers = [one.pk for one in series]
    if numbers:
        lake().erase(numbers)
        with transaction.atomic():
            civil.erase(numbers)
            Series.objects.filter(pk__in=numbers).update(first_day=None, until_day=None)
    return len(numbers)
