"""An area is told without consent: how many, how complete, no slot of one member; all of it but one point is not.

Twelve points in NORTE, eleven of them with the postal code 35001; nine in SUR. The first hour is complete. In the
second one point is most of the total, in the third one has no value. Then the day of the withheld hour is asked for.
"""

from tests.scenarios.stage import Scenario


def test_area_told_and_not_told(scenario: Scenario) -> None:
    scenario.play()
    scenario.check()
