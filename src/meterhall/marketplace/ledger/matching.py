"""Letting the two sides' statements about one delivery meet: each pair once, whichever comes first."""

from __future__ import annotations

import re

import structlog
from django.db.models import Q, QuerySet

from meterhall.domain.protocol.events import DeliveryMatched
from meterhall.domain.protocol.statements import MATCHES
from meterhall.marketplace.ledger.models import KeptStatement, Match
from meterhall.web.messaging.service import notify
from meterhall.web.platform import platform

log = structlog.get_logger(__name__)
COMMITMENT = "manifest"
SUBJECT = re.compile(r"dlv_[0-9a-f]{24}:[1-9][0-9]{0,8}", re.ASCII)
"""What such a statement is about: a delivery and the version of its manifest."""

OTHER_SIDE = MATCHES | {received: sent for sent, received in MATCHES.items()}


def meet(kept: KeptStatement) -> Match | None:
    """Find the other side's statement of the same version under the same contract; tell both how they compare.

    Runs in the transaction that appends, under the log's lock, so that of two that arrive together the second sees
    the first.
    """
    other = OTHER_SIDE.get(kept.type)
    if other is None:
        return None
    there = _counterparts(kept, other).order_by("entry_id").first()
    if there is None:
        return None
    sent, received = (kept, there) if kept.type in MATCHES else (there, kept)
    matched = _said(sent) == _said(received)
    met = Match.objects.create(sent=sent, received=received, matched=matched, at=platform().now())
    _tell(met)
    return met


def _said(kept: KeptStatement) -> tuple[object, ...]:
    """What both sides have to say alike of a version: the manifest, how many parts it has, how many readings."""
    counts = kept.document.get("counts", {})
    return kept.document["commitments"][COMMITMENT], counts.get("parts"), counts.get("readings")


def _counterparts(kept: KeptStatement, other: str) -> QuerySet[KeptStatement]:
    first, second = kept.first_party, kept.second_party
    parties = Q(first_party=first, second_party=second) | Q(first_party=second, second_party=first)
    fitting = KeptStatement.objects.filter(
        parties, type=other, subject=kept.subject, transaction_id=kept.transaction_id
    ).exclude(by=kept.by)
    return fitting.filter(met_as_sent=None, met_as_received=None)


def _tell(met: Match) -> None:
    delivery_id, _, version = met.sent.subject.partition(":")
    kind = "delivery.matched" if met.matched else "delivery.mismatched"
    if not met.matched:
        log.warning("ledger.mismatch", delivery=delivery_id, sent=met.sent.statement_id, received=met.received.pk)
    told = DeliveryMatched(delivery_id=delivery_id, version=int(version), matched=met.matched)
    for party in (met.sent.by, met.received.by):
        notify(party, kind, delivery_id, told)
