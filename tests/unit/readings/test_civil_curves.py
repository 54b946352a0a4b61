from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from meterhall.domain.readings import (
    CIVIL_DAY,
    HOUR,
    MISSING,
    CivilCurve,
    CivilSeries,
    LoadCurve,
    Series,
    resample,
    sum_curves,
)
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.curves import MisalignedCurve

ROME = ZoneInfo("Europe/Rome")
KNOWN = datetime(2026, 6, 1, tzinfo=UTC)


def hours(first: date, until: date, value: int = 1) -> LoadCurve:
    start, end = midnight(ROME, first), midnight(ROME, until)
    count = int((end - start).total_seconds()) // 3600
    codes = np.zeros(count, np.uint8)
    return LoadCurve(Series("p", 3600, scale=-1), start, np.full(count, value, np.int64), codes, KNOWN)


def days(first: date, until: date, value: int = 1) -> CivilCurve:
    curve = resample(hours(first, until, value), CIVIL_DAY, ROME).curve()
    assert isinstance(curve, CivilCurve)
    return curve


def test_civil_days_become_a_curve_with_their_own_lengths() -> None:
    curve = days(date(2026, 3, 28), date(2026, 3, 31))
    assert curve.mantissas.tolist() == [24, 23, 24]
    assert np.diff(curve.edges).tolist() == [86_400, 82_800, 86_400]
    assert (curve.start, curve.end) == (midnight(ROME, date(2026, 3, 28)), midnight(ROME, date(2026, 3, 31)))
    assert (curve.series.usage_point, curve.series.scale, len(curve)) == ("p", -1, 3)
    assert curve.starts.tolist() == curve.edges[:-1].tolist()


def test_equal_slots_stay_a_load_curve() -> None:
    assert isinstance(resample(hours(date(2026, 3, 28), date(2026, 3, 29)), HOUR, ROME).curve(), LoadCurve)


def test_civil_curves_are_summed_like_others() -> None:
    total = sum_curves([days(date(2026, 10, 24), date(2026, 10, 26), value) for value in (1, 10)])
    assert total.mantissas.tolist() == [24 * 11, 25 * 11]
    assert total.counts.tolist() == [2, 2]
    with pytest.raises(MisalignedCurve):
        sum_curves([days(date(2026, 10, 24), date(2026, 10, 26)), days(date(2026, 10, 25), date(2026, 10, 27))])


def test_a_curve_is_stretched_with_missing_slots_only() -> None:
    curve = hours(date(2026, 3, 29), date(2026, 3, 30))
    wide = curve.stretched(midnight(ROME, date(2026, 3, 28)), midnight(ROME, date(2026, 3, 31)))
    assert (len(wide), int(wide.present.sum())) == (71, 23)
    assert wide.mantissas[24:47].tolist() == [1] * 23
    assert (wide.start, wide.end) == (midnight(ROME, date(2026, 3, 28)), midnight(ROME, date(2026, 3, 31)))
    with pytest.raises(MisalignedCurve):
        wide.stretched(curve.start, curve.end)


@pytest.mark.parametrize(
    ("edges", "values", "quality"),
    [([0, 10], [1, 2], [0, 0]), ([0, 10, 10], [1, 2], [0, 0]), ([0, 10, 20], [1, 2], [0]), ([5], [MISSING], [0])],
)
def test_refuses_what_does_not_fit(edges: list[int], values: list[int], quality: list[int]) -> None:
    columns = np.array(edges, np.int64), np.array(values, np.int64), np.array(quality, np.uint8)
    with pytest.raises(MisalignedCurve):
        CivilCurve(CivilSeries("p", CIVIL_DAY), *columns, KNOWN)


def test_a_civil_series_has_no_equal_slots() -> None:
    with pytest.raises(MisalignedCurve):
        CivilSeries("p", HOUR)
