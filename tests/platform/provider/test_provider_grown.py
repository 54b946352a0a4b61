"""An activation that grew beyond the PODs one call may name: all of them are answered, delivered and collected."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import httpx
import numpy as np
import pytest
from django.db import connection

from meterhall.domain.protocol.activations import ActivationItem, Refresh
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import Manifest
from meterhall.domain.protocol.offers import DataScope
from meterhall.provider.activations.service import refresh
from meterhall.provider.deliveries.gate import open_part
from meterhall.provider.deliveries.service import newest
from meterhall.provider.metering.service import take_readings
from tests.platform.provider.conftest import MARCH, World
from tests.platform.provider.test_provider_gate import ask, read
from tests.unit.client.test_collecting import Desk, collector

pytestmark = pytest.mark.django_db
AT_ONCE, MORE = 10_000, 20
"""The most PODs a call may name; and those that come by refreshes."""
DAY = Period(first=date(2026, 3, 2), until=date(2026, 3, 3))
HOURLY = DataScope(granularities=("PT1H",), period=MARCH)


@dataclass
class Carrier(Desk):
    """A client's desk to which the provider's bodies are carried."""

    bodies: dict[int, bytes] = field(default_factory=dict)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        number = int(request.url.path.rpartition("/")[2])
        return httpx.Response(200, stream=httpx.ByteStream(self.bodies[number]))


def test_more_points_than_a_call_may_name_come_by_refreshes_and_go_out_whole(world: World, tmp_path: Path) -> None:
    points = world.points(AT_ONCE + MORE)
    rows = (f"{point.pod},2026-03-02T00:00:00Z,{100 + number}" for number, point in enumerate(points))
    take_readings("\n".join(("pod,start,energy_wh", *rows)).encode(), "PT1H")
    world.work()
    subscription = world.contract(scope=HOURLY.model_copy(update={"period": None}))
    consents = [world.consent(points[at : at + AT_ONCE], subscription, HOURLY) for at in (0, AT_ONCE)]
    items = [(point.pod, f"consent:{consents[number // AT_ONCE].pk}") for number, point in enumerate(points)]
    with pytest.raises(ValueError, match="10000"):
        world.activate(subscription, items, HOURLY)
    activation = world.activate(subscription, items[:AT_ONCE], HOURLY)
    for pod, proof in (items[AT_ONCE], items[-1]):
        refresh(activation.pk, activation.requester, Refresh(add=(ActivationItem(pod=pod, proof=proof),)))
    rest = tuple(ActivationItem(pod=pod, proof=proof) for pod, proof in items[AT_ONCE + 1 : -1])
    refresh(activation.pk, activation.requester, Refresh(add=rest))
    world.work()
    assert activation.items.filter(state="accepted").count() == len(items)

    with connection.cursor() as cursor:  # as PostgreSQL does by itself, except within a transaction
        cursor.execute("ANALYZE")
    delivery = world.deliver(activation, granularity="PT1H", period=DAY)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    manifest = Manifest.model_validate(newest(delivery).manifest)
    bodies = {part.number: read(ask(open_part(delivery, part.number))) for part in manifest.parts}
    client = collector(Carrier(tmp_path / "files", bodies=bodies))
    client.pseudonyms = frozenset(activation.items.values_list("pseudonym", flat=True))
    collected = client._bring_all(manifest)
    told = {
        curve.series.usage_point: int(np.extract(curve.present, curve.mantissas).sum() * 10**curve.series.scale)
        for curve in collected
    }
    name_of = dict(activation.items.values_list("pod", "pseudonym"))
    assert told == {name_of[point.pod]: 100 + number for number, point in enumerate(points)}
    assert manifest.readings == len(points)
