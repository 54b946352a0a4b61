"""What the grid operator knows of a metering point. A POD is read here only to match one that was submitted."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Point(models.Model):
    """One metering point. `handle` is what pages and consents name it by; the POD itself is not shown to requesters."""

    handle = models.CharField(max_length=40, unique=True)
    pod = models.CharField(max_length=60, unique=True)
    scheme = models.CharField(max_length=20)
    zone = models.CharField(max_length=60)
    area = models.CharField(max_length=120, default="", blank=True)
    usage_class = models.CharField(max_length=40, default="household")
    is_sandbox = models.BooleanField(default=False)
    holders_epoch = models.BigIntegerField(
        default=0, db_index=True, help_text="The consent epoch at which its holders last changed."
    )

    def __str__(self) -> str:
        return self.handle


class Occupancy(models.Model):
    """Who held a point, in civil days: `first` included, `until` excluded; open-ended while it lasts."""

    point = models.ForeignKey(Point, on_delete=models.CASCADE, related_name="occupancies")
    holder_reference = models.CharField(max_length=80, db_index=True)
    first = models.DateField()
    until = models.DateField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["point", "first"], name="one_move_in_a_day"),
            models.CheckConstraint(condition=Q(until=None) | Q(until__gt=models.F("first")), name="moves_out_after_in"),
        ]
        ordering: ClassVar = ["first"]

    def __str__(self) -> str:
        return f"{self.point} from {self.first}"
