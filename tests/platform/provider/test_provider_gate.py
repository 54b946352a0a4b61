"""The gate: nothing leaves after what allowed it has ended, and a broken body is never a short clean one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from prometheus_client import REGISTRY

from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.activations import Refresh
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import GATE_BLOCK_BYTES
from meterhall.domain.protocol.events import Event, PlayerChanged
from meterhall.domain.protocol.players import PlayerView
from meterhall.provider.activations.service import ActivationEnded, end, frame_of, refresh
from meterhall.provider.consents.service import revoke, terminate
from meterhall.provider.contracts.service import NoContract, end_contract
from meterhall.provider.contracts.tasks import suspended
from meterhall.provider.deliveries import entitled
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.gate import BodyWithdrawn, Opened, blocks, open_part, respond
from meterhall.provider.deliveries.models import AccessLog, Delivery
from meterhall.provider.deliveries.service import ConsentRevoked, PartReplaced, UnknownDelivery, newest
from meterhall.provider.points.models import Point
from meterhall.provider.points.schemas import OccupancyIn, PointIn
from meterhall.provider.points.service import register_points
from tests.platform.provider.conftest import HOLDER, MARKET, NEIGHBOUR, REQUESTER, World

LONG = Period(first=date(2026, 1, 1), until=date(2026, 3, 31))


@pytest.fixture
def points(world: World) -> list[Point]:
    points = world.points(2)
    world.readings(points, date(2026, 1, 1), date(2026, 3, 1))
    return points


@pytest.fixture
def delivery(world: World, points: list[Point]) -> Delivery:
    """A delivery whose one part is several blocks long."""
    from meterhall.domain.protocol.offers import DataScope

    activation = world.activated(points, DataScope(granularities=("PT15M",), period=LONG))
    made = world.deliver(activation, period=LONG)
    assert newest(made).manifest["parts"][0]["size_bytes"] > 3 * GATE_BLOCK_BYTES
    return made


def content(delivery: Delivery) -> bytes:
    return (folder() / delivery.parts.get(replaced_reason="").path).read_bytes()


def ask(opened: Opened, **headers: str) -> object:
    return respond(RequestFactory().get("/", headers=headers), opened)


def read(response: object, after_first: Callable[[], object] = lambda: None) -> bytes:
    """The body; `after_first` happens once the first block has left."""
    got = bytearray()

    async def run() -> None:
        from asgiref.sync import sync_to_async

        async for block in response.streaming_content:  # type: ignore[attr-defined]
            if not got:
                await sync_to_async(after_first)()
            got.extend(block)

    try:
        async_to_sync(run)()
    except BodyWithdrawn:
        raise BodyWithdrawn(len(got)) from None
    return bytes(got)


def test_a_part_comes_whole_and_its_access_is_logged_once_a_download(delivery: Delivery) -> None:
    whole = content(delivery)
    response = ask(open_part(delivery, 1))
    assert (response.status_code, response["Content-Length"]) == (200, str(len(whole)))  # type: ignore[attr-defined, index]
    assert read(response) == whole
    rows = AccessLog.objects.filter(delivery=delivery)
    assert rows.count() == 2
    assert set(rows.values_list("requester", "kind", "first", "until")) == {
        (REQUESTER, "download", LONG.first, LONG.until)
    }
    ask(open_part(delivery, 1), Range="bytes=100-")
    assert rows.count() == 2, "a resumed transfer is the same access"
    ask(open_part(delivery, 1))
    assert rows.count() == 4


def test_skipping_the_first_byte_does_not_evade_the_log(delivery: Delivery) -> None:
    ask(open_part(delivery, 1), Range="bytes=1-")
    assert AccessLog.objects.filter(delivery=delivery).count() == 2


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=10-", 206, 10, None),
        ("bytes=-5", 206, -5, None),
        ("bytes=0-99999999999", 206, 0, None),
        ("bytes=9-3", 200, 0, None),
        ("bytes=0-1,5-6", 200, 0, None),
        ("pods=0-1", 200, 0, None),
    ],
)
def test_ranges(delivery: Delivery, asked: str, status: int, first: int, last: int | None) -> None:
    whole = content(delivery)
    response = ask(open_part(delivery, 1), Range=asked)
    expected = whole[first:last]
    assert response.status_code == status  # type: ignore[attr-defined]
    assert read(response) == expected
    if status == 206:
        start = first % len(whole)
        assert response["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/{len(whole)}"  # type: ignore[index]


@pytest.mark.parametrize("asked", ["bytes={size}-", "bytes=-0"])
def test_a_range_beyond_the_end_is_416_and_says_why(delivery: Delivery, asked: str) -> None:
    size = len(content(delivery))
    response: Any = ask(open_part(delivery, 1), Range=asked.format(size=size))
    assert (response.status_code, response["Content-Range"]) == (416, f"bytes */{size}")
    problem = json.loads(response.content)
    assert response["Content-Type"] == "application/problem+json"
    assert (problem["code"], problem["field"]) == ("range_not_satisfiable", "/Range")


def test_a_range_of_another_file_is_the_whole_of_this(delivery: Delivery) -> None:
    response = ask(open_part(delivery, 1), **{"Range": "bytes=5-", "If-Range": '"sha-256:other"'})
    assert response.status_code == 200  # type: ignore[attr-defined]


def ends(world: World, delivery: Delivery, points: list[Point]) -> dict[str, Callable[[], object]]:
    """Everything that ends a permission."""
    activation = delivery.activation
    consent = activation.items.first().consent_item.consent
    moved = (
        OccupancyIn(holder_reference=HOLDER, first=date(2020, 1, 1), until=date(2026, 2, 1)),
        OccupancyIn(holder_reference=NEIGHBOUR, first=date(2026, 2, 1)),
    )
    point = PointIn(pod=points[0].pod, zone="Europe/Rome", occupancies=moved)
    return {
        "withdrawn": lambda: revoke(consent.pk, HOLDER, (points[1].handle,)),
        "terminated": lambda: terminate(consent.pk, REQUESTER),
        "moved out": lambda: register_points((point,)),
        "quit": lambda: end_contract(activation.subscription_id, "quit"),
        "expired contract": lambda: end_contract(activation.subscription_id, "expired"),
        "suspended": lambda: suspend(world),
        "activation ended": lambda: end(activation.pk, REQUESTER),
        "POD removed": lambda: refresh(activation.pk, REQUESTER, Refresh(remove=(points[0].pod,))),
        "time over": lambda: setattr(world.clock, "now", world.clock() + timedelta(days=200)),
    }


def suspend(world: World) -> None:
    key = world.keys[REQUESTER].public.jwk()
    player = PlayerView.model_validate(
        {
            "access_number": REQUESTER, "organisation": "Sun Coop", "country": "IT", "roles": ["requester"],
            "legal_id": {"kind": "GLN", "value": "9520000000004"}, "activity": "esco", "contact": "x",
            "endpoints": {"b2b": "https://peer.example"}, "keys": {"transport": [key], "contract": [key]},
            "status": "suspended",
        }
    )  # fmt: skip
    data = PlayerChanged(player=player)
    event = Event(
        id="evt_" + "0" * 24, source=f"urn:meterhall:{MARKET}", type="player.suspended", time=world.clock(),
        data=data.document(),
    )  # fmt: skip
    suspended(event, data)


WAYS = [
    "withdrawn", "terminated", "moved out", "quit", "expired contract", "suspended", "activation ended",
    "POD removed", "time over",
]  # fmt: skip


def aborts() -> float:
    """How many bodies this process has broken off, as `/metrics` tells."""
    return REGISTRY.get_sample_value("meterhall_gate_aborts_total") or 0


@pytest.mark.parametrize("way", WAYS)
def test_a_body_breaks_off_before_the_next_block(
    world: World, delivery: Delivery, points: list[Point], way: str
) -> None:
    response = ask(open_part(delivery, 1))
    counted = aborts()
    with pytest.raises(BodyWithdrawn) as fault:
        read(response, ends(world, delivery, points)[way])
    assert fault.value.args == (GATE_BLOCK_BYTES,), "the last good byte is that of the block before"
    assert aborts() == counted + 1


@pytest.mark.parametrize("way", WAYS)
def test_what_ended_between_asking_and_sending_is_noticed(
    world: World, delivery: Delivery, points: list[Point], way: str
) -> None:
    response = ask(open_part(delivery, 1))
    ends(world, delivery, points)[way]()
    with pytest.raises(BodyWithdrawn) as fault:
        read(response)
    assert fault.value.args == (0,)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_not_opened_again(world: World, delivery: Delivery, points: list[Point], way: str) -> None:
    ends(world, delivery, points)[way]()
    expected: dict[str, type[MeterhallError]] = {
        "quit": NoContract,
        "expired contract": NoContract,
        "suspended": NoContract,
        "activation ended": ActivationEnded,
    }
    with pytest.raises(expected.get(way, ConsentRevoked)) as fault:
        open_part(Delivery.objects.get(pk=delivery.pk), 1)
    if way not in expected:
        following = {"delivery_id": delivery.pk, "version": 2}
        assert (fault.value.status, fault.value.members["superseded_by"]) == (410, following)
        world.follow()
        delivery.refresh_from_db()
        assert delivery.version == 2, "and the version it names follows"


@pytest.mark.parametrize("way", WAYS)
def test_what_all_of_a_part_is_asked_at_once_is_what_each_is_asked(
    world: World, delivery: Delivery, points: list[Point], way: str
) -> None:
    part, frame = delivery.parts.get(number=1), frame_of(delivery.activation)
    until = entitled._by_sets(part, frame)
    assert until == entitled._one_by_one(part, frame) == delivery.activation.items.all()[0].consent_item.access_until
    ends(world, delivery, points)[way]()
    alone = entitled._one_by_one(part, frame)
    assert entitled._by_sets(part, frame) in {None, alone}, "never more than each"
    if way in {"withdrawn", "terminated", "moved out", "POD removed", "time over"}:
        assert alone is None


def test_one_of_many_who_ends_is_not_outvoted(world: World) -> None:
    many = world.points(12)
    world.readings(many, date(2026, 3, 1), date(2026, 3, 3))
    days = Period(first=date(2026, 3, 1), until=date(2026, 3, 2))
    delivery = world.deliver(world.activated(many), period=days)
    with CaptureQueriesContext(connection) as asked:
        open_part(delivery, 1)
    assert len(asked) < 12, "no query a POD"
    consent = delivery.activation.items.first().consent_item.consent
    revoke(consent.pk, HOLDER, (many[7].handle,))
    with pytest.raises(ConsentRevoked):
        open_part(delivery, 1)


def test_another_customers_withdrawal_does_not_disturb(world: World, delivery: Delivery) -> None:
    others = world.points(1, holder=NEIGHBOUR, first=50)
    elsewhere = world.consent(others, world.contract(), holder=NEIGHBOUR)
    whole = content(delivery)
    assert read(ask(open_part(delivery, 1)), lambda: revoke(elsewhere.pk, NEIGHBOUR)) == whole


def test_a_corrected_part_is_replaced(world: World, delivery: Delivery, points: list[Point]) -> None:
    world.readings(points[:1], date(2026, 1, 5), date(2026, 1, 6), wh=777)
    world.follow()
    delivery.refresh_from_db()
    with pytest.raises(PartReplaced) as fault:
        open_part(delivery, 1)
    assert fault.value.members["superseded_by"] == {"delivery_id": delivery.pk, "version": 2}
    assert newest(delivery).manifest["reason"] == "correction"
    with pytest.raises(UnknownDelivery):
        open_part(delivery, 9)


def test_bodies_may_run_at_the_same_time(delivery: Delivery) -> None:
    """The generators keep no state but their own."""
    whole = content(delivery)

    async def both() -> list[bytes]:
        async def one(body: AsyncIterator[bytes]) -> bytes:
            return b"".join([block async for block in body])

        return list(await asyncio.gather(*map(one, bodies)))

    bodies = [blocks(open_part(delivery, 1), 0, len(whole)) for _ in range(2)]
    assert async_to_sync(both)() == [whole, whole]
