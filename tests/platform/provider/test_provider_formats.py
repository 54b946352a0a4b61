"""Deliveries in every format: the same readings, and what a format says of the parties beside them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import get_args

import pytest
from pydantic import ValidationError

from meterhall.domain.protocol.activations import Schedule
from meterhall.domain.protocol.base import Compression, FormatName, Period
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.deliveries import DataRequest
from meterhall.formats import FORMATS
from meterhall.formats.packing import unpacked
from meterhall.provider.consents.service import revoke
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.gate import open_part
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.deliveries.schedules import run_schedules
from meterhall.provider.deliveries.service import live_parts
from tests.platform.provider.conftest import HOLDER, REQUESTER, World
from tests.platform.provider.test_provider_deliveries import curves, manifest
from tests.platform.provider.test_provider_gate import ask, read

FEW = Period(first=date(2026, 3, 28), until=date(2026, 3, 30))


@pytest.mark.parametrize("form", get_args(FormatName))
def test_every_format_carries_the_same_delivery(world: World, form: str) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 3, 28), date(2026, 3, 30))
    activation = world.activated(points)
    delivery, plain = (world.deliver(activation, format=name, period=FEW) for name in (form, "jsonl"))
    assert curves(delivery) == curves(plain)
    assert len(next(iter(curves(delivery).values()))) == 96 + 92
    part = manifest(delivery).parts[0]
    assert (part.media_type, part.extension) == (FORMATS[form].media_type, FORMATS[form].extension)


@pytest.mark.parametrize(("how", "ending"), [("gzip", "csv.gz"), ("zstd", "csv.zst")])
def test_a_packed_part_is_the_same_file_packed_and_leaves_by_ranges_as_it_is(
    world: World, how: Compression, ending: str
) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 3, 28), date(2026, 3, 30))
    activation = world.activated(points)
    delivery, plain = (world.deliver(activation, compression=name, period=FEW) for name in (how, "none"))
    part, (row,) = manifest(delivery).parts[0], live_parts(delivery)
    content = (folder() / row.path).read_bytes()
    assert (part.compression, part.media_type, part.extension) == (how, "text/csv", ending)
    assert (part.size_bytes, part.digest) == (len(content), digest(content))
    assert part.size_bytes < manifest(plain).parts[0].size_bytes / 4
    assert part.readings == manifest(plain).parts[0].readings
    assert row.path.endswith(f".{ending}")
    assert unpacked(content, how, 1_000_000).startswith(b"usage_point,")
    assert curves(delivery) == curves(plain)
    whole = ask(open_part(delivery, 1))
    assert ("Content-Encoding" in whole, whole["Content-Type"], read(whole)) == (False, "text/csv", content)
    assert read(ask(open_part(delivery, 1), Range="bytes=100-")) == content[100:]


def test_a_later_version_is_packed_as_the_first(world: World) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 3, 27), date(2026, 3, 30))
    activation = world.activated(points)
    delivery = world.deliver(activation, format="jsonl", compression="zstd", period=FEW)
    revoke(activation.items.first().consent_item.consent_id, HOLDER, (points[0].handle,))
    world.follow()
    delivery.refresh_from_db()
    assert manifest(delivery).version == 2
    assert [(part.compression, part.extension) for part in manifest(delivery).parts] == [("zstd", "jsonl.zst")]
    assert len(curves(delivery)) == 1


def test_how_a_schedule_packs_is_taken_over(world: World) -> None:
    world.clock.now = datetime(2026, 3, 29, 7, tzinfo=UTC)
    points = world.points(1)
    world.readings(points, date(2026, 3, 27), date(2026, 3, 30))
    subscription = world.contract()
    items = [(points[0].pod, f"consent:{world.consent(points, subscription).pk}")]
    schedule = Schedule(format="espi", granularity="PT1H", compression="gzip")
    activation = world.activate(subscription, items, schedule=schedule)
    assert run_schedules() == 1
    world.work()
    part = manifest(Delivery.objects.get(activation=activation)).parts[0]
    assert (part.compression, part.extension) == ("gzip", "xml.gz")


def test_a_packing_nobody_knows_is_refused_by_name() -> None:
    asked = {"activation_id": f"act_{24 * '0'}", "period": FEW, "granularity": "PT1H", "format": "csv"}
    with pytest.raises(ValidationError) as fault:
        DataRequest.model_validate(asked | {"compression": "lz4"})
    assert [one["loc"] for one in fault.value.errors()] == [("compression",)]


def test_a_cim_document_names_both_parties_and_the_civil_period_that_was_asked_for(world: World) -> None:
    points = world.points(1)
    world.readings(points, date(2026, 3, 29), date(2026, 3, 30))
    delivery = world.deliver(world.activated(points), format="cim_json", period=FEW)
    (part,) = live_parts(delivery)
    document = json.loads((folder() / part.path).read_bytes())["MarketDocument"]
    assert document["sender_MarketParticipant.mRID"]["value"] == manifest(delivery).provider
    assert document["receiver_MarketParticipant.mRID"] == {"value": REQUESTER, "codingScheme": "NIT"}
    assert document["period.timeInterval"] == {"start": "2026-03-27T23:00Z", "end": "2026-03-29T22:00Z"}
    assert document["TimeSeries"][0]["marketEvaluationPoint.mRID"]["value"] in curves(delivery)
