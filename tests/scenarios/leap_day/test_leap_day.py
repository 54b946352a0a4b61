"""February 2024 has 29 days: the 29th is a day like any other, and counts in its month."""

from tests.scenarios.stage import Scenario


def test_leap_day(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
