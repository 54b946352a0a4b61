"""How long the files of a delivery are kept. Manifests, receipts and the access log stay."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Max

from meterhall.provider.deliveries.build import sweep
from meterhall.provider.deliveries.models import Delivery, DeliveryPart
from meterhall.web.platform import platform


def expire_files() -> int:
    """Remove the files of deliveries whose newest version is older than the setting `delivery_days`; how many."""
    before = platform().now() - timedelta(days=platform().config.delivery_days)
    published = Delivery.objects.filter(state="published")
    old = list(published.annotate(newest=Max("versions__published_at")).filter(newest__lt=before))
    for delivery in old:
        with transaction.atomic():
            Delivery.objects.filter(pk=delivery.pk).update(state="expired")
            DeliveryPart.objects.filter(delivery=delivery, replaced_reason="").update(replaced_reason="retention")
        sweep(delivery)
    return len(old)
