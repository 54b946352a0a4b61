"""The tutorial, typed: every block of `docs/tutorial.md` in its order, on a town of these tests and on the demo."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meterhall.domain.protocol.consents import ConsentStatement
from tests.e2e.sdk.conftest import SCOPE
from tests.e2e.sdk.reader import Shell, desk, walk
from tests.e2e.town import MOVED, Streets, cups, holder, pod, wait_for
from tests.unit.docs.pages import ROOT

NUMBERS = [number for number in range(13) if number != MOVED]
TO_DEMO_S = 300.0


def test_on_a_town(streets: Streets, tmp_path: Path):
    names = {
        "https://hall.example": streets["marketplace"].b2b, "https://grid.example": streets["grid"].b2b,
        "--country BE": "--country ES", 'country="BE"': 'country="ES"', "country=BE": "country=ES",
        '["BE"]': '["ES"]',
        '"BE", "operator_part": "952056000"': '"ES", "operator_part": "9999"',
        "2016-10-01": "2025-03-01", "2016-10-02": "2025-03-02", "2016-11-01": "2025-04-01",
    }  # fmt: skip

    def enrolled(number: str) -> None:
        streets.admit(number)
        _customers(streets, tmp_path, number)

    with desk(streets.town.ca / "ca.pem", tmp_path) as shell:
        made = walk(shell, names, enrolled, {})
    assert made["curves"].completeness.is_complete
    assert made["curves"].frame.height == 743 * len(NUMBERS)


def _customers(streets: Streets, folder: Path, number: str) -> None:
    """What the reader has: a list, one number in it of an operator nobody knows, and signed consents."""
    now = datetime.now(UTC)
    with (folder / "customers.csv").open("w", newline="") as out:
        csv.writer(out).writerows([("pod",), *((pod(one),) for one in NUMBERS), (cups(5).replace("9999", "9998"),)])
    with (folder / "consents.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("pod", "jws"))
        for one in NUMBERS:
            statement = ConsentStatement(
                pod=pod(one), requester=number, holder_reference=holder(one), scope=SCOPE, purpose="Advice",
                given_at=now, access_until=now + timedelta(days=30),
            )  # fmt: skip
            writer.writerow((pod(one), streets.cards.signed(statement)))


def test_on_the_demo_as_the_page_says(tmp_path: Path):
    """With the demo in a second terminal: the reader admits, and gets customers who consented."""
    town = tmp_path / "demo-town"
    with demo(tmp_path), desk(town / "ca" / "ca.pem", tmp_path) as shell:
        names = {"https://hall.example": _b2b(town / "marketplace"), "https://grid.example": _b2b(town / "belgium")}
        refused = {"group_curves": "group_too_small", "client group": "group_too_small"}
        made = walk(shell, names, lambda number: _enter(shell, number), refused)
    assert made["curves"].completeness.is_complete
    assert made["curves"].frame.height == 10 * 745


def _b2b(home: Path) -> str:
    return f"https://localhost:{tomllib.loads((home / 'config.toml').read_text())['b2b_port']}"


def _enter(shell: Shell, number: str) -> None:
    """What the page has the reader do in the second terminal."""
    for command in (
        "meterhall marketplace admit --home demo-town/marketplace --waiting",
        f"meterhall demo-customers {number} --home demo-town",
    ):
        code, said = shell.run(command)
        assert code == 0, said


@contextmanager
def demo(folder: Path) -> Iterator[None]:
    """`meterhall demo --home demo-town`, until it says where its Market Place is."""
    log = folder / "demo.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "meterhall.cli", "demo", "--home", "demo-town"], cwd=folder, stdout=out,
            stderr=subprocess.STDOUT, env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"},
        )  # fmt: skip
        try:
            wait_for("the demo", lambda: process.poll() is not None or "Ctrl-C stops" in log.read_text(), TO_DEMO_S)
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
