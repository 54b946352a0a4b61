"""A customer moves out and comes back: the days of whoever lived there in between are missing, corrected or not."""

from tests.scenarios.stage import Scenario


def test_customer_moves_out_and_back(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
