import itertools
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from meterhall.domain.readings import MISSING, DayBlock, LoadCurve, Quality, Series, as_curve, correct, days_of
from meterhall.domain.readings.curves import MisalignedCurve
from meterhall.domain.readings.days import quality_of, runs_of

DAY = date(2026, 3, 1)
KNOWN = datetime(2026, 3, 2, 6, tzinfo=UTC)
LATER = datetime(2026, 3, 9, 6, tzinfo=UTC)


def block(values: list[int], quality: tuple[tuple[int, int], ...] | None = None, **fields: object) -> DayBlock:
    known = {"available_at": KNOWN} | fields
    return DayBlock(7, DAY, np.array(values, np.int64), quality, **known)  # type: ignore[arg-type]


@given(arrays.arrays(np.uint8, st.sampled_from([1, 24, 96]), elements=st.integers(0, 255)))
def test_runs_hold_every_quality(quality: np.ndarray) -> None:
    runs = runs_of(quality)
    assert np.array_equal(quality_of(runs, len(quality)), quality)
    assert (runs is None) == (not quality.any())
    assert runs is None or all(a[0] != b[0] for a, b in itertools.pairwise(runs))


def test_a_correction_replaces_only_what_it_states() -> None:
    newer = correct(block([1, 2, MISSING]), block([MISSING, 5, 6], ((0, 1), (8, 2)), available_at=LATER))
    assert newer.mantissas.tolist() == [1, 5, 6]
    assert newer.quality == ((0, 1), (8, 2))
    assert (newer.version, newer.available_at) == (2, LATER)


def test_a_late_older_message_does_not_make_the_day_known_earlier() -> None:
    newer = correct(block([1, 2], available_at=LATER), block([3, MISSING], available_at=KNOWN))
    assert newer.available_at == LATER


def test_the_same_values_again_are_no_correction() -> None:
    held = block([1, 2, 3])
    assert correct(held, block([1, MISSING, 3], available_at=LATER)) is held


def test_a_correction_of_another_day_is_refused() -> None:
    with pytest.raises(MisalignedCurve):
        correct(block([1, 2]), DayBlock(7, DAY + timedelta(days=1), np.zeros(2, np.int64), None, KNOWN))


@pytest.mark.parametrize(
    "bad",
    [
        {"values": [1] * 7},
        {"values": []},
        {"values": [1, 2], "quality": ((0, 3),)},
        {"values": [1], "version": 0},
        {"values": [1], "available_at": datetime(2026, 1, 1)},  # noqa: DTZ001
    ],
)
def test_refuses_a_day_that_is_none(bad: dict[str, object]) -> None:
    with pytest.raises(MisalignedCurve):
        block(**bad)  # type: ignore[arg-type]


@given(st.integers(0, 23), st.integers(1, 80), st.data())
def test_cutting_into_days_and_joining_loses_nothing(first_hour: int, hours: int, data: st.DataObject) -> None:
    series = Series("a", 3600)
    start = datetime(2026, 3, 28, first_hour, tzinfo=UTC)
    values = data.draw(arrays.arrays(np.int64, hours, elements=st.one_of(st.just(MISSING), st.integers(-9, 9))))
    quality = data.draw(arrays.arrays(np.uint8, hours, elements=st.sampled_from([int(q) for q in Quality])))
    joined = as_curve(series, days_of(1, LoadCurve(series, start, values, quality, KNOWN)))
    inside = slice(first_hour, first_hour + hours)
    assert joined.mantissas[inside].tolist() == values.tolist()
    assert joined.quality[inside][values != MISSING].tolist() == quality[values != MISSING].tolist()
    assert np.count_nonzero(joined.present) == np.count_nonzero(values != MISSING)


def test_what_was_known_then_stays_answerable() -> None:
    first, second = block([1] * 24), block([2] * 24, version=2, available_at=LATER)
    series = Series("a", 3600)
    assert as_curve(series, [second, first]).mantissas[0] == 2
    assert as_curve(series, [second, first], as_known_at=KNOWN).mantissas[0] == 1
