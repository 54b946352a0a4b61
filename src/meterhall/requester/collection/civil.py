"""Values of civil days, weeks and months: kept in the database, each correction as a new version."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import numpy as np

from meterhall.domain.readings import CivilCurve
from meterhall.requester.collection.models import CivilValue, Series
from meterhall.web.sets import pieces


def put(series: Series, curve: CivilCurve, known_at: datetime) -> int:
    """Keep the values that are new or differ from the newest version held; how many. Safe to repeat."""
    held = newest(series, int(curve.edges[0]), int(curve.edges[-1]))
    fresh = []
    for place in np.flatnonzero(curve.present).tolist():
        start_s, value, code = int(curve.edges[place]), int(curve.mantissas[place]), int(curve.quality[place])
        known = held.get(start_s)
        if known is not None and (known.mantissa, known.quality) == (value, code):
            continue
        fresh.append(
            CivilValue(
                series=series,
                start_s=start_s,
                end_s=int(curve.edges[place + 1]),
                mantissa=value,
                quality=code,
                version=known.version + 1 if known else 1,
                known_at=known_at,
            )
        )
    CivilValue.objects.bulk_create(fresh)
    return len(fresh)


def newest(series: Series, first_s: int, until_s: int, known_at: datetime | None = None) -> dict[int, CivilValue]:
    """The newest version of each value that starts in `first_s` to `until_s` (exclusive), by its start; of those known
    at an instant, where one is given."""
    rows = series.civil_values.filter(start_s__gte=first_s, start_s__lt=until_s).order_by("start_s", "version")
    rows = rows if known_at is None else rows.filter(known_at__lte=known_at)
    return {row.start_s: row for row in rows}


def erase(series: Iterable[int]) -> None:
    """Erase every value and version of these series."""
    for some in pieces(series):
        CivilValue.objects.filter(series__in=some).delete()
