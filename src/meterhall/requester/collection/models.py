"""Deliveries as they reach us, what we asked for, and the register of the series we hold.

Values in equal slots are in the lake, those of civil days, weeks and months here.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from meterhall.requester.activations.models import Activation
from meterhall.web.work.models import PendingWork


class DataAsked(PendingWork):
    """A data request of ours. As pending work: it has to be sent to the provider."""

    activation = models.ForeignKey(Activation, on_delete=models.PROTECT, related_name="data_requests")
    request = models.JSONField()
    state = models.CharField(max_length=10, default="sending")
    delivery_id = models.CharField(max_length=40, default="", blank=True, db_index=True)
    code = models.CharField(max_length=60, default="", blank=True)
    detail = models.CharField(max_length=300, default="", blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"data request {self.pk}"


class Delivery(PendingWork):
    """A delivery announced or pushed to us. As pending work: its newest version has to be collected and receipted."""

    provider = models.CharField(max_length=12)
    delivery_id = models.CharField(max_length=40)
    activation = models.ForeignKey(Activation, on_delete=models.PROTECT, null=True, related_name="deliveries")
    version = models.PositiveIntegerField(default=0, help_text="The newest version heard of.")
    state = models.CharField(max_length=12, default="announced")
    code = models.CharField(max_length=60, default="", blank=True)
    detail = models.CharField(max_length=300, default="", blank=True)
    transmission = models.CharField(max_length=4, default="pull")
    announced_at = models.DateTimeField()

    class Meta(PendingWork.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "delivery_id"], name="one_collected_delivery")
        ]
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return self.delivery_id

    @property
    def match(self) -> str:
        """Whether both sides' statements on the newest version collected say the same; empty until they met."""
        newest = self.versions.last()
        return newest.match if newest else ""


class Version(models.Model):
    """A manifest of a delivery and what we answered to it; `receipt` is our signed answer, kept until it is taken."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    manifest = models.JSONField()
    digest = models.CharField(max_length=80)
    jws = models.TextField()
    fetched_at = models.DateTimeField()
    outcome = models.CharField(max_length=10, default="", blank=True)
    receipt = models.TextField(default="", blank=True)
    settled_at = models.DateTimeField(null=True)
    receipted_at = models.DateTimeField(null=True)
    match = models.CharField(
        max_length=10, default="", blank=True, help_text="Whether both sides' statements say the same."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["delivery", "version"], name="one_collected_manifest_a_version")
        ]
        ordering: ClassVar = ["version"]

    def __str__(self) -> str:
        return f"{self.delivery} v{self.version}"


class Part(models.Model):
    """One file of a delivery: on disk until its readings are in the lake, a digest afterwards."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=80)
    size_bytes = models.PositiveBigIntegerField()
    state = models.CharField(max_length=10, default="awaited")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["delivery", "number"], name="one_collected_part")]
        ordering: ClassVar = ["number"]

    def __str__(self) -> str:
        return f"{self.delivery}/{self.number}"


class Series(models.Model):
    """One series we hold: what a provider delivers under a pseudonym, or for a group, in one granularity; forecasts
    apart from readings.

    A value is mantissa × 10**scale Wh per slot. `withdrawn_at`: consent was revoked; nothing of it is kept or taken in.
    """

    provider = models.CharField(max_length=12)
    pseudonym = models.CharField(max_length=36, db_index=True)
    direction = models.CharField(max_length=10, default="import")
    granularity = models.CharField(max_length=12, help_text="ISO 8601: of equal slots, or P1D, P7D, P1M.")
    scale = models.SmallIntegerField(default=0)
    group_size = models.PositiveIntegerField(null=True, help_text="For an aggregate: how many PODs it stands for.")
    measure = models.CharField(max_length=8, default="", blank=True, help_text="Of a group: sum, mean, p50, …")
    group_name = models.CharField(max_length=200, default="", blank=True, help_text="What the group is of.")
    is_forecast = models.BooleanField(default=False, help_text="What was expected of days to come, not readings.")
    first_day = models.DateField(null=True)
    until_day = models.DateField(null=True)
    received_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider", "pseudonym", "direction", "granularity", "is_forecast"], name="one_collected_series"
            )
        ]
        verbose_name_plural = "series"

    def __str__(self) -> str:
        return f"series {self.pk}"


class CivilValue(models.Model):
    """One version of the value of a civil day, week or month: the lake holds equal slots only. Instants are
    seconds since 1970 UTC."""

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="civil_values")
    start_s = models.BigIntegerField()
    end_s = models.BigIntegerField()
    version = models.PositiveIntegerField(default=1)
    mantissa = models.BigIntegerField()
    quality = models.PositiveSmallIntegerField()
    known_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["series", "start_s", "version"], name="one_civil_value_a_version")
        ]
        ordering: ClassVar = ["start_s", "version"]


class Withdrawal(PendingWork):
    """A consent that ended. As pending work: what was collected under it has to be erased, and that has to be said."""

    provider = models.CharField(max_length=12)
    consent_id = models.CharField(max_length=40, db_index=True)
    state = models.CharField(max_length=20)
    heard_at = models.DateTimeField()
    erased = models.PositiveIntegerField(null=True, help_text="Series erased; null until it is done.")

    def __str__(self) -> str:
        return f"withdrawal {self.pk}"
