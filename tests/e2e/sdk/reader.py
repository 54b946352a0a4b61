"""Somebody who types the tutorial: one bash and one Python for the whole page, each block in its order."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from meterhall.client import RemoteRefusal
from tests.e2e.sdk.conftest import PASSPHRASE
from tests.unit.docs.pages import ROOT, Block, blocks, commands

PAGE = ROOT / "docs" / "tutorial.md"
DONE = "\x1edone"
PATIENCE_S = 240.0
"""What one command may take."""


class Shell:
    """One bash for the whole page, as a reader has one. What a command prompts for is the passphrase."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        (folder / "passphrase").write_text(PASSPHRASE + "\n")
        self.folder = folder
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


@contextmanager
def desk(authority: Path, folder: Path) -> Iterator[Shell]:
    """An empty folder, the program, trust in an authority."""
    program = folder / "bin" / "meterhall"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m meterhall.cli "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("METERHALL_CLIENT", "METERHALL_KEY_PASSPHRASE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"):
            patch.delenv(name, raising=False)
        patch.chdir(folder)
        patch.setenv("METERHALL_CLIENTS", str(folder / "clients"))
        patch.setenv("SSL_CERT_FILE", str(authority))
        patch.setattr("getpass.getpass", lambda prompt: PASSPHRASE)
        shell = Shell(
            folder,
            os.environ | {
                "HOME": str(folder), "PATH": f"{program.parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200", "NO_COLOR": "1",
            },
        )  # fmt: skip
        try:
            yield shell
        finally:
            shell.end()


def walk(
    shell: Shell,
    names: Mapping[str, str],
    enrolled: Callable[[str], None],
    refused: Mapping[str, str],
    page: Path = PAGE,
    at_least: int = 21,
) -> dict[str, Any]:
    """Type a page of so many blocks; what its Python ends with.

    `names` are what stands on the page and what is there instead; `enrolled` is told the reader's access number;
    `refused` are commands that are answered with a code instead of what the page shows.
    """
    namespace: dict[str, Any] = {"__name__": "tutorial"}
    ran = 0
    for block in [block for block in blocks(page) if "town" in block.words]:
        text = block.body
        for shown, real in names.items():
            text = text.replace(shown, real)
        code = next((code for part, code in refused.items() if part in text), "")
        if block.kind == "python":
            _run(block, text, namespace, code)
        else:
            _type(shell, Block(page, block.line, block.kind, block.words, text), enrolled, code)
        ran += 1
    assert ran >= at_least
    return namespace


def _run(block: Block, text: str, namespace: dict[str, Any], refused: str) -> None:
    program = compile("\n" * block.line + text, str(block.page), "exec")
    if not refused:
        exec(program, namespace)
        return
    with pytest.raises(RemoteRefusal) as caught:
        exec(program, namespace)
    assert caught.value.remote_code == refused


def _type(shell: Shell, block: Block, enrolled: Callable[[str], None], refused: str) -> None:
    for command, expected in commands(block):
        code, said = shell.run(command)
        if refused:
            assert (code, refused in said) == (2, True), f"{block.place}: {command}\n{said}"
            continue
        assert code == 0, f"{block.place}: {command}\n{said}"
        for line in expected:
            pattern = ".*".join(re.escape(part) for part in line.strip().split("…"))
            assert re.search(pattern.replace('":\\ ', '":\\ ?'), said), f"{block.place}: {line!r} not in\n{said}"
        if " enrol " in command:
            enrolled(said.split()[0])
