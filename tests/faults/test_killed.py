"""The ten steps while platforms are killed: at every named point once, and at random times.

SQLite's run kills at half of the commands and PostgreSQL's at the other half, before or after the commit in turn; with
METERHALL_TEST_FAULTS_SECONDS all points are killed at on either, and at random times for so long.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.e2e.town import settle
from tests.faults.journey import Journey, check
from tests.faults.points import ENTERING, TRADING, both, halves, merged, names, sent
from tests.faults.town import FaultyStreets, FaultyTown, faulty, kill_some

LONG_S = float(os.environ.get("METERHALL_TEST_FAULTS_SECONDS", "0"))
HALF = 1 if os.environ.get("METERHALL_TEST_DATABASE_URL") else 0


def test_killed_at_every_named_point_the_run_completes_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    entering = both(ENTERING) if LONG_S else halves(ENTERING, HALF)
    trading = merged(both(TRADING), sent()) if LONG_S else merged(halves(TRADING, HALF), sent(HALF))
    with faulty(tmp_path) as streets:
        streets.arm(entering)
        settle(streets)
        streets.arm(merged(entering, trading))
        journey = Journey(streets)
        journey.run()
        check(journey)
        assert isinstance(streets.town, FaultyTown)
        missed = {*names(entering), *names(trading)} - set(streets.town.fired())
        assert not missed, f"never reached: {sorted(missed)}"
        assert streets.restarts


@pytest.mark.skipif(not LONG_S, reason="random kills take long: set METERHALL_TEST_FAULTS_SECONDS")
def test_killed_at_random_times_the_run_completes_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    seed = int(os.environ.get("METERHALL_TEST_FAULTS_SEED", "") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}: repeat with METERHALL_TEST_FAULTS_SEED={seed}")  # noqa: T201
    dice, until = random.Random(seed), time.monotonic() + LONG_S
    for number in itertools.count():
        with faulty(tmp_path / str(number)) as streets:
            settle(streets)
            journey = Journey(streets)
            with killing(streets, dice):
                journey.run()
            check(journey)
        if time.monotonic() > until:
            break


class killing:  # noqa: N801 - a context manager used like a function
    """While this lasts, something of some platform is killed every few moments."""

    def __init__(self, streets: FaultyStreets, dice: random.Random) -> None:
        self.streets, self.dice = streets, dice
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer")

    def _run(self) -> None:
        while not self._over.wait(self.dice.uniform(0.1, 3.0)):
            print("killed", kill_some(self.streets, self.dice))  # noqa: T201

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *fault: object) -> None:
        self._over.set()
        self._thread.join()
