"""A metering point whose customer changes: each consent opens the days of the customer who gave it, and no others."""

from tests.scenarios.stage import Scenario


def test_pod_moved_to_another_customer(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
