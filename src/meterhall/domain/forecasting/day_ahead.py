"""A forecast for one civil day: two naive methods and one that learns, each tried on the days before.

Rolling origin: a day of the back-test is forecast from what lies as far before it as the last known day lies before
the day that is wanted. The method with the least mean absolute error makes the forecast; that error goes with it. A
forecast of a series is made from this series alone. The naive method it is held against is the seasonal one: the same
weekday of the week before (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.forecasting.clock_days import ClockDays, clock_days, clock_slots, without_missing
from meterhall.domain.protocol.base import Period
from meterhall.domain.readings.civil import midnight
from meterhall.domain.readings.curves import Direction, LoadCurve, Quality

HISTORY_DAYS: Final = 84
"""Twelve weeks before the wanted day are looked at."""
TEST_DAYS: Final = 14
LEAST_TEST_DAYS: Final = 7
WEEK: Final = 7
LEAST_TRAINING_DAYS: Final = 14
"""With fewer days nothing is learnt; the naive methods remain."""
_FURTHER: Final = (7, 14, 21, 28)

Values = NDArray[np.float64]
Predict = Callable[[Values], Values]
Learner = Callable[[Values, Values], Predict]
"""From features (rows, features; NaN where one is unknown) and values (rows,) to what predicts values of features."""


class Method(StrEnum):
    """How a day is forecast; the simplest first, which wins where two are equally good."""

    SAME_WEEKDAY = "same_weekday"
    LAST_DAY = "last_day"
    GRADIENT_BOOSTING = "gradient_boosting"


class NoForecast(Exception):
    """There is too little to forecast from; `code` is `history_too_short` or `history_too_old`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class BackTest:
    """The days that were tried, and the mean absolute error a slot, in mantissas, of the method and the naive one."""

    period: Period
    days: int
    error: float
    naive_error: float

    @property
    def ratio(self) -> float | None:
        """The error as a share of the seasonal-naive method's; None where that made none."""
        return self.error / self.naive_error if self.naive_error else None


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """The curve of the day, each value `PROJECTED`; how it was made, from days until when, and how good that was."""

    curve: LoadCurve
    method: Method
    known_until: date
    back_test: BackTest


def history_before(day: date) -> Period:
    """The civil days a forecast of `day` looks at; the day before, which is not over when it is made, is not in."""
    last = day - timedelta(days=1)
    return Period(first=last - timedelta(days=HISTORY_DAYS), until=last)


def day_ahead(curve: LoadCurve, zone: ZoneInfo, day: date, learner: Learner) -> Forecast:
    """The forecast of a civil day from a curve that ends before it. Raises `NoForecast`.

    A day of 23 hours has no value for the hour that is skipped, one of 25 the same value in both hours of one name.
    Where a naive method won and has no value to repeat, there is none. Only net series go below zero.
    """
    days = clock_days(curve, zone, history_before(day).until)
    known = np.flatnonzero(days.known)
    wanted = (day - days.first).days
    if not len(known):
        raise NoForecast("history_too_short")
    lead = wanted - int(known[-1])
    if lead > WEEK:
        raise NoForecast("history_too_old")
    made, method, tested = _best(days, known, wanted, lead, learner)
    starts, slots = clock_slots(zone, day, curve.series.resolution_s)
    values = made[slots]
    if curve.series.direction != Direction.NET:
        values = np.maximum(values, 0)
    quality = np.full(len(starts), Quality.PROJECTED, np.uint8)
    made_curve = LoadCurve(curve.series, midnight(zone, day), without_missing(values), quality, curve.available_at)
    return Forecast(made_curve, method, days.first + timedelta(days=int(known[-1]) + 1), tested)


