"""`meterhall demo --once`: the ten steps across five platforms, what they come to, and that nothing is left behind."""

from __future__ import annotations

import io
import json
import os
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from meterhall.demo import run
from tests.postgres import create

STEPS = [
    "Service Registration", "Service Search", "Service Request", "DSO Localization", "Service Subscription",
    "Service Activation", "Customer Consent Check", "Data Calculation", "Data Transmission", "Data Collection",
]  # fmt: skip
REFUSED = {
    "consent_missing": 1, "evidence_assurance": 1, "group_too_small": 1, "operator_unknown": 1, "pod_check_failed": 1,
}  # fmt: skip


@dataclass
class Ran:
    """One run of the demo."""

    code: int
    document: dict[str, Any]
    said: str
    ports: list[int]
    left: set[str]


def _databases() -> dict[str, str]:
    """Five fresh databases where the tests run on PostgreSQL; nothing otherwise."""
    url = os.environ.get("METERHALL_TEST_DATABASE_URL", "")
    if not url:
        return {}
    made = {}
    for key in ("marketplace", "italy", "spain", "belgium", "requester"):
        name = f"demo_{key}_{os.getpid()}_{time.time_ns() % 10**6}"
        create(url, name)
        made[key] = url.replace("/meterhall?", f"/{name}?")
    return made


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    ports: list[int] = []

    def remember(count: int) -> list[int]:
        ports.extend(chosen(count))
        return ports

    said = io.StringIO()
    result = tmp_path_factory.mktemp("demo") / "result.json"
    folder = tmp_path_factory.mktemp("demo-tmp")
    chosen = run.free_ports
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "free_ports", remember)
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv("TMPDIR", str(folder))
        console = Console(file=said, width=200)
        code = run.run_demo(once=True, result=result, databases=_databases(), console=console)
    return Ran(code, json.loads(result.read_text()), said.getvalue(), ports, _left(folder))


def _left(folder: Path) -> set[str]:
    """What a demo may leave: something in the folder for temporary files, and processes that were started in it."""
    processes = map(_command, Path("/proc").glob("[0-9]*"))
    return {str(path) for path in folder.glob("*")} | {one for one in processes if str(folder) in one}


def _command(process: Path) -> str:
    try:
        return f"{process.name} {(process / 'cmdline').read_text()} {_home(process)}"
    except OSError:
        return ""


def _home(process: Path) -> str:
    words = (process / "environ").read_bytes().decode(errors="replace").split("\0")
    return next((word for word in words if word.startswith("METERHALL_HOME=")), "")


def test_the_ten_steps_succeed(ran: Ran):
    assert ran.code == 0, ran.said
    assert [(step["name"], step["ok"]) for step in ran.document["steps"]] == [(name, True) for name in STEPS]
    assert all(step["seconds"] > 0 for step in ran.document["steps"])


def test_what_they_come_to(ran: Ran):
    counted = {name: ran.document[name] for name in ("localised", "accepted", "revoked")}
    assert counted == {"localised": 30, "accepted": 28, "revoked": 1}
    assert ran.document["refused"] == REFUSED
    assert ran.document["readings"] > 50_000


def test_both_sides_statements_match_for_every_delivery(ran: Ran):
    deliveries = 4
    assert ran.document["digests_matched"] == deliveries
    assert f"{deliveries} of {deliveries} deliveries: both statements match" in ran.said


def test_it_says_what_it_does(ran: Ran):
    for number, name in enumerate(STEPS, 1):
        assert f"{number:>2}. {name}" in ran.said
    assert "fictitious" in ran.said


def test_nothing_is_left_behind(ran: Ran):
    assert ran.left == set()
    assert len(ran.ports) == 10
    for port in ran.ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, port
