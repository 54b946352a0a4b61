"""Values of civil days and months, from the file to the requester's frame: the day of 25 hours, in two zones; a month
that is not one holder's alone; what is no civil day is set aside; finer slots are not to be had; a day is corrected."""

from __future__ import annotations

import polars as pl
from tests.scenarios.stage import Scenario

from meterhall.formats import FORMATS

DAYS = {"granularity": "P1D", "from": "2026-10-24", "until": "2026-10-28"}
WEEKS = {"granularity": "P7D", "from": "2026-10-12", "until": "2026-10-28"}
MONTHS = {"granularity": "P1M", "from": "2026-10-01", "until": "2026-11-01"}
SAID = ["pod", "direction", "start", "resolution", "energy_wh", "quality"]


def test_days_and_months_over_the_clock_change(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()


def test_every_format_brings_the_same_frame(scenario: Scenario) -> None:
    scenario.play()
    for wanted, starts in ((DAYS, 8), (WEEKS, 6), (MONTHS, 2)):
        frames = {form: scenario.frame(wanted | {"format": form}).select(SAID).sort(SAID[:3]) for form in FORMATS}
        assert frames["csv"].height == starts
        assert frames["csv"]["energy_wh"].null_count() < starts
        for form, frame in frames.items():
            assert frame.equals(frames["csv"]), form
    weeks = scenario.frame(WEEKS | {"format": "parquet"}).filter(pl.col("pod").str.ends_with("1DS"))
    assert weeks["energy_wh"].to_list() == [55_105, 57_228, None]
    assert weeks["start"].diff().dt.total_hours().to_list() == [None, 168, 169]
    october = scenario.frame(MONTHS | {"format": "parquet"}).filter(pl.col("pod").str.ends_with("1DS"))
    assert october["energy_wh"].to_list() == [249_570]
