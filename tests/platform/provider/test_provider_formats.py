"""Deliveries in every format: the same readings, and what a format says of the parties beside them."""

from __future__ import annotations

import json
from datetime import date
from typing import get_args

import pytest

from meterhall.domain.protocol.base import FormatName, Period
from meterhall.formats import FORMATS
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.service import live_parts
from tests.platform.provider.conftest import REQUESTER, World
from tests.platform.provider.test_provider_deliveries import curves, manifest


@pytest.mark.parametrize("form", get_args(FormatName))
def test_every_format_carries_the_same_delivery(world: World, form: str) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 3, 28), date(2026, 3, 30))
    activation = world.activated(points)
    few = Period(first=date(2026, 3, 28), until=date(2026, 3, 30))
    delivery, plain = (world.deliver(activation, format=name, period=few) for name in (form, "jsonl"))
    assert curves(delivery) == curves(plain)
    assert len(next(iter(curves(delivery).values()))) == 96 + 92
    part = manifest(delivery).parts[0]
    assert (part.media_type, part.extension) == (FORMATS[form].media_type, FORMATS[form].extension)


def test_a_cim_document_names_both_parties_and_the_civil_period_that_was_asked_for(world: World) -> None:
    points = world.points(1)
    world.readings(points, date(2026, 3, 29), date(2026, 3, 30))
    few = Period(first=date(2026, 3, 28), until=date(2026, 3, 30))
    delivery = world.deliver(world.activated(points), format="cim_json", period=few)
    (part,) = live_parts(delivery)
    document = json.loads((folder() / part.path).read_bytes())["MarketDocument"]
    assert document["sender_MarketParticipant.mRID"]["value"] == manifest(delivery).provider
    assert document["receiver_MarketParticipant.mRID"] == {"value": REQUESTER, "codingScheme": "NIT"}
    assert document["period.timeInterval"] == {"start": "2026-03-27T23:00Z", "end": "2026-03-29T22:00Z"}
    assert document["TimeSeries"][0]["marketEvaluationPoint.mRID"]["value"] in curves(delivery)
