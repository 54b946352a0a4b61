"""Figures of the transparency log: how long it is, how much of it the newest checkpoint covers, who cosigned that."""

from __future__ import annotations

from meterhall.marketplace.ledger.models import LogHead, Match, PublishedCheckpoint
from meterhall.web.metrics import at_scrape, gauge

ENTRIES = gauge("meterhall_log_entries", "Entries of the transparency log.")
PUBLISHED = gauge("meterhall_log_published_entries", "Entries under the newest signed checkpoint.")
WITNESSES = gauge("meterhall_log_witnesses", "Players who cosigned the newest checkpoint.")
MISMATCHES = gauge("meterhall_log_mismatches", "Pairs of statements on a delivery that did not say the same.")


@at_scrape
def log() -> None:
    newest = PublishedCheckpoint.objects.order_by("-size").first()
    ENTRIES.set(LogHead.objects.values_list("size", flat=True).first() or 0)
    PUBLISHED.set(newest.size if newest else 0)
    WITNESSES.set(newest.cosignatures.count() if newest else 0)
    MISMATCHES.set(Match.objects.filter(matched=False).count())
