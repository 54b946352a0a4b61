"""Tens of minutes make no quarters: that POD is refused, one in fives is not; and fives do make tens."""

from tests.scenarios.stage import Scenario


def test_ten_minutes_asked_at_15(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
