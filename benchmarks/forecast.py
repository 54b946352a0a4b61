"""Day-ahead forecasts on the packaged meters: the error of what would have been delivered, against the week before.

Every second day of the last eight packaged weeks is forecast as a provider would have done on the day before, from the
days that were over then, the method chosen each time on the days before. The baseline is the seasonal-naive forecast,
the same weekday of the week before, for the same slots. Baseline and value are mean absolute errors in Wh.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
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


def forecast(folder: Path) -> Iterator[Row]:
    """Both data sets: each meter alone, and the sum of all of one set."""
    for name in ("opengrid_2016", "citylearn"):
        curves = _curves(name)
        began = time.perf_counter()
        errors = [_errors(curve) for curve in curves]
        taken = (time.perf_counter() - began) / len(curves) / len(DAYS)
        made, naive = (np.array([one[place] for one in errors]) for place in (0, 1))
        ratios = made / naive
        yield Row(
            f"{name}: a meter, mean of {len(curves)}, error in Wh", float(made.mean()), float(naive.mean()), 1.0, True
        )
        yield Row(f"{name}: a meter, median ratio", float(np.median(ratios)), 1.0)
        yield Row(f"{name}: a meter, worst ratio", float(ratios.max()), 1.0)
        yield Row(
            f"{name}: meters with a smaller error than the naive one", float((ratios < 1).sum()), float(len(ratios))
        )
        chosen = sum((one[2] for one in errors), Counter())
        for method in Method:
            yield Row(f"{name}: chosen {method}", float(chosen[method]), float(chosen.total()))
        yield Row(f"{name}: back-test and forecast of a meter, ms", taken * 1000)
        total = _errors(_sum(curves))
        yield Row(f"{name}: the sum of {len(curves)}, error in Wh", total[0], total[1], 1.0, True)


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


def _errors(curve: LoadCurve) -> tuple[float, float, Counter[Method]]:
    """The mean absolute errors of the forecasts and of the naive ones over all days, and how often which was chosen."""
    made: list[np.ndarray] = []
    naive: list[np.ndarray] = []
    chosen: Counter[Method] = Counter()
    for day in DAYS:
        found = day_ahead(_cut(curve, history_before(day).first, day - DAY), ZONE, day, boosted)
        true, before = (_cut(curve, one, one + DAY).mantissas for one in (day, day - 7 * DAY))
        if not len(true) == len(before) == len(found.curve):
            continue  # a clock change between the two: slots would be held against those of another hour
        there = (true != MISSING) & (before != MISSING) & found.curve.present
        made.append(np.abs(found.curve.mantissas - true)[there])
        naive.append(np.abs(before - true)[there])
        chosen[found.method] += 1
    return float(np.concatenate(made).mean()), float(np.concatenate(naive).mean()), chosen


def _cut(curve: LoadCurve, first: date, until: date) -> LoadCurve:
    start = max(midnight(ZONE, first), curve.start)
    at, end = (int((one - curve.start).total_seconds()) // 3600 for one in (start, midnight(ZONE, until)))
    return _curve(curve.series.usage_point, start, curve.mantissas[at:end])
