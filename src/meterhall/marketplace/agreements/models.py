"""What is stored of agreements: contracts as canonical documents, and the signatures over their digests."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class GeneralTerms(models.Model):
    """One version of the general contract; the highest is in force."""

    version = models.PositiveIntegerField(primary_key=True)
    document = models.JSONField()
    digest = models.CharField(max_length=80, unique=True)
    issued_at = models.DateTimeField()


class GeneralSignature(models.Model):
    """A player's signature of a version of the general contract, countersigned."""

    player = models.CharField(max_length=12, db_index=True)
    version = models.PositiveIntegerField()
    jws = models.TextField()
    countersignature = models.TextField()
    signed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["player", "version"], name="signed_once_a_version")]


class Acceptance(models.Model):
    """A provider's standing acceptance; `digest` is that of its JWS, which single signatures quote."""

    digest = models.CharField(primary_key=True, max_length=80)
    provider = models.CharField(max_length=12, db_index=True)
    document = models.JSONField()
    jws = models.TextField()
    countersignature = models.TextField()
    until = models.DateTimeField()


class Subscription(models.Model):
    """A service contract with its signatures; `contract` is the canonical ServiceContract."""

    subscription_id = models.CharField(max_length=40, unique=True)
    requester = models.CharField(max_length=12, db_index=True)
    provider = models.CharField(max_length=12, db_index=True)
    offer_id = models.CharField(max_length=40, db_index=True)
    offer_version = models.PositiveIntegerField()
    state = models.CharField(max_length=20, default="drafted", db_index=True)
    contract = models.JSONField()
    digest = models.CharField(max_length=80)
    signatures = models.JSONField(default=dict)
    acceptance = models.ForeignKey(Acceptance, null=True, on_delete=models.PROTECT, related_name="subscriptions")
    drafted_at = models.DateTimeField()
    access_until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end_jws = models.TextField(default="", blank=True, help_text="The requester's signed Quit.")
    reason = models.TextField(default="", blank=True)

    def __str__(self) -> str:
        return self.subscription_id
