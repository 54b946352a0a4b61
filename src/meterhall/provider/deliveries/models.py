"""Deliveries, their versions and parts. The files of the parts are in the home folder."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.web.work.models import PendingWork


class Delivery(PendingWork):
    """A data request and what became of it. As pending work: its next version has to be built."""

    delivery_id = models.CharField(primary_key=True, max_length=40)
    activation = models.ForeignKey(Activation, on_delete=models.PROTECT, related_name="deliveries")
    requester = models.CharField(max_length=12, db_index=True)
    request = models.JSONField()
    state = models.CharField(max_length=12, default="preparing")
    version = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=12, default="requested")
    code = models.CharField(max_length=40, default="", blank=True)
    salt = models.CharField(max_length=32)
    lake_cursor = models.CharField(max_length=200, default="", blank=True)
    created_at = models.DateTimeField()

    class Meta(PendingWork.Meta):
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return self.delivery_id


class DeliveryVersion(models.Model):
    """A published manifest and the receipt for it."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    manifest = models.JSONField()
    digest = models.CharField(max_length=80)
    jws = models.TextField()
    published_at = models.DateTimeField()
    receipt = models.TextField(default="", blank=True)
    outcome = models.CharField(max_length=12, default="", blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["delivery", "version"], name="one_manifest_a_version")]

    def __str__(self) -> str:
        return f"{self.delivery_id} v{self.version}"  # type: ignore[attr-defined]


class DeliveryPart(models.Model):
    """One immutable file. `replaced_reason` says why it is no longer in the newest manifest."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    path = models.CharField(max_length=200)
    document = models.JSONField()
    items = models.ManyToManyField(ActivationItem, related_name="parts")
    replaced_reason = models.CharField(max_length=12, default="", blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["delivery", "number"], name="one_part_a_number")]
        ordering: ClassVar = ["number"]

    def __str__(self) -> str:
        return f"{self.delivery_id}/{self.number}"  # type: ignore[attr-defined]


class GroupAnswered(models.Model):
    """The members of a group whose sum a requester has had: guards against subtracting two sums."""

    requester = models.CharField(max_length=12, db_index=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE)
    points = models.JSONField()


class PushJob(PendingWork):
    """A published version to be put into the contract's repository."""

    version = models.OneToOneField(DeliveryVersion, on_delete=models.CASCADE, related_name="push")
    pushed_at = models.DateTimeField(null=True)


class Follower(models.Model):
    """One row: how far the lake's changes and the consent epoch have been followed."""

    lake_cursor = models.CharField(max_length=200, default="", blank=True)
    epoch = models.BigIntegerField(default=0)
