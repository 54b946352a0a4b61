"""The tutorial, typed: every block of `docs/tutorial.md` in its order, Python and shell in turn, on a real town."""

from __future__ import annotations

import csv
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from meterhall.domain.protocol.consents import ConsentStatement
from tests.e2e.sdk.conftest import PASSPHRASE, SCOPE
from tests.e2e.town import MOVED, Streets, cups, holder, pod
from tests.unit.docs.pages import ROOT, Block, blocks, commands

PAGE = ROOT / "docs" / "tutorial.md"
NUMBERS = [number for number in range(13) if number != MOVED]
DONE = "\x1edone"
PATIENCE_S = 240.0
"""What one command may take."""


class Shell:
    """One bash for the whole page, as a reader has one. What a command prompts for is the passphrase."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        (folder / "passphrase").write_text(PASSPHRASE + "\n")
        self.process = subprocess.Popen(
            ["bash"], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, command: str) -> tuple[int, str]:
        """Exit code and output of a command."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{{ {command}\n}} < ~/passphrase; printf '\\n{DONE} %s\\n' $?\n")
        self.process.stdin.flush()
        said, watchdog = "", threading.Timer(PATIENCE_S, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                if line.startswith(DONE):
                    return int(line.split()[1]), said
                said += line
        finally:
            watchdog.cancel()
        raise AssertionError(f"bash ended: {said}")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def desk(streets: Streets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """An empty folder, the program, trust in the town's authority."""
    program = tmp_path / "bin" / "meterhall"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m meterhall.cli "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    for name in ("METERHALL_CLIENT", "METERHALL_KEY_PASSPHRASE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METERHALL_CLIENTS", str(tmp_path / "clients"))
    monkeypatch.setenv("SSL_CERT_FILE", str(streets.town.ca / "ca.pem"))
    monkeypatch.setattr("getpass.getpass", lambda prompt: PASSPHRASE)
    shell = Shell(
        tmp_path,
        os.environ | {
            "HOME": str(tmp_path), "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src"),
            "COLUMNS": "200", "NO_COLOR": "1",
        },
    )  # fmt: skip
    yield shell
    shell.end()


def test_everything_the_tutorial_shows(streets: Streets, desk: Shell, tmp_path: Path):
    names = {
        "https://hall.example": streets["marketplace"].b2b, "https://grid.example": streets["grid"].b2b,
        "--country BE": "--country ES", 'country="BE"': 'country="ES"', "country=BE": "country=ES",
        '["BE"]': '["ES"]',
        '"BE", "operator_part": "952056000"': '"ES", "operator_part": "9999"',
        "2016-10-01": "2025-03-01", "2016-10-02": "2025-03-02", "2016-11-01": "2025-04-01",
    }  # fmt: skip
    namespace: dict[str, Any] = {"__name__": "tutorial"}
    ran = 0
    for block in [block for block in blocks(PAGE) if "town" in block.words]:
        text = block.body
        for shown, real in names.items():
            text = text.replace(shown, real)
        if block.kind == "python":
            exec(compile("\n" * block.line + text, str(PAGE), "exec"), namespace)
        else:
            _type(streets, desk, tmp_path, block, text)
        ran += 1
    assert ran > 20
    assert namespace["curves"].completeness.is_complete
    assert namespace["curves"].frame.height == 743 * len(NUMBERS)


def _type(streets: Streets, desk: Shell, folder: Path, block: Block, text: str) -> None:
    for command, expected in commands(Block(PAGE, block.line, block.kind, block.words, text)):
        code, said = desk.run(command)
        assert code == 0, f"{block.place}: {command}\n{said}"
        for line in expected:
            pattern = ".*".join(re.escape(part) for part in line.strip().split("…"))
            assert re.search(pattern.replace('":\\ ', '":\\ ?'), said), f"{block.place}: {line!r} not in\n{said}"
        if " enrol " in command:
            number = said.split()[0]
            streets.admit(number)
            _customers(streets, folder, number)


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
