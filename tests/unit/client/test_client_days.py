"""What somebody writes as a day or a period, and what is said of it where it is none."""

from __future__ import annotations

from datetime import date

import pytest

from meterhall.client.periods import BadDay, NoPeriod, as_period
from meterhall.domain.errors import InvalidInput


@pytest.mark.parametrize(
    ("first", "until", "kind", "said", "field"),
    [
        ("2016-13-01", "2016-12-01", BadDay, "'2016-13-01' is no day of the calendar: from is written", "/period/from"),
        ("2016-02-01", "2016-02-30", BadDay, "'2016-02-30' is no day of the calendar: until is", "/period/until"),
        ("yesterday", "2016-02-03", BadDay, "'yesterday' is no day", "/period/from"),
        ("2016-02-01", "", NoPeriod, "until, the day after the last, is not said", "/period"),
        ("", "2016-02-01", NoPeriod, "from, the first day, is not said", "/period"),
        ("2016-02-01", "2016-02-01", NoPeriod, "begins on 2016-02-01 and ends before 2016-02-01", "/period"),
    ],
)
def test_it_is_said_which_day_is_wrong_and_how_one_is_written(
    first: str, until: str, kind: type[InvalidInput], said: str, field: str
) -> None:
    with pytest.raises(kind) as caught:
        as_period((first, until))
    assert said in caught.value.detail
    assert caught.value.field == field


def test_days_and_texts_are_the_same() -> None:
    assert as_period((date(2016, 2, 1), "2016-03-01")) == as_period(("2016-02-01", date(2016, 3, 1)))
