"""The last Sunday of March has 23 hours: 02:00 never comes, and the day's sum is of 23 values."""

from tests.scenarios.stage import Scenario


def test_spring_clock_change(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
