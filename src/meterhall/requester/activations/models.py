"""Activations as we asked for them, the consent requests behind them, and what was answered."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from meterhall.requester.partners.models import Subscription
from meterhall.web.work.models import PendingWork


class Activation(PendingWork):
    """A list of PODs to be activated. As pending work: it has to be sent, or its answers have to be fetched."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT)
    scope = models.JSONField()
    schedule = models.JSONField(null=True)
    remote_id = models.CharField(max_length=40, default="", blank=True, db_index=True)
    state = models.CharField(max_length=12, default="sending")
    code = models.CharField(max_length=60, default="", blank=True)
    detail = models.CharField(max_length=300, default="", blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.remote_id or f"activation {self.pk}"


class Refreshing(PendingWork):
    """PODs to be added to and removed from an activation that was sent. As pending work: it has to be sent."""

    activation = models.ForeignKey(Activation, on_delete=models.CASCADE, related_name="refreshes")
    remove = models.JSONField(default=list)
    state = models.CharField(max_length=10, default="sending")
    code = models.CharField(max_length=60, default="", blank=True)
    detail = models.CharField(max_length=300, default="", blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"refresh {self.pk}"


class ActivationItem(models.Model):
    """One POD with its proof. `evidence` is the sealed JWS to be brought first; `proof` what the activation says.

    `place` is where the item stands in the provider's list of answers; none before it was sent.
    """

    activation = models.ForeignKey(Activation, on_delete=models.CASCADE, related_name="items")
    refreshing = models.ForeignKey(Refreshing, on_delete=models.CASCADE, null=True, related_name="items")
    position = models.PositiveIntegerField()
    place = models.PositiveIntegerField(null=True)
    pod = models.CharField(max_length=200)
    assurance = models.CharField(max_length=20, default="", blank=True)
    evidence = models.BinaryField(null=True)
    proof = models.CharField(max_length=120, default="", blank=True)
    state = models.CharField(max_length=10, default="pending")
    code = models.CharField(max_length=40, default="", blank=True)
    detail = models.CharField(max_length=300, default="", blank=True)
    pseudonym = models.CharField(max_length=36, default="", blank=True, db_index=True)
    consent_id = models.CharField(max_length=40, default="", blank=True, db_index=True)
    answer = models.JSONField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["activation", "position"], name="one_asked_item_a_position")
        ]
        ordering: ClassVar = ["position"]

    def __str__(self) -> str:
        return f"item {self.pk}"


class ConsentRequest(models.Model):
    """A customer sent to the provider's page; secrets of the exchange are sealed."""

    token = models.CharField(max_length=64, unique=True)
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT)
    reference = models.CharField(max_length=80)
    details = models.JSONField()
    state = models.CharField(max_length=12, default="open")
    oauth_state = models.CharField(max_length=64, unique=True)
    verifier = models.BinaryField()
    consent_id = models.CharField(max_length=40, default="", blank=True)
    granted = models.JSONField(null=True)
    error = models.CharField(max_length=60, default="", blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"consent request {self.pk}"


class ConsentKnown(models.Model):
    """A consent as its provider last told us."""

    consent_id = models.CharField(primary_key=True, max_length=40)
    provider = models.CharField(max_length=12)
    state = models.CharField(max_length=20)
    at = models.DateTimeField()
