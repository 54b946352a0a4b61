"""What is stored of messages: who we are, whom we know, what goes out, what came in."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from meterhall.web.work.models import PendingWork


class Identity(models.Model):
    """This platform's own access number; one row once it is known."""

    access_number = models.CharField(primary_key=True, max_length=12)


class Peer(models.Model):
    """Another party as last vouched for: its keys and where it is reached."""

    access_number = models.CharField(primary_key=True, max_length=12)
    name = models.CharField(max_length=200)
    document = models.JSONField(help_text="PlayerView, or Discovery for the Market Place.")
    b2b_url = models.CharField(max_length=500)
    inbox_url = models.CharField(max_length=500, default="", blank=True)
    transport_keys = models.JSONField(default=list)
    contract_keys = models.JSONField(default=list)
    status = models.CharField(max_length=12, default="admitted")
    vouched_until = models.DateTimeField(null=True)
    is_marketplace = models.BooleanField(default=False)


class Outbox(PendingWork):
    """A message to another platform: written with the change that causes it, sent by the worker, kept with its receipt.

    An event to a party without an inbox is `held` until that party acknowledges it from the feed.
    """

    class Kind(models.TextChoices):
        EVENT = "event"
        STATEMENT = "statement"

    id = models.CharField(primary_key=True, max_length=40)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    recipient = models.CharField(max_length=12)
    type = models.CharField(max_length=60)
    subject = models.CharField(max_length=80, default="", blank=True)
    transaction_id = models.CharField(max_length=60, default="", blank=True, db_index=True)
    body = models.TextField()
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    receipt = models.JSONField(null=True)

    class Meta(PendingWork.Meta):
        indexes: ClassVar = [*PendingWork.Meta.indexes, models.Index(fields=["recipient", "work_state", "created_at"])]


class Inbox(PendingWork):
    """An event that arrived, kept once by its id, worked on by the handler of its type."""

    id = models.CharField(primary_key=True, max_length=40)
    sender = models.CharField(max_length=12)
    type = models.CharField(max_length=60)
    body = models.TextField()
    received_at = models.DateTimeField()


class IdempotencyRecord(models.Model):
    """The answer given to a command, for the next time the same caller sends the same key."""

    caller = models.CharField(max_length=80)
    key = models.CharField(max_length=80)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    response = models.TextField(default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["caller", "key"], name="one_answer_a_key")]