def _best(
    days: ClockDays, known: NDArray[np.int64], wanted: int, lead: int, learner: Learner
) -> tuple[Values, Method, BackTest]:
    """The wanted day by the method that was best on the last known days, and how good it was. Raises `NoForecast`."""
    tried = known[-TEST_DAYS:]
    actual = days.values[tried]
    guesses = {Method.SAME_WEEKDAY: _back(days, tried, WEEK), Method.LAST_DAY: _back(days, tried, lead)}
    common = np.isfinite(actual)
    for guess in guesses.values():
        common &= np.isfinite(guess)
    tested = common.any(axis=1)
    if tested.sum() < LEAST_TEST_DAYS:
        raise NoForecast("history_too_short")
    ends = np.array([wanted])
    answers = {Method.SAME_WEEKDAY: _back(days, ends, WEEK)[0], Method.LAST_DAY: _back(days, ends, lead)[0]}
    before = _trainable(known, int(tried[0]) - lead)
    if len(before) >= LEAST_TRAINING_DAYS:
        guesses[Method.GRADIENT_BOOSTING] = _learnt(days, before, lead, learner)(tried)
        answers[Method.GRADIENT_BOOSTING] = _learnt(days, _trainable(known, wanted), lead, learner)(ends)[0]
    errors = {method: float(np.abs(guess - actual)[common].mean()) for method, guess in guesses.items()}
    method = min(errors, key=errors.__getitem__)
    first, last = (days.first + timedelta(days=int(one)) for one in tried[tested][[0, -1]])
    period = Period(first=first, until=last + timedelta(days=1))
    return answers[method], method, BackTest(period, int(tested.sum()), errors[method], errors[Method.SAME_WEEKDAY])


def _trainable(known: NDArray[np.int64], last: int) -> NDArray[np.int64]:
    """The known days up to `last` that have a day one week before them."""
    return np.asarray(known[(known <= last) & (known >= known[0] + WEEK)])


def _learnt(
    days: ClockDays, training: NDArray[np.int64], lead: int, learner: Learner
) -> Callable[[NDArray[np.int64]], Values]:
    """What forecasts days, taught with these days; shape of an answer (days, slots)."""
    values = days.values[training].ravel()
    there = np.isfinite(values)
    predict = learner(_features(days, training, lead)[there], values[there])
    slots = days.values.shape[1]
    return lambda wanted: predict(_features(days, wanted, lead)).reshape(len(wanted), slots)


def _back(days: ClockDays, wanted: NDArray[np.int64], by: int) -> Values:
    """The days that lie `by` days before, shape (days, slots); NaN before the first and after the last."""
    place = wanted - by
    inside = (place >= 0) & (place < len(days.values))
    found = np.full((len(wanted), days.values.shape[1]), np.nan)
    found[inside] = days.values[place[inside]]
    return found


def _features(days: ClockDays, wanted: NDArray[np.int64], lead: int) -> Values:
    """What is known `lead` days before of each slot of these days: shape (days x slots, features).

    The slot a day, two days, and one to four weeks back; the means of the slot and its neighbours over the last week;
    the levels of the last day and week; weekday and slot.
    """
    slots = days.values.shape[1]
    lags = dict.fromkeys((lead, lead + 1, *_FURTHER))
    week = _mean(np.stack([_back(days, wanted, lead + by) for by in range(WEEK)]))
    level = _mean(_back(days, wanted, lead).T)[:, None]
    weekday = ((days.first.weekday() + wanted) % WEEK)[:, None]
    columns = [
        *(_back(days, wanted, by) for by in lags),
        _mean(np.stack([_back(days, wanted, by) for by in _FURTHER])),
        week,
        np.roll(week, 1, axis=1),
        np.roll(week, -1, axis=1),
        np.repeat(level, slots, axis=1),
        np.repeat(_mean(week.T)[:, None], slots, axis=1),
        np.repeat(weekday, slots, axis=1),
        np.repeat(weekday >= 5, slots, axis=1),
        np.tile(np.arange(slots), (len(wanted), 1)),
    ]
    return np.stack([np.asarray(one, np.float64).ravel() for one in columns], axis=1)


def _mean(values: Values) -> Values:
    """The mean over the first axis of what is there; NaN where nothing is."""
    there = np.isfinite(values)
    counts = there.sum(axis=0)
    found = np.full(counts.shape, np.nan)
    np.divide(np.where(there, values, 0).sum(axis=0), counts, out=found, where=counts > 0)
    return found
