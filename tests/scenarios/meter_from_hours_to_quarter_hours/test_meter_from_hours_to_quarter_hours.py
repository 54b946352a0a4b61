"""A meter of hours that becomes one of quarter-hours, and registers read each day beside it: each day is told from one
of the three, the finest that has it; a correction of what is not told brings no new version."""

from tests.scenarios.stage import Scenario


def test_meter_from_hours_to_quarter_hours(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
