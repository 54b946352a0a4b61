"""Certifications as requested, run and kept: results and digests, never a reading."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from meterhall.web.work.models import PendingWork


class Certification(PendingWork):
    """One request and its run. `sealed_profile` holds the sandbox PODs encrypted, and only until the run is over."""

    certification_id = models.CharField(primary_key=True, max_length=40)
    provider = models.CharField(max_length=12)
    status = models.CharField(max_length=10, default="pending")
    sealed_profile = models.BinaryField(null=True)
    announcement = models.CharField(max_length=40, default="", blank=True, help_text="Id of certification.started.")
    requested_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    valid_until = models.DateTimeField(null=True)
    checks = models.JSONField(default=list)

    class Meta(PendingWork.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider"], condition=Q(status__in=("pending", "running")), name="one_run_a_provider"
            )
        ]
        indexes: ClassVar = [*PendingWork.Meta.indexes, models.Index(fields=["provider", "status", "valid_until"])]

    def __str__(self) -> str:
        return self.certification_id
