"""What is stored of players: what they declared, their keys with their history, and each decision about them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Numbering(models.Model):
    """The next access number to give out; its row is locked by whoever takes one."""

    name = models.CharField(primary_key=True, max_length=20)
    following = models.PositiveIntegerField()


NO_MEMBER = Q(status__in=("applied", "refused", "left"))
"""Who applied, was turned down or left: several may name one legal id, until one of them is admitted."""


class Player(models.Model):
    """An organisation that takes part or applied to; `enrolment` is what it declared and signed."""

    access_number = models.CharField(primary_key=True, max_length=12)
    organisation = models.CharField(max_length=200)
    country = models.CharField(max_length=2)
    legal_id_kind = models.CharField(max_length=4)
    legal_id = models.CharField(max_length=40)
    is_provider = models.BooleanField()
    is_requester = models.BooleanField()
    status = models.CharField(max_length=12, default="applied", db_index=True)
    reason = models.TextField(default="", blank=True)
    enrolment = models.JSONField()
    enrolment_jws = models.TextField()
    endpoints = models.JSONField(default=dict, blank=True, help_text="Declared since; empty: those of the enrolment.")
    applied_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["legal_id_kind", "legal_id"], condition=~NO_MEMBER, name="one_member_a_legal_id"
            )
        ]

    def __str__(self) -> str:
        return f"{self.access_number} {self.organisation}"


class PlayerKey(models.Model):
    """A public key a player uses or used. A key belongs to one player and one use for good; a retired one stays so."""

    class Use(models.TextChoices):
        TRANSPORT = "transport"
        CONTRACT = "contract"

    kid = models.CharField(primary_key=True, max_length=60)
    player = models.ForeignKey(Player, on_delete=models.PROTECT, related_name="keys")
    use = models.CharField(max_length=10, choices=Use.choices)
    jwk = models.JSONField()
    added_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)


class Decision(models.Model):
    """Who decided what about a player, when and why."""

    player = models.ForeignKey(Player, on_delete=models.PROTECT, related_name="decisions")
    command = models.CharField(max_length=12)
    by = models.CharField(max_length=200)
    reason = models.TextField(default="", blank=True)
    at = models.DateTimeField()
