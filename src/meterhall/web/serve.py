"""Run a platform: the two HTTPS listeners and the worker, each its own process, together or apart.

`serve` loads the platform once, forks the parts from there and keeps them running; a part that dies is started again.
The parts die with their parent, so that nothing is left behind whatever kills it.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

import structlog

from meterhall.domain.errors import Conflict
from meterhall.web.config import Config
from meterhall.web.home import Home
from meterhall.web.logs import configure_logs

log = structlog.get_logger(__name__)
PARTS = ("b2b", "portal", "worker")
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
GRACE_S = 10.0
FIRST_REST_S, LAST_REST_S, SOUND_S = 0.5, 5.0, 10.0
"""How long a part that died rests: at first, at most; and how long one has to live so that its death is a new story."""
APPLICATION = "meterhall.web.asgi:application"


class PortTaken(Conflict):
    code = "port_taken"
    title = "A listener cannot have its address."


class NoCertificate(Conflict):
    code = "no_certificate"
    title = "The listeners have no certificate."


def die_with_parent() -> None:
    """Ask Linux to end this process when its parent ends; elsewhere the supervisor's signals do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def name_process(part: str) -> None:
    """Let `ps` and `top` say which part of a platform this process is: `mh-b2b`, `mh-portal`, `mh-worker`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, f"mh-{part}".encode(), 0, 0, 0)


@dataclass
class Supervisor:
    """Starts the parts of one platform and keeps them running until told to stop."""

    role: str
    home: Path
    parts: tuple[str, ...] = PARTS
    _running: dict[str, BaseProcess] = field(default_factory=dict)
    _began: dict[str, float] = field(default_factory=dict)
    _rests: dict[str, float] = field(default_factory=dict)
    _again: dict[str, float] = field(default_factory=dict)
    _stopping: bool = False

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit code. Django is set up. Raises `PortTaken`, `NoCertificate`."""
        config = Home(self.home).config
        check_listeners(self.home, config, self.parts)
        configure_logs(self.role, "supervisor", config.log_level, config.log_format)
        preload(self.parts)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        log.info("platform.serving", parts=list(self.parts), b2b=config.base_url, portal=config.portal_base_url)
        for part in self.parts:
            self._running[part] = self._start(part)
        while not self._stopping:
            for part in self.parts:
                self._look_after(part)
            time.sleep(0.1)
        self._end()
        return 0

    def _look_after(self, part: str) -> None:
        """Start a part again that died: soon; later, where it dies again and again. No other part waits for it."""
        now = time.monotonic()
        process = self._running.get(part)
        if process is not None:
            if process.is_alive():
                return
            lived_s = now - self._began[part]
            before_s = 0.0 if lived_s > SOUND_S else self._rests.get(part, 0.0)
            wait_s = min(max(before_s * 2, FIRST_REST_S), LAST_REST_S)
            log.error("part.ended", part=part, code=process.exitcode, wait_s=wait_s)
            self._rests[part], self._again[part] = wait_s, now + wait_s
            del self._running[part]
        if now >= self._again[part]:
            self._running[part] = self._start(part)

    def _start(self, part: str) -> BaseProcess:
        context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        process: BaseProcess = context.Process(target=run_part, args=(self.role, self.home, part), name=part)  # type: ignore[attr-defined]
        process.start()
        self._began[part] = time.monotonic()
        return process

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _end(self) -> None:
        for process in self._running.values():
            process.terminate()
        until = time.monotonic() + GRACE_S
        for process in self._running.values():
            process.join(max(0.1, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()


def address_of(listener: str, config: Config) -> tuple[str, int]:
    """Where a listener binds."""
    if listener == "b2b":
        return config.b2b_host, config.b2b_port
    return config.portal_host, config.portal_port


def check_listeners(home: Path, config: Config, parts: tuple[str, ...]) -> None:
    """Refuse what would only be seen later: a listener shares a port with another's silently, and restarts for ever
    without its certificate.
    """
    for part in parts:
        if part == "worker":
            continue
        for name in ("server.pem", "server.key"):
            if not (home / "tls" / name).is_file():
                raise NoCertificate(f"{home / 'tls' / name} is missing: put it there, or make the home with `--ca`.")
        host, port = address_of(part, config)
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as fault:
            raise PortTaken(f"{part} cannot listen on {host}, port {port}: {fault.strerror}.") from None


def preload(parts: tuple[str, ...]) -> None:
    """Load what the parts run, so that each is forked complete: at once, and with its memory shared.

    Only modules are loaded. Whatever does not outlive a fork (connections, threads, engines) is made after it.
    """
    from django.conf import settings
    from django.db import connections

    from meterhall.web.sqlite.base import close_kept
    from meterhall.web.work.engine import discover

    urls: dict[str, str] = getattr(settings, "METERHALL_URLS", {})
    for part in parts:
        if part == "worker":
            discover()
        else:
            import_module("meterhall.web.listening")
            import_module(urls[part])
    connections.close_all()
    close_kept()
    gc.collect()
    gc.freeze()


def run_part(role: str, home: Path, part: str) -> None:
    """A part's process, from its first to its last moment."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    die_with_parent()
    name_process(part)
    os.environ |= {
        "METERHALL_HOME": str(home),
        "METERHALL_LISTENER": part,
        "DJANGO_SETTINGS_MODULE": f"meterhall.{role}.settings",
    }
    config = Home(home).config
    configure_logs(role, part, config.log_level, config.log_format)
    run_worker() if part == "worker" else run_listener(part)


def run_listener(listener: str, application: str = APPLICATION) -> None:
    """Serve one listener in this process. `application` names what makes the application."""
    from meterhall.web.listening import Listener

    home = Home(Path(os.environ["METERHALL_HOME"]))
    Listener(application, *address_of(listener, home.config), tls=home.path / "tls").serve()


def run_worker() -> None:
    """Work off due rows in this process until SIGTERM."""
    import django

    django.setup()
    from meterhall.web.platform import platform
    from meterhall.web.work.engine import Worker

    config = platform().config
    worker = Worker(config.worker_threads, config.worker_poll_ms / 1000, config.worker_lease_s)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    worker.run()
