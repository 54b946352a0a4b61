"""Which readings have to be there before a provider goes live, and what calculates on them."""

from __future__ import annotations

from meterhall.lake import EngineUnavailable
from meterhall.provider.metering.completeness import completeness
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake
from meterhall.web.check import ToDo, before_live


@before_live("engine")
def engine() -> str:
    """Which one calculates; it answers and sees the table."""
    try:
        return lake().look()
    except EngineUnavailable as refusal:
        raise EngineUnavailable(f"{refusal.detail} {refusal.reason}") from refusal


@before_live("readings")
def readings() -> str:
    """Some of real points; how complete yesterday is."""
    real = Series.objects.filter(point__is_sandbox=False).exclude(first_day=None)
    newest = real.order_by("-until_day").values_list("until_day", flat=True).first()
    if newest is None:
        raise ToDo("hand in readings: meterhall provider ingest FILE --resolution PT15M")
    day = completeness(1)[0]
    return f"{real.count()} series, the newest until {newest}; of {day.day} {day.complete} of {day.series} are complete"
