"""Customers and their points of delivery, as the requester's own records have them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class CustomerPoint(models.Model):
    """A POD from a customer's bill, and who holds it. `reference` is the requester's own name of the customer."""

    reference = models.CharField(max_length=80, db_index=True)
    pod = models.CharField(max_length=60)
    country = models.CharField(max_length=2, default="", blank=True)
    scheme = models.CharField(max_length=20, default="", blank=True)
    provider = models.CharField(max_length=12, default="", blank=True)
    operator = models.CharField(max_length=200, default="", blank=True)
    state = models.CharField(max_length=12, default="new")
    code = models.CharField(max_length=40, default="", blank=True)
    detail = models.CharField(max_length=300, default="", blank=True)
    answer = models.JSONField(null=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["reference", "pod"], name="one_pod_a_customer")]
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"point {self.pk}"
