"""The register of series, the ingest runs and what they set aside. Values are in the lake, by the integer id."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from meterhall.domain.readings.granularity import Granularity, parse_granularity
from meterhall.provider.points.models import Point
from meterhall.web.work.models import PendingWork

CIVIL = "P1D or P1M: a value a civil day or month of the point's zone, which rests as a day of one slot; else empty."


class Series(models.Model):
    """One series of a point and direction at one resolution. Of several `serving` says which is told.

    A value is mantissa × 10**scale Wh per slot, or per civil day or month.
    """

    point = models.ForeignKey(Point, on_delete=models.PROTECT, related_name="series")
    direction = models.CharField(max_length=10, default="import")
    resolution_s = models.PositiveIntegerField()
    civil = models.CharField(max_length=3, default="", blank=True, help_text=CIVIL)
    scale = models.SmallIntegerField(default=0)
    first_day = models.DateField(null=True)
    until_day = models.DateField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["point", "direction", "resolution_s", "civil"], name="one_series_a_grain")
        ]

    def __str__(self) -> str:
        return f"series {self.pk}"

    @property
    def grain(self) -> Granularity:
        """How long a slot is."""
        return grain_of(self.resolution_s, self.civil)


def grain_of(resolution_s: int, civil: str) -> Granularity:
    """The granularity that the two columns of a series or a run stand for."""
    return parse_granularity(civil) if civil else Granularity(resolution_s)


TOO_LATE = "Files that came later are in the lake by now; hand this one in again if it is still right."
"""The problem of a run that was laid aside and is tried when its turn is over: nobody can say what it would undo."""


class IngestRun(PendingWork):
    """One file of readings from the meter-data system: kept until it is worked off, in the order it came."""

    file = models.CharField(max_length=200)
    name = models.CharField(max_length=200, default="", blank=True, help_text="What the sender calls the file.")
    digest = models.CharField(max_length=80)
    resolution_s = models.PositiveIntegerField()
    civil = models.CharField(max_length=3, default="", blank=True, help_text=CIVIL)
    profile = models.JSONField(default=dict, blank=True, help_text="How the file is to be read, as it was then.")
    received_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    rows = models.PositiveBigIntegerField(default=0)
    days_written = models.PositiveIntegerField(default=0)
    days_unchanged = models.PositiveIntegerField(default=0)
    quarantined = models.PositiveIntegerField(default=0)
    unlisted = models.PositiveIntegerField(default=0, help_text="Rows set aside beyond the list; the file is kept.")
    opening = models.PositiveIntegerField(default=0, help_text="Readings that open a register and end no slot.")
    problem = models.CharField(max_length=500, default="", blank=True)

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def grain(self) -> Granularity:
        """How long a slot of the file is."""
        return grain_of(self.resolution_s, self.civil)


class Decision(PendingWork):
    """What somebody decided about rows set aside: to let them into the lake, or to keep them out for good."""

    run = models.ForeignKey(IngestRun, on_delete=models.CASCADE, related_name="decisions")
    token = models.CharField(max_length=40, unique=True, help_text="What the lake knows it by.")
    releases = models.BooleanField()
    by = models.CharField(max_length=120)
    at = models.DateTimeField()
    reason = models.CharField(max_length=500, default="", blank=True)

    def __str__(self) -> str:
        return f"decision {self.pk} about run {self.run_id}"


class RowState(models.TextChoices):
    HELD = "held"
    RELEASING = "releasing"
    RELEASED = "released"
    REFUSED = "refused"
    OVERTAKEN = "overtaken"


class QuarantinedRow(models.Model):
    """A row that was set aside, with the rule it breaks and what it said; nothing is dropped silently.

    `row` is its place in the file, from 1 on, a heading not counted.
    `value` is the mantissa in the scale of its `series`; where there is none, `amount` is what the file says.
    """

    run = models.ForeignKey(IngestRun, on_delete=models.CASCADE, related_name="quarantine")
    row = models.PositiveBigIntegerField()
    rule = models.CharField(max_length=40)
    sentence = models.CharField(max_length=200)
    point = models.ForeignKey(Point, on_delete=models.CASCADE, null=True)
    series = models.ForeignKey(Series, on_delete=models.CASCADE, null=True)
    pod = models.CharField(max_length=100, default="", blank=True)
    direction = models.CharField(max_length=20, default="", blank=True)
    start_s = models.BigIntegerField(null=True)
    value = models.BigIntegerField(null=True)
    amount = models.CharField(max_length=40, default="", blank=True)
    quality = models.PositiveSmallIntegerField(null=True)
    text = models.CharField(max_length=200, default="", blank=True)
    state = models.CharField(max_length=10, choices=RowState.choices, default=RowState.HELD)
    decision = models.ForeignKey(Decision, on_delete=models.SET_NULL, null=True, related_name="rows")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["run", "state"], name="rows_of_a_run_by_state")]

    def __str__(self) -> str:
        return f"row {self.row}: {self.rule}"


class Estimation(models.Model):
    """That somebody had missing values of a series estimated: by which method, over which days, how many."""

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="estimations")
    token = models.CharField(max_length=40, unique=True, help_text="What the lake knows it by.")
    method = models.CharField(max_length=20)
    first_day = models.DateField()
    until_day = models.DateField()
    by = models.CharField(max_length=120)
    at = models.DateTimeField()
    missing = models.PositiveIntegerField()
    estimated = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"estimation {self.pk} of series {self.series_id}"
