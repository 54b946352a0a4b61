"""A value corrected after its delivery makes a new version; the same again, or another day's, makes none."""

from tests.scenarios.stage import Scenario


def test_correction_after_delivery(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
