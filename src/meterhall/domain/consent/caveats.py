"""Caveats of a consent: frozen, each with one question. A consent holds all of them at once; none widens another.

Three intervals, never mixed: access (the real clock), reading period (absolute days), occupancy (the holder's days).
A caveat here speaks of the first two; occupancy cuts the reading period before the question is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from meterhall.domain.protocol.offers import DataScope


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to do now: who, under which subscription, which point, which data."""

    requester: str
    subscription_id: str
    point: str
    scope: DataScope
    at: datetime


@dataclass(frozen=True, slots=True)
class Granted:
    """Every caveat said yes."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The first caveat that said no; `code` is one of `protocol.activations.REFUSALS`."""

    code: str


class Caveat(Protocol):
    def verify(self, asked: Asked) -> Granted | Refused:
        """Whether this caveat lets it pass."""
        ...


@dataclass(frozen=True, slots=True)
class ForRequester:
    requester: str

    def verify(self, asked: Asked) -> Granted | Refused:
        return Granted() if asked.requester == self.requester else Refused("consent_missing")


@dataclass(frozen=True, slots=True)
class UnderSubscription:
    """Bound to one subscription; an empty one is bound to none (evidence brought by a requester)."""

    subscription_id: str

    def verify(self, asked: Asked) -> Granted | Refused:
        fits = self.subscription_id in ("", asked.subscription_id)
        return Granted() if fits else Refused("consent_missing")


@dataclass(frozen=True, slots=True)
class ForPoint:
    point: str

    def verify(self, asked: Asked) -> Granted | Refused:
        return Granted() if asked.point == self.point else Refused("consent_missing")


@dataclass(frozen=True, slots=True)
class NotEnded:
    ended_at: datetime | None

    def verify(self, asked: Asked) -> Granted | Refused:
        over = self.ended_at is not None and self.ended_at <= asked.at
        return Refused("consent_revoked") if over else Granted()


@dataclass(frozen=True, slots=True)
class Until:
    access_until: datetime

    def verify(self, asked: Asked) -> Granted | Refused:
        return Granted() if asked.at < self.access_until else Refused("consent_expired")


@dataclass(frozen=True, slots=True)
class WithinScope:
    """An individual consent also lets the point count in a group: the aggregate shows less, never more."""

    scope: DataScope

    def verify(self, asked: Asked) -> Granted | Refused:
        wanted = asked.scope
        if wanted.kind == "aggregate" and self.scope.kind == "individual":
            wanted = wanted.model_copy(update={"kind": "individual"})
        return Granted() if wanted.within(self.scope) else Refused("consent_scope")


def verify(caveats: Iterable[Caveat], asked: Asked) -> Granted | Refused:
    """The first refusal in the caveats' order, else granted."""
    for caveat in caveats:
        answer = caveat.verify(asked)
        if isinstance(answer, Refused):
            return answer
    return Granted()
