"""What is stored of the catalogue: offers in versions that never change, what they are searched by, and wishes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from meterhall.web.work.models import PendingWork


class Offer(models.Model):
    """An offer of a provider; what it says is in its versions."""

    offer_id = models.CharField(max_length=40, unique=True)
    provider = models.CharField(max_length=12, db_index=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.offer_id


class OfferVersion(models.Model):
    """One version: `document` is the Offer, the other columns are what it is found by."""

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="versions")
    version = models.PositiveIntegerField()
    status = models.CharField(max_length=12, default="draft", db_index=True)
    document = models.JSONField()
    digest = models.CharField(max_length=80)
    words = models.TextField()
    service_type = models.CharField(max_length=40)
    kind = models.CharField(max_length=20)
    price = models.DecimalField(max_digits=18, decimal_places=6)
    price_per = models.CharField(max_length=20)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["offer", "version"], name="one_of_a_version")]


class Trait(models.Model):
    """One value of a member with several: a country, granularity, format or way of transmission."""

    version = models.ForeignKey(OfferVersion, on_delete=models.CASCADE, related_name="traits")
    name = models.CharField(max_length=20)
    value = models.CharField(max_length=20)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["name", "value"])]


class Announcement(PendingWork):
    """A version was published: wishes are to be matched and subscribers of older versions told."""

    version = models.OneToOneField(OfferVersion, on_delete=models.CASCADE)


class Wish(models.Model):
    """What a requester needs; `document` is the Wish."""

    wish_id = models.CharField(max_length=40, unique=True)
    requester = models.CharField(max_length=12, db_index=True)
    status = models.CharField(max_length=12, default="open", db_index=True)
    document = models.JSONField()
    created_at = models.DateTimeField()
    until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.wish_id


class Match(models.Model):
    """How an offer version fits a wish; `reasons` are empty where it does."""

    wish = models.ForeignKey(Wish, on_delete=models.CASCADE, related_name="matches")
    version = models.ForeignKey(OfferVersion, on_delete=models.CASCADE, related_name="matches")
    fits = models.BooleanField()
    reasons = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["wish", "version"], name="matched_once_a_version")]
