"""What pending work is: an abstract row with a state, a lease and attempts; and when each schedule is due next."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from meterhall.web.logs import correlation


class WorkState(models.TextChoices):
    PENDING = "pending"
    HELD = "held"
    DONE = "done"
    DEAD = "dead"


class PendingWork(models.Model):
    """A row that asks for work. Enqueueing it commits with the business change; a killed worker costs delay only."""

    work_state = models.CharField(max_length=8, choices=WorkState.choices, default=WorkState.PENDING)
    due_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    lost = models.PositiveSmallIntegerField(default=0, help_text="How many workers in a row ended while at it.")
    last_error = models.TextField(default="", blank=True)
    correlation = models.CharField(
        max_length=64, default=correlation, blank=True, help_text="Of the request or job that asked for it."
    )

    class Meta:
        abstract = True
        indexes: ClassVar = [models.Index(fields=["work_state", "due_at"])]


class Schedule(models.Model):
    """When a repeated task is due next."""

    name = models.CharField(primary_key=True, max_length=120)
    due_at = models.DateTimeField()
