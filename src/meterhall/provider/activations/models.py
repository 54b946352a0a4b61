"""Activations and the answer for each of their PODs."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from meterhall.provider.consents.models import ConsentItem
from meterhall.provider.points.models import Point
from meterhall.web.work.models import PendingWork


class Activation(PendingWork):
    """A list of PODs under a subscription. As pending work: it has items to be answered."""

    activation_id = models.CharField(primary_key=True, max_length=40)
    requester = models.CharField(max_length=12, db_index=True)
    subscription_id = models.CharField(max_length=40, db_index=True)
    scope = models.JSONField()
    schedule = models.JSONField(null=True)
    state = models.CharField(max_length=20, default="requested")
    is_sandbox = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    delivered_until = models.DateField(null=True, help_text="For a schedule: the last day delivered, excluded.")

    def __str__(self) -> str:
        return self.activation_id


class ActivationItem(models.Model):
    """One POD as submitted, and what became of it. `first` and `until` enclose the `stretches` that may be had."""

    activation = models.ForeignKey(Activation, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    pod = models.CharField(max_length=200)
    key = models.CharField(
        max_length=60, default="", blank=True, db_index=True, help_text="The POD as its scheme writes it; empty: none."
    )
    proof = models.CharField(max_length=120)
    state = models.CharField(max_length=10, default="pending")
    code = models.CharField(max_length=40, default="", blank=True)
    detail = models.CharField(max_length=200, default="", blank=True)
    point = models.ForeignKey(Point, on_delete=models.PROTECT, null=True)
    consent_item = models.ForeignKey(ConsentItem, on_delete=models.PROTECT, null=True)
    pseudonym = models.CharField(max_length=36, default="", blank=True, db_index=True)
    first = models.DateField(null=True)
    until = models.DateField(null=True)
    stretches = models.JSONField(default=list, help_text="Pairs of days; more than one when the holder came back.")
    access_until = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["activation", "position"], name="one_item_a_position")]
        indexes: ClassVar = [models.Index(fields=["state", "activation"])]
        ordering: ClassVar = ["position"]

    def __str__(self) -> str:
        return f"{self.activation_id}[{self.position}]"
