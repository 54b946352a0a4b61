"""How long the files of a delivery are kept. Manifests, receipts and the access log stay.

A delivery is over first, so that nobody gets a file any more; then its files go. Whoever dies in between leaves a
folder of a delivery that is over, and by that it is found: only deliveries that go on have a folder for long.
"""

from __future__ import annotations

import shutil
from datetime import timedelta

from django.db import transaction
from django.db.models import Max, Q

from meterhall.provider.deliveries.build import sweep
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.models import GOING_ON, Delivery
from meterhall.provider.deliveries.service import live_parts
from meterhall.web.platform import platform
from meterhall.web.sets import pieces


def expire_files() -> int:
    """Remove the files of deliveries whose newest version is older than the setting `delivery_days`; how many."""
    before = platform().now() - timedelta(days=platform().config.delivery_days)
    published = Delivery.objects.filter(state="published")
    old = list(published.annotate(newest=Max("versions__published_at")).filter(newest__lt=before))
    for delivery in old:
        close(delivery, "expired", "retention")
    return len(old)


def close(delivery: Delivery, state: str, reason: str) -> None:
    """Nothing follows in a published delivery: it gets this state, its parts this reason, and its files go."""
    with transaction.atomic():
        Delivery.objects.filter(pk=delivery.pk).update(state=state)
        live_parts(delivery).update(replaced_reason=reason)
    sweep(delivery)


def sweep_over() -> None:
    """Remove what is left on disk of deliveries that are over, and of those the database does not know.

    The folders are looked through, not the deliveries, which grow without end.
    """
    place = folder()
    for some in pieces(sorted(one.name for one in place.iterdir()) if place.is_dir() else []):
        there = Delivery.objects.filter(pk__in=some)
        known = set(there.values_list("pk", flat=True))
        for delivery in there.filter(~Q(state__in=GOING_ON) | Q(activation__state="ended")):
            sweep(delivery)
        for name in set(some) - known:
            shutil.rmtree(place / name, ignore_errors=True)
