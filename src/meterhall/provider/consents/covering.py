"""The question asked before any byte moves: which consent covers this, now. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from meterhall.domain.consent import (
    Asked,
    Caveat,
    ForPoint,
    ForRequester,
    Granted,
    NotEnded,
    Refused,
    UnderSubscription,
    Until,
    WithinScope,
    verify,
)
from meterhall.domain.protocol.offers import DataScope
from meterhall.provider.consents.models import ConsentItem
from meterhall.provider.points.models import Point
from meterhall.web.platform import platform
from meterhall.web.sets import among


@dataclass(frozen=True, slots=True)
class Covered:
    """The consent item that lets it pass."""

    item: ConsentItem


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a requester wants under a subscription, and which assurances count there."""

    requester: str
    subscription_id: str
    scope: DataScope
    assurances: tuple[str, ...]


class ConsentBook:
    """Every consent to one requester for some points, read once; asked as often as needed."""

    def __init__(self, requester: str, points: Iterable[int]) -> None:
        self._items: dict[int, list[ConsentItem]] = {}
        # Found by point alone: a database that goes by the requester reads all consents to it each time.
        for item in ConsentItem.objects.filter(among("point", set(points))).select_related("consent", "point"):
            if item.consent.requester == requester:
                self._items.setdefault(item.point_id, []).append(item)
        for items in self._items.values():
            items.sort(key=lambda item: (-item.consent.granted_at.timestamp(), item.pk))

    def covering(self, wanted: Wanted, point: Point, consent_id: str | None = None) -> Covered | Refused:
        """The consent item that covers it now (of one consent, if named); else why the one that came nearest does
        not."""
        asked = Asked(wanted.requester, wanted.subscription_id, point.handle, wanted.scope, platform().now())
        nearest = Refused("consent_missing")
        for item in self._items.get(point.pk, []):
            if consent_id is not None and item.consent_id != consent_id:
                continue
            answer = judged(item, asked, wanted.assurances)
            if isinstance(answer, Granted):
                return Covered(item)
            if nearest.code == "consent_missing":
                nearest = answer
        return nearest


def judged(item: ConsentItem, asked: Asked, assurances: Collection[str]) -> Granted | Refused:
    """Whether a consent item lets it pass: its caveats, then what it rests on."""
    answer = verify(caveats(item), asked)
    if isinstance(answer, Granted) and item.consent.assurance not in assurances:
        return Refused("evidence_assurance")
    return answer


def caveats(item: ConsentItem) -> tuple[Caveat, ...]:
    """The item as caveats, in the order in which they are asked."""
    return (
        ForRequester(item.consent.requester),
        UnderSubscription(item.subscription_id),
        ForPoint(item.point.handle),
        NotEnded(item.ended_at),
        Until(item.access_until),
        WithinScope(DataScope.model_validate(item.scope)),
    )
