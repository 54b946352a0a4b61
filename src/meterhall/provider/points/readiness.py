"""Which metering points have to be there before a provider goes live."""

from __future__ import annotations

from meterhall.provider.points.models import Point
from meterhall.web.check import ToDo, before_live


@before_live("metering points")
def points() -> str:
    """Real ones."""
    number = Point.objects.filter(is_sandbox=False).count()
    if not number:
        raise ToDo("hand in metering points with their holders: meterhall provider points import FILE.csv")
    unheld = Point.objects.filter(is_sandbox=False, occupancies=None).count()
    return f"{number}" + (f", of which {unheld} without a holder: nobody can consent for them" if unheld else "")


@before_live("sandbox")
def sandbox() -> str:
    """Fictitious ones, with readings: the certification and requesters' tests need them."""
    number = Point.objects.filter(is_sandbox=True, series__first_day__isnull=False).distinct().count()
    if not number:
        raise ToDo("hand in a sandbox point of a reserved POD range and readings of it, for the certification")
    return f"{number} fictitious points with readings"
