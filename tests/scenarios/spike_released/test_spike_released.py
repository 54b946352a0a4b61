"""Hours far above the usual are set aside; somebody who knows why lets them in, and who had the day gets them."""

from tests.scenarios.stage import Scenario


def test_spike_released(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
