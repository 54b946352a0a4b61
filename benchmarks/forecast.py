"""Day-ahead forecasts on the packaged meters: the error of what would have been delivered, against the week before.

Every second day of the last eight packaged weeks is forecast as a provider would have done on the day before, from the
days that were over then, the method chosen each time on the days before. The baseline is the seasonal-naive forecast,
the same weekday of the week before, for the same slots; and the last known day again. There is no clock change in these
weeks. Baseline and value are mean absolute errors in Wh.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.measure import Row
from meterhall.demo import meters
from meterhall.domain.forecasting import Method, day_ahead, history_before
from meterhall.domain.readings import MISSING, LoadCurve, Series, midnight
from meterhall.provider.deliveries.learner import boosted

ZONE = ZoneInfo("Europe/Brussels")
DAYS = [meters.END_DAY - timedelta(days=back) for back in range(1, 57, 2)]
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Errors:
    """Mean absolute errors in Wh over all days and slots that all three have, and how often which method was chosen."""

    made: float
    week: float
    last: float
    chosen: Counter[Method]


def forecast(folder: Path) -> Iterator[Row]:
    """Both data sets: each meter alone, and the sum of all of one set."""
    for name in ("opengrid_2016", "citylearn"):
        curves = _curves(name)
        began = time.perf_counter()
        errors = [_errors(curve) for curve in curves]
        taken = (time.perf_counter() - began) / len(curves) / len(DAYS)
        yield from _rows(f"{name}: a meter of {len(curves)}", errors)
        ratios = np.array([one.made / one.week for one in errors])
        yield Row(f"{name}: a meter, median of the ratios", float(np.median(ratios)), 1.0)
        yield Row(f"{name}: a meter, worst of the ratios", float(ratios.max()), 1.0)
        yield Row(f"{name}: meters whose error is smaller", float((ratios < 1).sum()), float(len(ratios)))
        chosen: Counter[Method] = sum((one.chosen for one in errors), Counter())
        for method in Method:
            yield Row(f"{name}: chosen {method}", float(chosen[method]), float(chosen.total()))
        yield Row(f"{name}: back-test and forecast of a meter, ms", taken * 1000)
        yield from _rows(f"{name}: the sum of {len(curves)}", [_errors(_sum(curves))])


def _rows(name: str, errors: list[Errors]) -> Iterator[Row]:
    made, week, last = (float(np.mean([getattr(one, of) for one in errors])) for of in ("made", "week", "last"))
    yield Row(f"{name}, error in Wh / the week before", made, week, 1.0, True)
    yield Row(f"{name}, error in Wh / the last known day", made, last, 1.0, True)


def _curves(name: str) -> list[LoadCurve]:
    packaged = meters.load(name)
    start, end = midnight(ZONE, meters.FIRST_DAY), midnight(ZONE, meters.END_DAY)
    slots = int((end - start).total_seconds()) // 3600
    found = []
    for meter in packaged.names:
        rows = packaged.rows.filter(pc.equal(packaged.rows["meter"].cast("string"), meter))
        at = rows["start"].cast(pa.timestamp("s", "UTC")).cast("int64").to_numpy()
        place = (at - int(start.timestamp())) // 3600
        values = np.full(slots, MISSING)
        inside = (place >= 0) & (place < slots)
        values[place[inside]] = rows["energy_wh"].cast("int64").to_numpy()[inside]
        found.append(_curve(meter, start, values))
    return found


def _curve(name: str, start: datetime, values: np.ndarray) -> LoadCurve:
    return LoadCurve(Series(name, 3600), start, values, np.zeros(len(values), np.uint8), datetime.now(UTC))


def _sum(curves: list[LoadCurve]) -> LoadCurve:
    values = np.stack([curve.mantissas for curve in curves])
    gap = (values == MISSING).any(axis=0)
    return _curve("sum", curves[0].start, np.where(gap, MISSING, np.where(gap, 0, values).sum(axis=0)))


def _errors(curve: LoadCurve) -> Errors:
    found: list[np.ndarray] = []
    chosen: Counter[Method] = Counter()
    for day in DAYS:
        made = day_ahead(_cut(curve, history_before(day).first, day - DAY), ZONE, day, boosted)
        true, week, last = (_cut(curve, day - back * DAY, day - (back - 1) * DAY).mantissas for back in (0, 7, 2))
        guesses = np.stack([made.curve.mantissas, week, last])
        there = (true != MISSING) & (guesses != MISSING).all(axis=0)
        found.append(np.abs(guesses - true)[:, there])
        chosen[made.method] += 1
    return Errors(*np.concatenate(found, axis=1).mean(axis=1).tolist(), chosen)


def _cut(curve: LoadCurve, first: date, until: date) -> LoadCurve:
    start = max(midnight(ZONE, first), curve.start)
    at, end = (int((one - curve.start).total_seconds()) // 3600 for one in (start, midnight(ZONE, until)))
    return _curve(curve.series.usage_point, start, curve.mantissas[at:end])
