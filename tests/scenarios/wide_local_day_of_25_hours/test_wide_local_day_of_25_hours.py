"""Hours side by side on the local clock: the day of 25 hours has a 25th column, others leave it empty."""

from tests.scenarios.stage import Scenario


def test_wide_local_day_of_25_hours(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
