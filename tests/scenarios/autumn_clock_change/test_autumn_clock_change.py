"""The last Sunday of October has 25 hours: 02:00 comes twice, and each of the two has its own value."""

from tests.scenarios.stage import Scenario


def test_autumn_clock_change(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
