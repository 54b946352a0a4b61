"""Mean power labelled with the end of each slot becomes energy; a quarter past two is skipped in spring."""

from tests.scenarios.stage import Scenario


def test_mean_power_labelled_with_the_end(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
