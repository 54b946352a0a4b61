"""Starting and stopping the demo's platforms: each its own home, database and processes, as a user would by hand."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from meterhall.domain.errors import MeterhallError
from meterhall.web.home import create_ca

READY_WITHIN_S = 180.0
COMMAND = (sys.executable, "-m", "meterhall.cli")


class DidNotStart(MeterhallError):
    code = "demo_platform_did_not_start"
    title = "A platform of the demo did not start."


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now, all different."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


@dataclass
class Running:
    """One platform of the demo: where it is, what is needed to use it, and its process."""

    role: str
    key: str
    home: Path
    b2b: str
    portal: str
    links: Mapping[str, str]
    staff_key: str
    process: subprocess.Popen[bytes] | None = None


@dataclass
class Town:
    """All platforms of one demo, under one local authority."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    platforms: dict[str, Running] = field(default_factory=dict)

    @property
    def ca(self) -> Path:
        return self.folder / "ca"

    @property
    def tls(self) -> ssl.SSLContext:
        """Trust in the demo's authority and no other."""
        return ssl.create_default_context(cafile=self.ca / "ca.pem")

    def create(self, plans: Iterable[Plan]) -> None:
        """`meterhall ca init`, then `meterhall <role> init` for each, two at a time."""
        create_ca(self.ca)
        with ThreadPoolExecutor(2) as pool:
            for running in pool.map(self._init, plans):
                self.platforms[running.key] = running

    def _init(self, plan: Plan) -> Running:
        home = self.folder / plan.key
        words = [
            plan.role, "init", "--home", str(home), "--name", plan.name, "--country", plan.country,
            "--ca", str(self.ca), "--b2b-port", str(plan.ports[0]), "--portal-port", str(plan.ports[1]),
            "--staff-key", "demo", "--json",
        ]  # fmt: skip
        for role, email, name in plan.people:
            words += ["--invite", f"{role}:{email}:{name}"]
        for name, value in plan.settings.items():
            words += ["--set", f"{name}={json.dumps(value)}"]
        if plan.marketplace:
            words += ["--marketplace", plan.marketplace]
        done = subprocess.run([*COMMAND, *words], env=self._environment(plan.key), capture_output=True, check=False)
        if done.returncode:
            raise DidNotStart(f"{plan.name}: {done.stderr.decode()[-2000:]}")
        made: dict[str, Any] = json.loads(done.stdout)
        b2b, portal = (f"https://localhost:{port}" for port in plan.ports)
        return Running(plan.role, plan.key, home, b2b, portal, made["links"], made["staff_key"])

    def _environment(self, key: str) -> dict[str, str]:
        """Ours, without settings meant for somebody else, with this platform's own database where one is given."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("METERHALL_", "DATABASE_URL"))}
        url = self.environment.get(key)
        return own | ({"DATABASE_URL": url} if url else {})

    def start(self) -> None:
        """`meterhall <role> serve` for each, and wait until every listener is ready."""
        for running in self.platforms.values():
            self.serve(running)
        for running in self.platforms.values():
            self.wait_ready(running)

    def serve(self, running: Running, *more: str) -> None:
        """Start one platform, with more words behind where given; its log goes to `serve.log` in its home."""
        with (running.home / "serve.log").open("ab") as log:
            running.process = subprocess.Popen(
                [*COMMAND, running.role, "serve", "--home", str(running.home), *more],
                env=self._environment(running.key), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip

    def wait_ready(self, running: Running) -> None:
        """Until both listeners of a platform answer. Raises `DidNotStart` with the end of its log."""
        until = time.monotonic() + READY_WITHIN_S
        with httpx.Client(verify=self.tls, timeout=2) as client:
            for base in (running.b2b, running.portal):
                while not _answers(client, base):
                    ended = running.process is not None and running.process.poll() is not None
                    if ended or time.monotonic() > until:
                        log = (running.home / "serve.log").read_text(errors="replace")
                        raise DidNotStart(f"{running.key}: {log[-2000:]}")
                    time.sleep(0.1)

    def ended(self) -> list[Running]:
        """The platforms whose process is there no more, though nobody stopped them."""
        return [one for one in self.platforms.values() if one.process is not None and one.process.poll() is not None]

    def stop(self) -> None:
        """End every process that was started; nothing is left behind."""
        for running in self.platforms.values():
            if running.process is not None and running.process.poll() is None:
                running.process.terminate()
        for running in self.platforms.values():
            if running.process is None:
                continue
            try:
                running.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(running.process.pid, signal.SIGKILL)
                running.process.wait()


def _answers(client: httpx.Client, base: str) -> bool:
    try:
        return client.get(base + "/health/ready").status_code == 200
    except httpx.TransportError:
        return False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is needed to make one platform."""

    role: str
    key: str
    name: str
    country: str
    ports: tuple[int, int]
    people: tuple[tuple[str, str, str], ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    marketplace: str = ""
