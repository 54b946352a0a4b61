"""Deliveries, their versions and parts. The files of the parts are in the home folder."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from meterhall.provider.activations.models import Activation, ActivationItem
from meterhall.provider.consents.models import Consent
from meterhall.provider.points.models import Point
from meterhall.web.work.models import PendingWork


class Delivery(PendingWork):
    """A data request and what became of it. As pending work: its next version has to be built."""

    delivery_id = models.CharField(primary_key=True, max_length=40)
    activation = models.ForeignKey(Activation, on_delete=models.PROTECT, related_name="deliveries")
    requester = models.CharField(max_length=12, db_index=True)
    request = models.JSONField()
    first = models.DateField(help_text="The reading period, for finding what a changed day touches.")
    until = models.DateField()
    state = models.CharField(max_length=12, default="preparing")
    version = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=12, default="requested")
    is_forecast = models.BooleanField(default=False)
    code = models.CharField(max_length=40, default="", blank=True)
    salt = models.CharField(max_length=32)
    lake_cursor = models.CharField(max_length=200, default="", blank=True)
    created_at = models.DateTimeField()

    class Meta(PendingWork.Meta):
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return self.delivery_id


GOING_ON = ("preparing", "published")
"""The states of a delivery that is not over."""


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
    code = models.CharField(max_length=40, default="", blank=True, help_text="Why the requester rejected it.")
    acknowledgement = models.TextField(default="", blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["delivery", "version"], name="one_manifest_a_version")]

    def __str__(self) -> str:
        return f"{self.delivery_id} v{self.version}"


UNPUBLISHED, FORGOTTEN = "unpublished", "forgotten"
NEVER_HAD = (UNPUBLISHED, FORGOTTEN)
"""Why nobody was ever given a part: it is in no version yet, or its attempt came to none and it is being removed."""


class DeliveryPart(models.Model):
    """One immutable file. `replaced_reason` says why it is not to be had: of no version (`NEVER_HAD`); no longer, after
    a correction, a revocation or by retention."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    path = models.CharField(max_length=200)
    document = models.JSONField()
    replaced_reason = models.CharField(max_length=12, default="", blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["delivery", "number"], name="one_part_a_number")]
        ordering: ClassVar = ["number"]

    def __str__(self) -> str:
        return f"{self.delivery_id}/{self.number}"


class PartContent(models.Model):
    """The days of one item that are in a part: what consents and holders are checked for, and what access is logged."""

    part = models.ForeignKey(DeliveryPart, on_delete=models.CASCADE, related_name="contents")
    item = models.ForeignKey(ActivationItem, on_delete=models.PROTECT, related_name="contents")
    first = models.DateField()
    until = models.DateField()

    def __str__(self) -> str:
        return f"{self.part} {self.first}"


class GroupAnswered(models.Model):
    """The members of a group whose sum was given away, to whomever: guards against subtracting two sums."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE)
    first = models.DateField()
    until = models.DateField()
    directions = models.JSONField()
    points = models.JSONField()
    granularity = models.CharField(max_length=8, default="", blank=True)
    withheld = models.BooleanField(default=False, help_text="Slots were kept back: no other granularity may follow.")
    answered_at = models.DateTimeField(
        null=True, help_text="Of a group of our points: the values are those known then."
    )

    class Meta:
        indexes: ClassVar = [models.Index(fields=["first", "until"])]


class FrozenGroup(models.Model):
    """Who is in a group in a month and direction: taken when the month is first asked for or begins, and kept."""

    area = models.CharField(max_length=120, default="", blank=True)
    postal_code = models.CharField(max_length=12, default="", blank=True)
    usage_class = models.CharField(max_length=40, default="", blank=True)
    direction = models.CharField(max_length=10)
    month = models.DateField(help_text="Its first day.")
    points = models.JSONField(help_text="Primary keys, in order.")
    frozen_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["area", "postal_code", "usage_class", "direction", "month"], name="one_group_a_month"
            )
        ]

    def __str__(self) -> str:
        return f"group {self.pk}"


class AccessLog(models.Model):
    """Who had which readings of a point, when, under which permission ((EU) 2023/1162: the customer's access log).

    One row an access and stretch of days; written before the first byte leaves.
    """

    class Kind(models.TextChoices):
        DOWNLOAD = "download"
        PUSH = "push"
        FEED = "feed"
        LIVE = "live"

    at = models.DateTimeField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    requester = models.CharField(max_length=12)
    point = models.ForeignKey(Point, on_delete=models.CASCADE, related_name="accesses")
    consent = models.ForeignKey(Consent, on_delete=models.CASCADE, null=True, related_name="accesses")
    subscription_id = models.CharField(max_length=40)
    first = models.DateField()
    until = models.DateField()
    granularity = models.CharField(max_length=8)
    directions = models.JSONField()
    is_sum = models.BooleanField(default=False, help_text="Counted in a sum; no single value was seen.")
    is_forecast = models.BooleanField(default=False, help_text="A forecast of these days; no reading was seen.")
    delivery = models.ForeignKey(Delivery, on_delete=models.SET_NULL, null=True)
    version = models.PositiveIntegerField(default=0)
    part = models.PositiveIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["consent", "at"]), models.Index(fields=["delivery", "part"])]
        ordering: ClassVar = ["-at", "-pk"]


class PushJob(PendingWork):
    """A published version to be put into the contract's repository."""

    version = models.OneToOneField(DeliveryVersion, on_delete=models.CASCADE, related_name="push")
    through = models.PositiveIntegerField(default=0, help_text="The last part put there; they go in order.")
    pushed_at = models.DateTimeField(null=True)


class Follower(models.Model):
    """One row: how far the lake's changes and the consent epoch have been followed."""

    lake_cursor = models.CharField(max_length=200, default="", blank=True)
    epoch = models.BigIntegerField(default=0)
