"""A small market under fire: its processes kill themselves at armed points or are killed at random times, come up
again, and its clients ask again with the same key, as real ones do."""

from __future__ import annotations

import os
import random
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from meterhall.demo.cards import CardAuthority
from meterhall.demo.launch import Running, Town
from meterhall.demo.office import Office
from meterhall.demo.person import Person
from tests.e2e.town import Streets, databases, descendants, plans

PATIENCE_S = 90.0
SOON = {"worker_lease_s": 2, "retry_first_s": 0.3, "retry_last_s": 1.0}
"""What a killed worker was at, and what could not be sent, is tried again soon: the tests wait for it many times."""
KILLER = Path(__file__).parent / "killer"


class Asking(httpx.BaseTransport):
    """Sends a request again, unchanged, until somebody answers it: a connection that broke or a 5xx says nothing of
    whether the command was done."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._once = httpx.HTTPTransport(verify=tls)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        until = time.monotonic() + PATIENCE_S
        while True:
            with suppress(httpx.TransportError):
                response = self._once.handle_request(request)
                if response.status_code < 500 or time.monotonic() > until:
                    response.read()
                    return response
                response.close()
            if time.monotonic() > until:
                raise httpx.ConnectError(f"{request.method} {request.url.path} was not answered in {PATIENCE_S:.0f} s")
            time.sleep(0.2)


class FaultyTown(Town):
    """Platforms whose Python wraps the points of `killer`."""

    def faults(self, key: str) -> Path:
        """Where the points of a platform are armed and noted."""
        return self.folder / "faults" / key

    def _environment(self, key: str) -> dict[str, str]:
        own = super()._environment(key)
        (self.faults(key) / "fired").mkdir(parents=True, exist_ok=True)
        paths = [str(KILLER), *filter(None, [own.get("PYTHONPATH", "")])]
        return own | {"FAULTS": str(self.faults(key)), "PYTHONPATH": os.pathsep.join(paths)}

    def fired(self) -> list[str]:
        """The points that have killed."""
        return sorted(mark.read_text() for mark in self.folder.glob("faults/*/fired/*"))


@dataclass
class FaultyStreets(Streets):
    """Offices and people whose connections ask again, and a watch that starts platforms which were killed."""

    restarts: int = 0
    _paused: set[str] = field(default_factory=set)
    _ended: threading.Event = field(default_factory=threading.Event)

    def office(self, key: str) -> Office:
        office = Office(self[key].portal, self[key].staff_key, self.town.tls)
        held = office._http
        office._http = httpx.Client(
            base_url=held.base_url, headers=held.headers, transport=Asking(self.town.tls), timeout=30
        )
        return office

    def person(self, key: str, email: str, link: str = "") -> Person:
        name = f"{key}:{email}"
        if name not in self.people:
            http = httpx.Client(transport=Asking(self.town.tls), timeout=60, follow_redirects=False)
            visitor = Person(self[key].portal, http)
            visitor.redeem(link or self[key].links[email])
            self.people[name] = visitor
        return self.people[name]

    def arm(self, points: dict[str, list[str]]) -> None:
        """Have these points kill, by platform."""
        for key, lines in points.items():
            assert isinstance(self.town, FaultyTown)
            (self.town.faults(key) / "armed").write_text("\n".join(lines))

    def shift(self, key: str, seconds: float) -> None:
        """Set a platform's clock so many seconds ahead."""
        assert isinstance(self.town, FaultyTown)
        fresh = self.town.faults(key) / "shift.new"
        fresh.write_text(str(seconds))
        fresh.replace(fresh.with_name("shift"))

    def pause(self, key: str) -> None:
        """Stop a platform, and do not start it again."""
        self._paused.add(key)
        process = self[key].process
        assert process is not None
        process.terminate()
        process.wait(30)
        sweep(self[key])

    def go_on(self, key: str, *, ready: bool = True) -> None:
        """Start it again."""
        self.town.serve(self[key])
        self._paused.discard(key)
        if ready:
            self.town.wait_ready(self[key])

    def watch(self) -> None:
        """Start anew what was killed, until the end."""
        while not self._ended.wait(0.1):
            for one in self.town.platforms.values():
                paused = one.key in self._paused
                if not paused and one.process is not None and one.process.poll() is not None:
                    sweep(one)
                    self.restarts += 1
                    self.town.serve(one)


def sweep(running: Running) -> None:
    """No process of a platform that died may be left when it starts again."""
    assert running.process is not None
    with suppress(ProcessLookupError):
        os.killpg(running.process.pid, signal.SIGKILL)


def answers(streets: FaultyStreets, key: str) -> bool:
    """Whether both listeners of a platform are there."""
    try:
        with httpx.Client(verify=streets.town.tls, timeout=2) as client:
            return all(client.get(base + "/health/live").is_success for base in (streets[key].b2b, streets[key].portal))
    except httpx.TransportError:
        return False


def kill_some(streets: FaultyStreets, dice: random.Random) -> str:
    """SIGKILL one process, or all, of one platform that has come up since it was killed last: else nothing is done."""
    key = dice.choice(sorted(streets.town.platforms))
    running = streets[key]
    if not answers(streets, key):
        return "nothing"
    assert running.process is not None
    if dice.random() < 0.4:
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        return f"{key}: all"
    victim = dice.choice(descendants(running)[1:] or [running.process.pid])
    with suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    return f"{key}: {victim}"


@contextmanager
def faulty(folder: Path) -> Iterator[FaultyStreets]:
    """The platforms, made and started, and started again whenever they die; nothing of them is left in the end."""
    url = os.environ.get("METERHALL_TEST_DATABASE_URL", "")
    streets = FaultyStreets(FaultyTown(folder, databases(url) if url else {}), CardAuthority.create())
    watch = threading.Thread(target=streets.watch, name="watch")
    try:
        streets.town.create(replace(plan, settings={**plan.settings, **SOON}) for plan in plans())
        streets.cards.trust(streets["grid"].home / "trust" / "consent")
        streets.town.start()
        watch.start()
        yield streets
    finally:
        streets._ended.set()
        if watch.ident:
            watch.join()
        streets.town.stop()
        for one in streets.town.platforms.values():
            if one.process is not None:
                sweep(one)
