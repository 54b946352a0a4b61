"""Promises kept: what an offer promises of times, held against the statements of both sides (requirement MP-18).

Only shares leave here; how much two players exchange stays theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from meterhall.domain.protocol.offers import ServiceLevel
from meterhall.marketplace.agreements.models import Subscription
from meterhall.marketplace.ledger.models import KeptStatement

WINDOW = timedelta(days=90)
MOST = 2000
"""So many of the newest requests are looked at."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Of one promise: the share of requests (0 to 1) that were served in time, None where none has come due."""

    promise: str
    share: float | None


@dataclass(frozen=True, slots=True)
class _Request:
    subject: str
    contract: str
    at: datetime


def kept(offer_id: str, now: datetime) -> tuple[Kept, Kept]:
    """How the promises `answer` and `delivery` of an offer were kept in the last 90 days, under all its contracts.

    An activation is asked for when the provider acknowledges it and answered by the first `provision.confirmed`; data
    is asked for by the requester's `data.requested` and delivered by the provider's first `delivery.published`.
    """
    levels = {
        number: ServiceLevel.model_validate(level or {})
        for number, level in Subscription.objects.filter(offer_id=offer_id).values_list(
            "subscription_id", "contract__offer__service_level"
        )
    }
    said = KeptStatement.objects.filter(transaction_id__in=levels, at__gte=now - WINDOW)
    activations = list(_requests(said.filter(type="activation.acknowledged")))
    answers = _first(said.filter(type="provision.confirmed"), {one.subject: one.subject for one in activations})
    requests = list(_requests(said.filter(type="data.requested")))
    published = _first(said.filter(type="delivery.published"), {f"{one.subject}:1": one.subject for one in requests})
    return (
        Kept("answer", _share(activations, answers, {key: one.answer_within_s for key, one in levels.items()}, now)),
        Kept("delivery", _share(requests, published, {key: one.delivery_within_s for key, one in levels.items()}, now)),
    )


def _requests(said: QuerySet[KeptStatement]) -> Iterator[_Request]:
    newest = said.order_by("-at").values_list("subject", "transaction_id", "at")
    return (_Request(*row) for row in newest[:MOST])


def _first(said: QuerySet[KeptStatement], wanted: dict[str, str]) -> dict[str, datetime]:
    """When each wanted subject was first spoken of, by the name it is wanted under."""
    found: dict[str, datetime] = {}
    for subject, at in said.filter(subject__in=wanted).order_by("-at").values_list("subject", "at"):
        found[wanted[subject]] = at
    return found


def _share(
    requests: Iterable[_Request], done: dict[str, datetime], within_s: dict[str, int], now: datetime
) -> float | None:
    """The share served in time; a request that is not served counts once its time is over."""
    in_time = over = 0
    for one in requests:
        due = one.at + timedelta(seconds=within_s[one.contract])
        served = done.get(one.subject)
        in_time += served is not None and served <= due
        over += served is not None or now > due
    return in_time / over if over else None
