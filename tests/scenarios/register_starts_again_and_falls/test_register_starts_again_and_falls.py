"""A register starts again from 0 where it was told to; a later fall is no start, and a hole ends no slot."""

from tests.scenarios.stage import Scenario


def test_register_starts_again_and_falls(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
