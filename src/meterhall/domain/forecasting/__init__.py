"""Day-ahead forecasts: from a series' own past, by the method that was best on it. What learns comes from outside."""

from meterhall.domain.forecasting.clock_days import ClockDays, clock_days, clock_slots
from meterhall.domain.forecasting.day_ahead import (
    HISTORY_DAYS,
    BackTest,
    Forecast,
    Learner,
    Method,
    NoForecast,
    day_ahead,
    history_before,
)

__all__ = [
    "HISTORY_DAYS",
    "BackTest",
    "ClockDays",
    "Forecast",
    "Learner",
    "Method",
    "NoForecast",
    "clock_days",
    "clock_slots",
    "day_ahead",
    "history_before",
]
