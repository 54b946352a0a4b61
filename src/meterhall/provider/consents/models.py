"""Consents as given, one item a need and point; evidence as brought; the epoch that every end advances."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from meterhall.provider.points.models import Point


class Consent(models.Model):
    """One grant of one holder to one requester; ends as a whole or item by item."""

    consent_id = models.CharField(primary_key=True, max_length=40)
    requester = models.CharField(max_length=12, db_index=True)
    requester_name = models.CharField(max_length=200)
    holder_reference = models.CharField(max_length=80, db_index=True)
    assurance = models.CharField(max_length=20)
    state = models.CharField(max_length=20, default="granted")
    granted_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.consent_id


class ConsentItem(models.Model):
    """A data need for one point. `subscription_id` is empty where the evidence named none."""

    consent = models.ForeignKey(Consent, on_delete=models.CASCADE, related_name="items")
    point = models.ForeignKey(Point, on_delete=models.CASCADE, related_name="consent_items")
    need = models.CharField(max_length=40)
    subscription_id = models.CharField(max_length=40, default="", blank=True)
    scope = models.JSONField()
    purpose = models.CharField(max_length=200)
    access_until = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True)
    expiry_noted = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["consent", "point", "need"], name="one_item_a_need_and_point")
        ]

    def __str__(self) -> str:
        return f"{self.consent_id} {self.need}"


class Evidence(models.Model):
    """Evidence a requester brought, sealed; what it led to. The same JWS is judged anew under another assurance."""

    digest = models.CharField(max_length=80)
    requester = models.CharField(max_length=12)
    assurance = models.CharField(max_length=20)
    sealed = models.BinaryField()
    accepted = models.BooleanField()
    code = models.CharField(max_length=40, default="", blank=True)
    consent = models.ForeignKey(Consent, on_delete=models.CASCADE, null=True)
    taken_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["requester", "digest", "assurance"], name="evidence_judged_once")
        ]


class ConsentEpoch(models.Model):
    """One row: advanced in the transaction of every revocation, compared before every block that leaves."""

    value = models.BigIntegerField(default=0)
