"""What a player keeps of its membership."""

from __future__ import annotations

from django.db import models


class Standing(models.Model):
    """One row: what was declared at enrolment and what the Market Place last said of us."""

    enrolment = models.JSONField()
    idempotency_key = models.CharField(max_length=80)
    membership = models.JSONField(null=True)
    signature = models.JSONField(null=True, help_text="Our and the Market Place's signature of the general contract.")
    checked_at = models.DateTimeField(null=True)


class HeldAttestation(models.Model):
    """The Market Place's word for us to one audience."""

    audience = models.CharField(primary_key=True, max_length=12)
    jws = models.TextField()
    expires_at = models.DateTimeField()
    fetched_at = models.DateTimeField()


class SeenCheckpoint(models.Model):
    """One row: the largest consistent tree of the Market Place's log we have seen, and the key we trust it by."""

    log_key = models.CharField(max_length=400)
    size = models.PositiveBigIntegerField()
    note = models.TextField()
    cosigned = models.BooleanField(default=False)
    seen_at = models.DateTimeField()


class LogFinding(models.Model):
    """Proof that the Market Place's log was rewritten or is shown differently to different players."""

    kind = models.CharField(max_length=20)
    detail = models.TextField()
    before = models.TextField(help_text="The checkpoint seen before.")
    now = models.TextField(help_text="The checkpoint that does not go on from it.")
    found_at = models.DateTimeField()
