"""When a call is repeated and how long is waited before: after faults that may pass, and as quotas ask. Pure but for
`Pace`, which waits."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import http_sf

from meterhall.client.errors import RemoteRefusal, RemoteUnreachable
from meterhall.domain.errors import MeterhallError, Unavailable

FIRST_S: Final = 0.5
LONGEST_S: Final = 30.0
POLL_FIRST_S: Final = 0.2
POLL_LONGEST_S: Final = 10.0


STOP: ContextVar[threading.Event | None] = ContextVar("meterhall_client_stop", default=None)
"""What ends the waits of the present call from outside, where somebody may."""


class TimedOut(Unavailable):
    code = "client_timed_out"
    title = "It did not come about in the time given; wait again, nothing is lost."


class Stopped(Unavailable):
    code = "client_stopped"
    title = "The wait was ended from outside."


def go_on() -> None:
    """Nothing, unless the present call is ended from outside. Raises `Stopped`."""
    stop = STOP.get()
    if stop is not None and stop.is_set():
        raise Stopped


def may_pass(fault: MeterhallError) -> bool:
    """Whether the same call may well succeed later: nobody answered, or the answer says so."""
    if isinstance(fault, RemoteRefusal):
        return fault.remote_status >= 500 or fault.remote_status in {408, 425, 429}
    return isinstance(fault, RemoteUnreachable)


def pause_s(attempt: int, asked_s: float | None, chance: Callable[[], float] = random.random) -> float:
    """Seconds before attempt `attempt` + 1 (counted from 0): what the callee asks for, else twice as long each time.

    Half of it is left to chance, so that clients that failed together do not return together.
    """
    if asked_s is not None:
        return asked_s
    whole = min(FIRST_S * 2.0 ** min(attempt, 10), LONGEST_S)
    return whole / 2 + whole / 2 * chance()


def quota_pause_s(headers: Mapping[str, str]) -> float:
    """Seconds until the next call is welcome, by an answer's quota; 0 while some of it is left.

    Read are `RateLimit` as a structured field (the IETF draft's `r` and `t`), and `RateLimit-Remaining` with
    `RateLimit-Reset` (an earlier draft's).
    """
    field = headers.get("RateLimit")
    if field:
        return max((_pause_of(limit) for limit in _limits(field)), default=0.0)
    remaining, reset = headers.get("RateLimit-Remaining", ""), headers.get("RateLimit-Reset", "")
    spent = remaining.strip().isdigit() and int(remaining) == 0
    return float(reset) if spent and reset.strip().isdigit() else 0.0


def _limits(field: str) -> list[Mapping[str, object]]:
    try:
        members: Any = http_sf.parse(field.encode(), tltype="list")
        return [dict(member[1]) for member in members]
    except (ValueError, TypeError, IndexError):
        return []


def _pause_of(limit: Mapping[str, object]) -> float:
    remaining, reset = limit.get("r"), limit.get("t", 1)
    return float(reset) if remaining == 0 and isinstance(reset, int) and reset > 0 else 0.0


@dataclass
class Pace:
    """How one client waits: until a quota lets it call again, before a repetition, between two looks.

    Calls are repeated for `patience_s` seconds; a wait ends at once when `STOP` is set, with `Stopped`.
    """

    patience_s: float = 300.0
    tell: Callable[[str], None] | None = None
    """Told who is called again, and why, before each wait for it."""

    def __post_init__(self) -> None:
        self._welcome: dict[str, float] = {}

    def sleep(self, seconds: float) -> None:
        """Wait. Raises `Stopped`."""
        stop = STOP.get()
        if stop is None:
            time.sleep(max(seconds, 0.0))
        elif stop.wait(max(seconds, 0.0)):
            raise Stopped

    def hold(self, callee: str) -> None:
        """Wait until the callee's quota lets us call."""
        self.sleep(self._welcome.get(callee, 0.0) - time.monotonic())

    def heed(self, callee: str, headers: Mapping[str, str]) -> None:
        """Note what an answer says about the quota."""
        if pause := quota_pause_s(headers):
            self._welcome[callee] = time.monotonic() + pause

    def before_again(self, callee: str, attempt: int, since: float, fault: MeterhallError) -> None:
        """Wait before a repetition, or raise the fault: it will not pass, or patience is at its end."""
        asked = fault.remote_retry_after_s if isinstance(fault, RemoteRefusal) else None
        pause = pause_s(attempt, asked)
        if not may_pass(fault) or time.monotonic() + pause > since + self.patience_s:
            raise fault
        if asked is not None:
            self._welcome[callee] = time.monotonic() + asked
        if self.tell is not None:
            self.tell(f"{callee}: {fault.code}; trying again for {self.patience_s:.0f} s")
        self.sleep(pause)

    def until(self, look: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Look, less and less often, until it is so. Raises `TimedOut`."""
        end = time.monotonic() + timeout_s
        pause = POLL_FIRST_S
        while not look():
            left = end - time.monotonic()
            if left <= 0:
                raise TimedOut(f"{what} did not come about within {timeout_s:.0f} s; wait again, nothing is lost.")
            self.sleep(min(pause, left))
            pause = min(pause * 1.5, POLL_LONGEST_S)
