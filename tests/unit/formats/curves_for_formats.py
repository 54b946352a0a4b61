"""Curves to write and read: strategies, and what two curves have to agree in."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import strategies as st

from meterhall.domain.readings import (
    CIVIL_DAY,
    CIVIL_MONTH,
    CIVIL_WEEK,
    MISSING,
    CivilCurve,
    CivilSeries,
    Curve,
    Direction,
    Granularity,
    LoadCurve,
    Quality,
    Series,
    civil_periods,
)
from meterhall.formats import PartHeader

ZONES = ("Europe/Lisbon", "Europe/Madrid", "Europe/Athens", "Atlantic/Azores", "Atlantic/Reykjavik")
KNOWN = datetime(2026, 6, 1, 5, 30, tzinfo=UTC)
HEADER = PartHeader("dlv_0123456789abcdef01234567", 2, "MH0000000001", "Net & Co", "https://dso.example",
                    default_zone="Europe/Madrid", title="Part <2>", published_at=KNOWN, updated_at=KNOWN)  # fmt: skip

mantissas = st.one_of(
    st.just(MISSING), st.just(0), st.integers(0, 5000), st.integers(-(10**6), 10**6), st.integers(-(10**13), 10**13)
)
instants = st.datetimes(timezones=st.just(UTC))


def load_curve(
    values: list[int],
    *,
    start: datetime = datetime(2026, 3, 28, 23, tzinfo=UTC),
    step_s: int = 900,
    scale: int = 0,
    quality: list[int] | None = None,
    point: str = "6a1f0c1e-7d55-5f0e-8f64-1f2b3c4d5e6f",
    direction: Direction = Direction.IMPORT,
) -> LoadCurve:
    codes = np.array(quality or [17] * len(values), np.uint8)
    return LoadCurve(Series(point, step_s, direction, scale), start, np.array(values, np.int64), codes, KNOWN)


@st.composite
def load_curves(draw: st.DrawFn, point: str) -> LoadCurve:
    step_s = draw(st.sampled_from([300, 900, 1800, 3600, 86_400]))
    slot = draw(st.integers(50 * 365 * 86_400 // step_s, 60 * 365 * 86_400 // step_s))
    values = draw(st.lists(mantissas, min_size=1, max_size=250))
    codes = draw(st.lists(st.sampled_from(list(Quality)), min_size=len(values), max_size=len(values)))
    series = Series(point, step_s, draw(st.sampled_from(list(Direction))), draw(st.integers(-6, 3)))
    start = datetime.fromtimestamp(slot * step_s, UTC)
    return LoadCurve(series, start, np.array(values, np.int64), np.array(codes, np.uint8), draw(instants))


@st.composite
def civil_curves(draw: st.DrawFn, point: str) -> CivilCurve:
    zone = ZoneInfo(HEADER.default_zone)
    first = draw(st.dates(date(2020, 1, 1), date(2030, 1, 1)))
    granularity = draw(st.sampled_from([CIVIL_DAY, CIVIL_WEEK, CIVIL_MONTH]))
    days = draw(st.integers(1, 70 if granularity == CIVIL_DAY else 700))
    periods = civil_periods(granularity, zone, first, first + timedelta(days=days))
    edges = np.array([int(periods[0].start.timestamp()), *(int(one.end.timestamp()) for one in periods)], np.int64)
    values = draw(st.lists(mantissas, min_size=len(periods), max_size=len(periods)))
    codes = draw(st.lists(st.sampled_from(list(Quality)), min_size=len(values), max_size=len(values)))
    series = CivilSeries(point, granularity, draw(st.sampled_from(list(Direction))), draw(st.integers(-6, 3)))
    return CivilCurve(series, edges, np.array(values, np.int64), np.array(codes, np.uint8), draw(instants))


def several(one: object) -> st.SearchStrategy[list[Curve]]:
    """Up to four curves of different usage points."""
    return st.lists(st.uuids(version=4), max_size=4, unique=True).flatmap(
        lambda points: st.tuples(*[one(str(point)) for point in points]).map(list)  # type: ignore[operator]
    )


def said(curve: Curve) -> tuple[object, ...]:
    """What a file has to keep of a curve: values exactly, whatever the scale, and nothing of the missing ones."""
    granularity = curve.series.granularity if isinstance(curve, CivilCurve) else Granularity(curve.series.resolution_s)
    unit = Fraction(10) ** curve.series.scale
    slots = tuple(
        (value * unit, int(code)) if value != MISSING else None
        for value, code in zip(curve.mantissas.tolist(), curve.quality, strict=True)
    )
    return (
        curve.series.usage_point, str(curve.series.direction), str(granularity), tuple(curve.edges.tolist()), slots,
        curve.available_at,
    )  # fmt: skip
