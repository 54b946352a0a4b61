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
    area = models.CharField(max_length=120, default="", blank=True, help_text="The grid area: EIC or an own code.")
    postal_code = models.CharField(max_length=12, default="", blank=True)
    municipality = models.CharField(max_length=120, default="", blank=True)
    address = models.CharField(max_length=200, default="", blank=True, help_text="For the holder and staff only.")
    usage_class = models.CharField(max_length=40, default="household")
    maximum_power_w = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="What its connection can carry, in W; unknown where null."
    )
    is_sandbox = models.BooleanField(default=False)
    holders_epoch = models.BigIntegerField(
        default=0, db_index=True, help_text="The consent epoch at which its holders last changed."
    )

    class Meta:
        indexes: ClassVar = [models.Index(fields=["area", "usage_class"]), models.Index(fields=["postal_code"])]

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


class Meter(models.Model):
    """The meter that hangs at a point, in civil days: `first` included, `until` excluded; open-ended while it hangs.

    An exchange says which device measured; whose the readings are only `Occupancy` says.
    """

    point = models.ForeignKey(Point, on_delete=models.CASCADE, related_name="meters")
    number = models.CharField(max_length=40)
    first = models.DateField()
    until = models.DateField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["point", "first"], name="one_exchange_a_day"),
            models.CheckConstraint(condition=Q(until=None) | Q(until__gt=models.F("first")), name="removed_after_hung"),
        ]
        ordering: ClassVar = ["first"]

    def __str__(self) -> str:
        return f"{self.point} meter from {self.first}"
