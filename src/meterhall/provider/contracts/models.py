"""Contracts as the Market Place countersigned them."""

from __future__ import annotations

from django.db import models

from meterhall.web.work.models import PendingWork


class Contract(models.Model):
    """A subscription to one of our offers; `document` is the SubscriptionView."""

    subscription_id = models.CharField(primary_key=True, max_length=40)
    requester = models.CharField(max_length=12, db_index=True)
    requester_name = models.CharField(max_length=200)
    state = models.CharField(max_length=20)
    document = models.JSONField()
    digest = models.CharField(max_length=80)
    access_from = models.DateTimeField()
    access_until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    signed_at = models.DateTimeField(null=True, help_text="When we signed; the countersignature follows.")
    signed_under = models.CharField(max_length=80, default="", blank=True, help_text="Digest of a standing acceptance.")

    def __str__(self) -> str:
        return self.subscription_id


class StandingAcceptanceHeld(models.Model):
    """Our own standing acceptance: its JWS, quoted by digest in each signature under it."""

    digest = models.CharField(primary_key=True, max_length=80)
    document = models.JSONField()
    jws = models.TextField()
    registered = models.BooleanField(default=False)


class SigningJob(PendingWork):
    """A contract to be signed under a standing acceptance."""

    subscription_id = models.CharField(max_length=40, unique=True)


class SandboxAccess(models.Model):
    """A certifier let in for one conformance run, for sandbox PODs only."""

    access_number = models.CharField(max_length=12)
    certification_id = models.CharField(primary_key=True, max_length=40)
    until = models.DateTimeField()
