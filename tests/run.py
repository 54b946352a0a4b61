"""`make test`: every gate in turn, then one closing line for all of them. `ARGS` are passed on to pytest.

A gate counts as one test: it passes or fails. The suites of pytest count by their own tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chromium import NoChromium, provide
from tests.postgres import NoPostgres, postgres

GATES: tuple[tuple[str, list[str]], ...] = (
    ("ruff, lint", ["ruff", "check", "--quiet", "."]),
    ("ruff, form", ["ruff", "format", "--check", "--quiet", "."]),
    ("import floors", ["lint-imports", "--no-cache"]),
    ("types", ["mypy"]),
    ("documentation, as a site", ["mkdocs", "build", "--strict"]),
)
ON_BOTH = (
    "tests/platform",
    "tests/scenarios",
    "tests/e2e/test_ten_steps.py",
    "tests/e2e/test_bad_input.py",
    "tests/e2e/test_nothing_rests.py",
    "tests/faults/test_killed.py",
)
"""What is run on PostgreSQL as well: the platforms' own tests, and the ten steps across all of them, killed or not."""
BROWSER = "tests/e2e/browser"
"""Pages are the same on either database: once is enough."""


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: set[str] = field(default_factory=set)

    def count(self, report: Path) -> None:
        """Add up a JUnit report of pytest; a run without one has failed."""
        if not report.exists():
            self.failed += 1
            return
        for case in ET.parse(report).getroot().iter("testcase"):
            outcomes = {child.tag for child in case}
            if outcomes & {"failure", "error"}:
                self.failed += 1
            elif "skipped" in outcomes:
                self.skipped += 1
                self.reasons |= {child.get("message", "") for child in case if child.tag == "skipped"}
            else:
                self.passed += 1


def say(text: str) -> None:
    print(text, flush=True)


def command(name: str, words: list[str], environment: Mapping[str, str] | None = None) -> bool:
    """Run a gate and say how long it took."""
    began = time.monotonic()
    say(f"── {name}")
    beside = Path(sys.executable).parent / words[0]
    program = str(beside) if beside.exists() else shutil.which(words[0]) or words[0]
    ended = subprocess.run([program, *words[1:]], env=os.environ | dict(environment or {}), check=False)
    say(f"   {'ok' if ended.returncode == 0 else 'FAILED'} in {time.monotonic() - began:.0f} s")
    return ended.returncode == 0


def suite(name: str, arguments: list[str], tally: Tally, environment: Mapping[str, str] | None = None) -> bool:
    """Run pytest over `arguments` and count."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        words = ["pytest", "-q", "-n", "2", f"--junit-xml={report}", *arguments]
        passed = command(name, words, environment)
        if passed or not report.exists():
            tally.count(report)
            return passed
        return again(name, report, tally, environment)


def failed_in(report: Path) -> list[str]:
    """The node ids of what failed."""
    cases = ET.parse(report).getroot().iter("testcase")
    failed = [case for case in cases if {child.tag for child in case} & {"failure", "error"}]
    named = [(case.get("classname", "").replace(".", "/"), case.get("name", "")) for case in failed]
    return list(dict.fromkeys(f"{path}.py::{name}" for path, name in named))


def again(name: str, report: Path, tally: Tally, environment: Mapping[str, str] | None) -> bool:
    """Run what failed once more, alone and one after the other: what passes then was starved, and is named as such."""
    first = Tally()
    first.count(report)
    second = report.with_name("again.xml")
    words = ["pytest", "-q", "-n", "0", f"--junit-xml={second}", *failed_in(report)]
    passed = command(f"{name}, {first.failed} failed: once more, alone", words, environment)
    tally.passed += first.passed
    tally.skipped += first.skipped
    tally.reasons |= first.reasons
    tally.count(second)
    return passed


def on_postgres(extra: list[str], tally: Tally) -> bool:
    """The suites that have a database, on PostgreSQL."""
    places = [place for place in ON_BOTH if Path(place).exists()]
    if not places:
        return True
    try:
        with postgres() as url:
            words = [*places, f"--ignore={BROWSER}", *extra]
            return suite("tests on PostgreSQL", words, tally, {"METERHALL_TEST_DATABASE_URL": url})
    except NoPostgres as reason:
        say(f"   FAILED: {reason}")
        tally.failed += 1
        return False


def browser() -> None:
    """Have a browser for the tests of pages; where there can be none they are skipped, and this says why."""
    try:
        say(f"── browser: {provide()}")
    except NoChromium as reason:
        say(f"── no browser: {reason}")


def main() -> int:
    tally, extra = Tally(), sys.argv[1:]
    for name, words in GATES:
        passed = command(name, words)
        tally.passed += passed
        tally.failed += not passed
    browser()
    good = suite("tests on SQLite", extra, tally)
    good = on_postgres(extra, tally) and good
    for reason in sorted(filter(None, tally.reasons)):
        say(f"skipped: {reason}")
    say(f"meterhall: {tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 0 if good and not tally.failed else 1


if __name__ == "__main__":
    raise SystemExit(main())
