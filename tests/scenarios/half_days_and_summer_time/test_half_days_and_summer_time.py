"""Values of half a UTC day make civil days in winter only; in summer a day begins within one: refused, not guessed."""

from tests.scenarios.stage import Scenario


def test_half_days_and_summer_time(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
