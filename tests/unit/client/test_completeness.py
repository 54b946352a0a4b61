"""What was expected, what came, what is missing and why; and the same curves as frames."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from meterhall.client.answers import PodAnswer
from meterhall.client.completeness import Completeness, completeness
from meterhall.client.frames import as_pandas, curve_of, frame_of, schema
from meterhall.domain.pods import demonstration_pod
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import ChangedValues
from meterhall.domain.readings import MISSING, Curve, LoadCurve, Quality, Series, parse_granularity

SPANISH = demonstration_pod("ES", 1).value
KNOWN = datetime(2026, 1, 1, tzinfo=UTC)
MARCH = Period.model_validate({"from": date(2025, 3, 29), "until": date(2025, 4, 1)})


def accepted(*periods: Period, pod: str = SPANISH) -> PodAnswer:
    return PodAnswer(pod, "accepted", pseudonym="p", periods=periods)


def curve(start: datetime, slots: int, missing: tuple[int, ...] = (), step_s: int = 3600) -> LoadCurve:
    values = np.arange(slots, dtype=np.int64)
    values[list(missing)] = MISSING
    return LoadCurve(Series("p", step_s), start, values, np.full(slots, Quality.VALIDATED, np.uint8), KNOWN)


def report(answer: PodAnswer, curves: list[Curve], period: Period = MARCH, slots: str = "PT1H") -> Completeness:
    return completeness([answer], curves, period, parse_granularity(slots), ["import"])


MADRID_MIDNIGHT = datetime(2025, 3, 28, 23, tzinfo=UTC)


def test_a_day_of_a_clock_change_is_short_and_nothing_is_missing():
    found = report(accepted(), [curve(MADRID_MIDNIGHT, 71)])
    assert (found.expected, found.present, found.missing, found.is_complete) == (71, 71, 0, True)
    assert str(found) == "71 of 71 values, 0 missing"


def test_gaps_are_told_with_their_ends():
    found = report(accepted(), [curve(MADRID_MIDNIGHT, 71, (0, 5, 6, 70))])
    hour = timedelta(hours=1)
    assert [one.gaps for one in found] == [
        (
            (MADRID_MIDNIGHT, MADRID_MIDNIGHT + hour),
            (MADRID_MIDNIGHT + 5 * hour, MADRID_MIDNIGHT + 7 * hour),
            (MADRID_MIDNIGHT + 70 * hour, MADRID_MIDNIGHT + 71 * hour),
        )
    ]
    assert (found.expected, found.missing) == (71, 4)
    assert found.gaps.height == 3
    assert found.frame["gaps"].to_list() == [3]


def test_what_never_came_is_missing_whole():
    found = report(accepted(), [])
    assert (found.expected, found.present, found.missing) == (71, 0, 71)
    assert found.gaps.row(0)[2:] == (MADRID_MIDNIGHT, datetime(2025, 3, 31, 22, tzinfo=UTC))


def test_only_the_holders_days_are_expected():
    stays = [
        Period.model_validate({"from": "2025-03-01", "until": "2025-03-30"}),
        Period.model_validate({"from": "2025-03-31", "until": "2025-06-01"}),
    ]
    found = report(accepted(*stays), [curve(MADRID_MIDNIGHT, 24), curve(datetime(2025, 3, 30, 22, tzinfo=UTC), 24)])
    assert (found.expected, found.missing) == (48, 0)


def test_an_island_has_its_own_midnight():
    found = report(accepted(), [curve(MADRID_MIDNIGHT + timedelta(hours=1), 71)])
    assert (found.expected, found.missing) == (71, 0)


@pytest.mark.parametrize(("slots", "expected"), [("P1D", 3), ("P7D", 2), ("P1M", 1), ("PT15M", 284)])
def test_every_granularity_is_counted_in_its_own_slots(slots: str, expected: int):
    assert report(accepted(), [], slots=slots).expected == expected


def test_of_a_refused_point_nothing_is_expected_and_its_code_is_told():
    refused = PodAnswer(SPANISH, "refused", code="consent_missing")
    found = report(refused, [])
    assert (found.expected, found.missing, found.is_complete) == (0, 0, False)
    assert [(one.state, one.code) for one in found] == [("refused", "consent_missing")]
    assert str(found).endswith("1 PODs not accepted")
    assert refused.advice
    assert SPANISH not in repr(found)


def test_a_frame_tells_zero_from_missing():
    frame = frame_of([curve(MADRID_MIDNIGHT, 3, (1,))], {"p": SPANISH})
    assert frame.schema == schema()
    assert frame["energy_wh"].to_list() == [0.0, None, 2.0]
    assert frame["quality"].to_list() == ["validated", None, "validated"]
    assert frame["pod"].unique().to_list() == [SPANISH]
    assert frame["start"].to_list()[2] - frame["start"].to_list()[0] == timedelta(hours=2)
    assert frame["available_at"].to_list()[0] == KNOWN


def test_qualities_of_several_curves_stay_with_their_slots():
    values, codes = np.array([12, MISSING, 7]), np.array([8, 0, 19], np.uint8)
    scaled = LoadCurve(Series("q", 900, scale=-1), MADRID_MIDNIGHT, values, codes, KNOWN)
    frame = frame_of([curve(MADRID_MIDNIGHT, 1), scaled], {})
    assert frame["quality"].to_list() == ["validated", "estimated_reference_day", None, "revenue"]
    assert frame["energy_wh"].to_list() == [0.0, pytest.approx(1.2), None, pytest.approx(0.7)]
    assert frame["pod"].to_list() == ["p", "q", "q", "q"]
    assert frame["resolution"].to_list() == ["PT1H", "PT15M", "PT15M", "PT15M"]


def test_a_frame_without_curves_has_its_columns_all_the_same():
    empty = frame_of([], {})
    assert (empty.height, empty.schema) == (0, schema())
    assert pl.concat([empty, frame_of([curve(MADRID_MIDNIGHT, 2)], {})]).height == 2


def test_changes_make_the_same_frame():
    item: dict[str, Any] = {
        "pseudonym": "f9f121bb-bab5-5347-b451-0860c14ea035", "direction": "import", "start": "2025-03-28T23:00:00Z",
        "resolution": "PT1H", "scale": 1, "values": [1, None], "quality": [17, None],
        "available_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    frame = frame_of([curve_of(ChangedValues.model_validate(item))], {})
    assert frame["energy_wh"].to_list() == [10.0, None]
    assert frame["quality"].to_list() == ["validated", None]


def test_pandas_gets_the_same_without_pyarrow():
    frame = as_pandas(frame_of([curve(MADRID_MIDNIGHT, 3, (1,))], {"p": SPANISH}))
    assert list(frame["energy_wh"].isna()) == [False, True, False]
    assert list(frame["quality"].isna()) == [False, True, False]
    assert frame["start"][0] == MADRID_MIDNIGHT
    assert str(frame["quality"].dtype) == "category"
