"""Subscriptions as the Market Place keeps them, seen from our side."""

from __future__ import annotations

from django.db import models


class Subscription(models.Model):
    """A subscription of ours; `document` is the SubscriptionView."""

    subscription_id = models.CharField(primary_key=True, max_length=40)
    provider = models.CharField(max_length=12)
    provider_name = models.CharField(max_length=200)
    offer_id = models.CharField(max_length=40)
    state = models.CharField(max_length=20)
    document = models.JSONField()
    digest = models.CharField(max_length=80)
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.provider_name} {self.subscription_id}"


class WishKept(models.Model):
    """A wish of ours and what fits it."""

    wish_id = models.CharField(primary_key=True, max_length=40)
    document = models.JSONField()
    updated_at = models.DateTimeField()
