"""A consent ends between two downloads: the gate shuts at once, the next version is without that POD."""

from tests.scenarios.stage import Scenario


def test_revocation_midway(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
