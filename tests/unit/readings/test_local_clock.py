"""The clock of a zone, and what a whole series says of it and of a register."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from meterhall.domain.readings.curves import MISSING
from meterhall.domain.readings.days import EPOCH_DAY
from meterhall.domain.readings.local_clock import civil_edges, instants
from meterhall.domain.readings.rules import Rule
from meterhall.domain.readings.sequences import register_deltas, told_apart

MADRID = ZoneInfo("Europe/Madrid")


def clock(*texts: str) -> np.ndarray:
    return np.array([int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) for text in texts])


def utc(seconds: np.ndarray) -> list[str]:
    return [datetime.fromtimestamp(int(one), UTC).isoformat()[:16] for one in seconds]


def test_the_clock_of_a_zone() -> None:
    at, again_s, never = instants(
        clock("2026-10-25T01:45", "2026-10-25T02:15", "2026-10-25T03:00", "2026-03-29T02:30", "2026-07-01T12:00"),
        MADRID,
    )
    assert utc(at) == [
        "2026-10-24T23:45", "2026-10-25T00:15", "2026-10-25T02:00", "2026-03-29T01:30", "2026-07-01T10:00"
    ]  # fmt: skip
    assert again_s.tolist() == [0, 3600, 0, 0, 0]
    assert never.tolist() == [False, False, False, True, False]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_civil_days_have_their_hours(day: date, hours: int) -> None:
    number = np.array([(day - EPOCH_DAY).days])
    first, after = civil_edges(number, MADRID)
    assert int(after[0] - first[0]) == hours * 3600
    assert civil_edges(number, None)[0].tolist() == [int(number[0]) * 86400]


def test_the_second_row_of_a_clock_time_is_the_later_one() -> None:
    ids, starts = np.array([1, 2, 1, 1, 1]), np.array([900, 900, 900, 1800, 5400])
    resolved, unsure = told_apart(ids, starts, np.array([3600, 3600, 3600, 0, 0]))
    assert resolved.tolist() == [900, 900, 4500, 1800, 5400]
    assert unsure.tolist() == [False, True, False, False, False]
    assert told_apart(ids, starts, np.full(5, 3600))[1].tolist() == [False, True, False, True, True]
    three = np.full(3, 1)
    assert told_apart(three, three * 900, three * 3600)[1].all()


def deltas(readings: list[int], starts: list[int], turn: int | None = None) -> list[tuple[int, str]]:
    count = len(readings)
    turns = None if turn is None else np.full(count, turn)
    found, rules, opens = register_deltas(np.ones(count, np.int64), np.array(starts), np.array(readings), 900, turns)
    return [
        (int(value), "opens" if first else Rule(rule).name if rule else "")
        for value, rule, first in zip(found, rules, opens, strict=True)
    ]


def test_a_register_counts_from_one_reading_to_the_next() -> None:
    assert deltas([10, 15, 15], [0, 900, 1800]) == [(MISSING, "opens"), (5, ""), (0, "")]
    assert deltas([15, 10], [900, 0]) == [(5, ""), (MISSING, "opens")]


def test_a_fall_is_a_rule_unless_the_register_was_told_to_start_again() -> None:
    falls = [(MISSING, "opens"), (MISSING, "FALLING"), (2, "")]
    assert deltas([998, 3, 5], [0, 900, 1800]) == falls
    assert deltas([998, 3, 5], [0, 900, 1800], turn=1000) == [(MISSING, "opens"), (5, ""), (2, "")]
    assert deltas([700, 600], [0, 900], turn=1000)[1] == (MISSING, "FALLING")
    assert deltas([1200, 3], [0, 900], turn=1000)[1] == (MISSING, "FALLING")


def test_a_hole_ends_no_slot_and_two_readings_of_one_instant_do_not_either() -> None:
    assert deltas([1, 5, 6], [0, 1800, 2700]) == [(MISSING, "opens"), (MISSING, "NO_PREDECESSOR"), (1, "")]
    assert deltas([1, 2, 2, 4], [0, 900, 900, 1800])[1:] == [(1, ""), (MISSING, "DUPLICATE"), (2, "")]
    assert [rule for _, rule in deltas([1, 2, 3, 4, 9], [0, 900, 900, 1800, 2700])] == [
        "opens", "CONTRADICTION", "CONTRADICTION", "NO_PREDECESSOR", ""
    ]  # fmt: skip
    assert deltas([1, MISSING, 4], [0, 900, 1800])[1:] == [(MISSING, ""), (MISSING, "NO_PREDECESSOR")]


def test_registers_of_several_series_are_not_mixed() -> None:
    found, _, opens = register_deltas(np.array([1, 2, 1, 2]), np.array([0, 0, 900, 900]), np.array([1, 50, 2, 60]), 900)
    assert (found.tolist(), opens.tolist()) == ([MISSING, MISSING, 1, 10], [True, True, False, False])
