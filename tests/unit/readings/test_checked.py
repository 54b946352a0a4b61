"""Rows held against the rules as whole days: the same days and the same rows kept out as looking at every row."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhall.domain.readings import MISSING, Quality, Rows, Rule, SeriesSpec, validate
from meterhall.domain.readings.checked import checked, joined
from meterhall.domain.readings.judging import NO_LIMITS, Limits
from meterhall.domain.readings.rows import matrices

HOUR, DAY = 3600, 86_400
FIRST = 20_000 * DAY
STRICT = Limits(spike_times=5, spike_floor_w=500, stuck_h=6, stuck_floor_w=10, latest_end=FIRST + 5 * DAY)
FAULTS = (
    "twice", "other value", "early", "late", "between", "gap", "negative", "large", "over", "under", "quality", "spike",
    "stuck", "projected",
)  # fmt: skip


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[SeriesSpec], Rows]:
    """Series of whole hours, dense or with holes, in any order, with some faults or none."""
    count, hours = draw(st.integers(1, 4)), draw(st.integers(1, 60))
    specs = [
        SeriesSpec(draw(st.sampled_from((1, 7, 30_000))) + 10 * number, HOUR, scale=draw(st.sampled_from((0, -1))),
                   signed=draw(st.booleans()), maximum=draw(st.sampled_from((1000, 10**15))))
        for number in range(count)
    ]  # fmt: skip
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    ids = np.repeat([spec.id for spec in specs], hours)
    starts = np.tile(FIRST + draw(st.integers(0, 30)) * HOUR + HOUR * np.arange(hours, dtype=np.int64), count)
    values = chance.integers(0, 100, count * hours)
    quality = np.full(count * hours, draw(st.sampled_from((0, 17))), np.uint8)
    kept = chance.random(count * hours) < draw(st.sampled_from((1.0, 0.8)))
    kept[0] = True
    rows = [column[kept] for column in (ids, starts, values, quality)]
    for fault in draw(st.lists(st.sampled_from(FAULTS), max_size=2)):
        rows = _broken(fault, rows, int(chance.integers(len(rows[0]))))
    order = chance.permutation(len(rows[0]))
    series_ids, starts, values, quality = (column[order] for column in rows)
    return specs, Rows(series_ids, starts, values, quality.astype(np.uint8))


def _broken(fault: str, rows: list[np.ndarray], at: int) -> list[np.ndarray]:
    ids, starts, values, quality = (column.copy() for column in rows)
    if fault in ("twice", "other value"):
        again = [np.append(column, column[at]) for column in (ids, starts, values, quality)]
        again[2][-1] += fault == "other value"
        return again
    changes = {
        "early": (starts, -HOUR), "late": (starts, FIRST + 5 * DAY), "between": (starts, starts[at] + 60),
        "gap": (values, MISSING), "negative": (values, -3), "large": (values, 10**15 + 1), "quality": (quality, 200),
        "over": (values, 1001), "under": (values, -1001), "spike": (values, 900),
        "projected": (quality, int(Quality.PROJECTED)),
    }  # fmt: skip
    if fault == "stuck":
        values[at : at + 30] = 50
        return [ids, starts, values, quality]
    column, value = changes[fault]
    column[at] = value
    return [ids, starts, values, quality]


@settings(max_examples=400, deadline=None)
@given(batches(), st.integers(1, 4), st.sampled_from((NO_LIMITS, STRICT)))
def test_days_and_rows_kept_out_are_those_of_looking_at_every_row(
    batch: tuple[list[SeriesSpec], Rows], pieces: int, limits: Limits
) -> None:
    specs, rows = batch
    cuts = np.linspace(0, len(rows), pieces + 1).astype(int)
    chunks = [
        Rows(rows.series_ids[low:high], rows.starts[low:high], rows.mantissas[low:high], rows.quality[low:high])
        for low, high in pairwise(cuts.tolist())
    ]
    accepted, expected = validate(specs, rows, limits)
    wanted = list(matrices(specs, accepted))

    days, aside = checked(specs, chunks, limits)

    assert list(aside) == list(expected)
    assert len(days) == len(wanted)
    for ours, theirs in zip(days, wanted, strict=True):
        assert ours.series_ids.tolist() == theirs.series_ids.tolist()
        assert ours.days.tolist() == theirs.days.tolist()
        assert ours.mantissas.tolist() == theirs.mantissas.tolist()
        assert ours.quality.tolist() == theirs.quality.tolist()


def test_a_run_of_one_value_is_found_wherever_it_begins() -> None:
    specs = [SeriesSpec(1, HOUR), SeriesSpec(2, HOUR)]
    limits = Limits(stuck_h=6, stuck_floor_w=10)
    for begin in range(18):
        values = np.tile(100 + np.arange(24), 2)
        values[24 + begin : 30 + begin] = 50
        starts = np.tile(FIRST + HOUR * np.arange(24), 2)
        rows = Rows(np.repeat([1, 2], 24), starts, values, np.zeros(48, np.uint8))
        _, aside = checked(specs, [rows], limits)
        assert list(aside) == [(place, Rule.STUCK) for place in range(24 + begin, 30 + begin)]


@pytest.mark.parametrize("value", [1000, 1001, -1000, -1001, 2001])
@pytest.mark.parametrize("at", [0, 30, 71])
def test_each_series_has_bounds_of_its_own(value: int, at: int) -> None:
    specs = [
        SeriesSpec(1, HOUR, maximum=1000),
        SeriesSpec(2, HOUR, signed=True, maximum=1000),
        SeriesSpec(3, HOUR, maximum=2000),
    ]
    values = np.tile(np.arange(24), 3)
    values[at] = value
    rows = Rows(np.repeat([1, 2, 3], 24), np.tile(FIRST + HOUR * np.arange(24), 3), values, np.zeros(72, np.uint8))
    _, aside = checked(specs, [rows], NO_LIMITS)
    signed, most = (at == 30), 2000 if at == 71 else 1000
    expected = Rule.NEGATIVE if value < 0 and not signed else Rule.OVER_MAXIMUM if abs(value) > most else None
    assert list(aside) == ([(at, expected)] if expected else [])


def test_no_rows_make_no_days() -> None:
    days, aside = checked([], [], NO_LIMITS)
    assert not days
    assert not len(aside)
    assert not len(joined([]))
