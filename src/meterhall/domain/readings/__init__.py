"""Readings: what a value is, in which series, of which quality. No storage and no file format lives here."""

from meterhall.domain.readings.civil import (
    CivilPeriod,
    UnknownZone,
    civil_days,
    civil_months,
    civil_periods,
    civil_weeks,
    midnight,
    zone_of,
)
from meterhall.domain.readings.civil_curves import CivilCurve, CivilSeries, Curve
from meterhall.domain.readings.curves import MISSING, Direction, LoadCurve, Quality, Series
from meterhall.domain.readings.days import DayBlock, as_curve, correct, days_of
from meterhall.domain.readings.granularity import (
    CIVIL_DAY,
    CIVIL_MONTH,
    CIVIL_WEEK,
    HALF_HOUR,
    HOUR,
    QUARTER_HOUR,
    CivilUnit,
    Granularity,
    GranularityUnavailable,
    UnknownGranularity,
    parse_granularity,
)
from meterhall.domain.readings.groups import GroupCurve, sum_curves
from meterhall.domain.readings.resampling import PeriodCurve, resample
from meterhall.domain.readings.rows import Rows, SeriesSpec
from meterhall.domain.readings.rules import Rule
from meterhall.domain.readings.validation import Quarantine, gaps, validate

__all__ = [
    "CIVIL_DAY",
    "CIVIL_MONTH",
    "CIVIL_WEEK",
    "HALF_HOUR",
    "HOUR",
    "MISSING",
    "QUARTER_HOUR",
    "CivilCurve",
    "CivilPeriod",
    "CivilSeries",
    "CivilUnit",
    "Curve",
    "DayBlock",
    "Direction",
    "Granularity",
    "GranularityUnavailable",
    "GroupCurve",
    "LoadCurve",
    "PeriodCurve",
    "Quality",
    "Quarantine",
    "Rows",
    "Rule",
    "Series",
    "SeriesSpec",
    "UnknownGranularity",
    "UnknownZone",
    "as_curve",
    "civil_days",
    "civil_months",
    "civil_periods",
    "civil_weeks",
    "correct",
    "days_of",
    "gaps",
    "midnight",
    "parse_granularity",
    "resample",
    "sum_curves",
    "validate",
    "zone_of",
]
