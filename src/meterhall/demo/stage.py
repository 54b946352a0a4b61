"""What the steps of the demo share: the running platforms, the people, and what has happened so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from meterhall.demo.cards import CardAuthority
from meterhall.demo.cast import Operator
from meterhall.demo.launch import Town
from meterhall.demo.office import Office
from meterhall.demo.person import Person

GUEST = "guest."
"""How the addresses of people begin whom nobody of the demo plays: they are for whoever watches."""


@dataclass
class Step:
    """One of the ten steps as it went."""

    name: str
    ok: bool = False
    seconds: float = 0.0
    said: list[str] = field(default_factory=list)


@dataclass
class Outcome:
    """What the demo counts; written as JSON where asked."""

    steps: list[Step] = field(default_factory=list)
    localised: int = 0
    accepted: int = 0
    revoked: int = 0
    readings: Counter[str] = field(default_factory=Counter)
    digests_matched: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def document(self) -> dict[str, Any]:
        """The JSON document of `--json`."""
        return {
            "steps": [{"name": step.name, "ok": step.ok, "seconds": round(step.seconds, 3)} for step in self.steps],
            "localised": self.localised,
            "accepted": self.accepted,
            "revoked": self.revoked,
            "readings": sum(self.readings.values()),
            "digests_matched": self.digests_matched,
            "refused": dict(sorted(self.refused.items())),
        }


@dataclass
class Stage:
    """The demo while it runs."""

    town: Town
    operators: tuple[Operator, ...]
    cards: CardAuthority
    say: Callable[[str], None]
    outcome: Outcome = field(default_factory=Outcome)
    offices: dict[str, Office] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    offers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    subscriptions: dict[str, str] = field(default_factory=dict)
    activations: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    deliveries: dict[str, str] = field(default_factory=dict)
    picture: Path | None = None

    def office(self, key: str) -> Office:
        """The back office of a platform."""
        if key not in self.offices:
            running = self.town.platforms[key]
            self.offices[key] = Office(running.portal, running.staff_key, self.town.tls)
        return self.offices[key]

    def person(self, key: str, email: str, link: str | None = None) -> Person:
        """A person at a platform's portal, signed in with a second factor; the first time by the one-time link."""
        name = f"{key}:{email}"
        if name not in self.people:
            running = self.town.platforms[key]
            client = httpx.Client(verify=self.town.tls, timeout=30, follow_redirects=False)
            person = Person(running.portal, client)
            person.redeem(link or running.links[email])
            self.people[name] = person
        return self.people[name]

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time one of the ten steps and say how it ends."""
        step = Step(name)
        self.outcome.steps.append(step)
        began = time.monotonic()
        self.say(f"{len(self.outcome.steps):>2}. {name}")
        try:
            yield step
            step.ok = True
        finally:
            step.seconds = time.monotonic() - began

    def tell(self, step: Step, text: str) -> None:
        """A line under the step."""
        step.said.append(text)
        self.say(f"    {text}")
