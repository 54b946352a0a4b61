"""The day after today is forecast, of 25 hours: the hour that comes twice has one value twice.

One point repeats its weeks, ten more each week; one rises by five a day; the readings of one ended ten days ago; one
has a new holder, whose own days are too few: the former one's are not looked at. Other days are not forecast. Readings
that are corrected, or come for the forecast day itself, change nothing; a revocation takes one point out and leaves the
rest.
"""

from datetime import UTC, datetime

from tests.scenarios.stage import Scenario


def test_day_ahead_forecast_of_25_hours(scenario: Scenario) -> None:
    scenario.clock.at = datetime(2026, 10, 24, 17, tzinfo=UTC)
    scenario.play()
    scenario.check()
