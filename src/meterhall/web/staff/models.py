"""Staff keys, kept as digests."""

from __future__ import annotations

from django.db import models


class StaffKey(models.Model):
    """A key of one of our own machines; only its SHA-256 is kept."""

    name = models.CharField(max_length=80, unique=True)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
