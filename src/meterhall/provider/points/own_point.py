"""What is kept of a metering point, for its holder to take along: the place, the own stays, the meters of then."""

from __future__ import annotations

from datetime import date

from meterhall.provider.points.holders import FOREVER
from meterhall.provider.points.models import Meter, Occupancy, Point


def own_point(point: Point, holder_reference: str) -> dict[str, object]:
    """As members of JSON. Of other holders, and of meters that hung in their days only, nothing is said."""
    stays = list(point.occupancies.filter(holder_reference=holder_reference))
    return {
        "pod": point.pod,
        "scheme": point.scheme,
        "zone": point.zone,
        "area": point.area,
        "postal_code": point.postal_code,
        "municipality": point.municipality,
        "address": point.address,
        "usage_class": point.usage_class,
        "maximum_power_w": point.maximum_power_w,
        "stays": [_days(one.first, one.until) for one in stays],
        "meters": [
            {"number": one.number, **_days(one.first, one.until)}
            for one in point.meters.all()
            if any(_meet(one, stay) for stay in stays)
        ],
    }


def _days(first: date, until: date | None) -> dict[str, str | None]:
    return {"from": first.isoformat(), "until": until.isoformat() if until else None}


def _meet(meter: Meter, stay: Occupancy) -> bool:
    return meter.first < (stay.until or FOREVER) and stay.first < (meter.until or FOREVER)
