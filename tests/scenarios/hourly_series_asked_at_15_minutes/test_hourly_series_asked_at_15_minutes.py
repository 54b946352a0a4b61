"""Hours are never cut into quarters: that POD is refused, the other is not; and quarters do make hours."""

from tests.scenarios.stage import Scenario


def test_hourly_series_asked_at_15_minutes(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
