"""Run a platform: the two HTTPS listeners and the worker, each its own process, together or apart.

`serve` starts all three and keeps them running; a part that dies is started again. The parts die with their parent,
so that nothing is left behind whatever kills it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import structlog

from meterhall.web.home import Home
from meterhall.web.logs import configure_logs

log = structlog.get_logger(__name__)
PARTS = ("b2b", "portal", "worker")
PR_SET_PDEATHSIG = 1
GRACE_S = 10.0


def die_with_parent() -> None:
    """Ask Linux to end this process when its parent ends; elsewhere the supervisor's signals do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def environment(role: str, home: Path, listener: str) -> dict[str, str]:
    """The environment of a part's process."""
    return os.environ | {
        "METERHALL_ROLE": role,
        "METERHALL_HOME": str(home),
        "METERHALL_LISTENER": listener,
        "DJANGO_SETTINGS_MODULE": f"meterhall.{role}.settings",
    }


@dataclass
class Supervisor:
    """Starts the parts of one platform and keeps them running until told to stop."""

    role: str
    home: Path
    parts: tuple[str, ...] = PARTS
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _stopping: bool = False

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit code."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        waits: dict[str, float] = {}
        while not self._stopping:
            for part in self.parts:
                process = self._running.get(part)
                if process is None or process.poll() is not None:
                    if process is not None:
                        log.error("part.ended", part=part, code=process.returncode)
                        time.sleep(waits.get(part, 0.5))
                        waits[part] = min(waits.get(part, 0.5) * 2, 30.0)
                    self._running[part] = self._start(part)
            time.sleep(0.2)
        self._end()
        return 0

    def _start(self, part: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "meterhall.web.serve", part]
        return subprocess.Popen(command, env=environment(self.role, self.home, part), stdin=subprocess.DEVNULL)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _end(self) -> None:
        for process in self._running.values():
            process.terminate()
        until = time.monotonic() + GRACE_S
        for process in self._running.values():
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run_listener(listener: str) -> None:
    """Serve one listener in this process: HTTPS, HTTP/1.1, ASGI."""
    from granian.constants import HTTPModes, Interfaces
    from granian.server import Server

    home = Home(Path(os.environ["METERHALL_HOME"]))
    config = home.config
    host, port = (config.b2b_host, config.b2b_port) if listener == "b2b" else (config.portal_host, config.portal_port)
    Server(
        "meterhall.web.asgi:application",
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        workers=1,
        factory=True,
        ssl_cert=home.path / "tls" / "server.pem",
        ssl_key=home.path / "tls" / "server.key",
        log_level="warning",  # type: ignore[arg-type]
        respawn_failed_workers=True,
    ).serve()


def run_worker() -> None:
    """Work off due rows in this process until SIGTERM."""
    import django

    django.setup()
    from meterhall.web.platform import platform
    from meterhall.web.work.engine import Worker

    config = platform().config
    worker = Worker(config.worker_threads, config.worker_poll_ms / 1000)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    worker.run()


def main() -> None:
    """Entry of a part's process: `python -m meterhall.web.serve b2b|portal|worker`."""
    die_with_parent()
    part = sys.argv[1]
    config = Home(Path(os.environ["METERHALL_HOME"])).config
    configure_logs(config.role, part, config.log_level, config.log_format)
    if part == "worker":
        run_worker()
    else:
        run_listener(part)


if __name__ == "__main__":
    main()
