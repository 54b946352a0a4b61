"""Curves told at once: what they hold, what is refused, how they break off, how they are packed and logged."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any
from weakref import WeakSet

import numpy as np
import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import RequestFactory

from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import GATE_BLOCK_BYTES, CurvesAsked, DataRequest
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import Curve
from meterhall.formats import FORMATS
from meterhall.formats.packing import unpacked
from meterhall.provider.activations.models import Activation
from meterhall.provider.activations.service import ActivationEnded, end
from meterhall.provider.consents.service import revoke
from meterhall.provider.contracts.service import NoContract, end_contract
from meterhall.provider.deliveries import access as live_log
from meterhall.provider.deliveries import live
from meterhall.provider.deliveries.curves import curves_by_item
from meterhall.provider.deliveries.entitled import Entitled
from meterhall.provider.deliveries.gate import BodyWithdrawn
from meterhall.provider.deliveries.live import coding_of, in_blocks, open_live, respond_live
from meterhall.provider.deliveries.models import AccessLog
from meterhall.provider.points.models import Occupancy, Point

from .conftest import HOLDER, NEIGHBOUR, REQUESTER, SUMS, World

YEAR = DataScope(granularities=("PT15M", "PT1H", "P1D"), period=Period(first=date(2025, 1, 1), until=date(2026, 4, 1)))


@pytest.fixture
def points(world: World) -> list[Point]:
    found = world.points(3)
    world.readings(found, date(2026, 1, 1), date(2026, 3, 2))
    return found


@pytest.fixture
def activation(world: World, points: list[Point]) -> Activation:
    return world.activated(points, YEAR)


def asked(**changes: Any) -> CurvesAsked:
    usual = {"from": "2026-01-10", "until": "2026-01-12", "granularity": "PT15M", "format": "csv"}
    return CurvesAsked.model_validate(usual | changes)


def answer(activation: Activation, want: CurvesAsked, **headers: str) -> Any:
    return respond_live(RequestFactory().get("/", headers=headers), open_live(activation, want))


def body(response: Any, after_first: Callable[[], object] = lambda: None) -> bytes:
    """What comes; of one that breaks off the number of bytes that came is the exception's."""

    async def read() -> bytes:
        got = b""
        content: AsyncIterator[bytes] = response.streaming_content
        try:
            async for block in content:
                got += block
                if len(got) == len(block):
                    await sync(after_first)()
        except BodyWithdrawn:
            raise BodyWithdrawn(len(got)) from None
        return got

    from asgiref.sync import sync_to_async as sync

    return async_to_sync(read)()


def pseudonyms(activation: Activation) -> list[str]:
    return list(activation.items.order_by("position").values_list("pseudonym", flat=True))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_it_says_what_a_delivery_would(world: World, activation: Activation, name: str) -> None:
    days = Period(first=date(2026, 1, 10), until=date(2026, 1, 12))
    part = world.deliver(activation, period=days, format=name).parts.get()
    built = FORMATS[name].decode((world.home.path / "files" / "deliveries" / part.path).read_bytes())
    response = answer(activation, asked(format=name))
    told = FORMATS[name].decode(body(response))
    assert response["Content-Type"] == FORMATS[name].media_type
    assert [one.series for one in told] == [one.series for one in built]
    for one, other in zip(told, built, strict=True):
        assert (one.start, one.end, one.available_at) == (other.start, other.end, other.available_at)
        assert np.array_equal(one.mantissas, other.mantissas)
        assert np.array_equal(one.quality, other.quality)


def test_of_one_pod(activation: Activation) -> None:
    name = pseudonyms(activation)[1]
    [curve] = FORMATS["arrow"].decode(body(answer(activation, asked(format="arrow", pseudonym=name))))
    assert (curve.series.usage_point, len(curve)) == (name, 192)


def test_a_correction_is_told_at_once(world: World, activation: Activation, points: list[Point]) -> None:
    world.readings(points[:1], date(2026, 1, 10), date(2026, 1, 11), wh=900)
    first, second, _ = FORMATS["csv"].decode(body(answer(activation, asked())))
    assert first.mantissas[4:100].min() >= 900 > second.mantissas.max(), "the UTC day begins an hour into the civil one"


def test_the_access_is_logged_before_the_first_byte(activation: Activation, points: list[Point]) -> None:
    answer(activation, asked(pseudonym=pseudonyms(activation)[0]))
    row = AccessLog.objects.get()
    assert (row.kind, row.point, row.requester, row.granularity) == ("live", points[0], REQUESTER, "PT15M")
    assert (row.first, row.until, row.directions) == (date(2026, 1, 10), date(2026, 1, 12), ["import"])
    assert row.consent is not None
    assert row.delivery is None


def test_the_access_of_many_is_logged_by_each_ones_days(world: World) -> None:
    points = world.points(live_log.WORTH_A_QUERY + 5, first=100)
    world.readings(points, date(2026, 1, 9), date(2026, 1, 12))
    mine = world.activated(points, YEAR)
    Occupancy.objects.filter(point__in=points[:3]).update(until=date(2026, 1, 11))
    answer(mine, asked())
    rows = {row.point_id: row for row in AccessLog.objects.all()}
    assert len(rows) == AccessLog.objects.count() == len(points)
    consents = {item.point_id: item.consent_item.consent_id for item in mine.items.select_related("consent_item")}
    for point in points:
        row = rows[point.pk]
        until = date(2026, 1, 11) if point in points[:3] else date(2026, 1, 12)
        assert (row.first, row.until, row.consent_id) == (date(2026, 1, 10), until, consents[point.pk])
        assert (row.kind, row.requester, row.granularity) == ("live", REQUESTER, "PT15M")
        assert (row.directions, row.subscription_id, row.at) == (["import"], mine.subscription_id, world.clock.now)


def test_only_the_holders_days_are_told(world: World, activation: Activation, points: list[Point]) -> None:
    Occupancy.objects.filter(point=points[0]).update(until=date(2026, 1, 11))
    first, second, _ = FORMATS["csv"].decode(body(answer(activation, asked())))
    assert (len(first), len(second)) == (96, 192)


def test_a_short_answer_has_its_length_and_is_not_kept(activation: Activation) -> None:
    response = answer(activation, asked())
    assert int(response["Content-Length"]) == len(body(response))
    assert (response["Cache-Control"], response["Vary"]) == ("no-store", "Accept-Encoding")
    assert "Accept-Ranges" not in response


def test_a_range_of_a_live_answer_is_not_to_be_had(activation: Activation) -> None:
    ranged = answer(activation, asked(), Range="bytes=10-20")
    assert (ranged.status_code, "Content-Range" in ranged) == (200, False)
    assert body(ranged) == body(answer(activation, asked()))


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no days": ({"until": "2026-01-10"}, "period_empty", "/until"),
    "a day beyond the activation": ({"until": "2026-04-02"}, "outside_activation", "/until"),
    "another direction": ({"direction": "export"}, "outside_activation", "/direction"),
    "another granularity": ({"granularity": "PT30M"}, "outside_activation", "/granularity"),
    "somebody else": ({"pseudonym": "0" * 36}, "unknown_pseudonym", "/pseudonym"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_refused_names_the_parameter(activation: Activation, why: str) -> None:
    changes, code, field = REFUSED[why]
    with pytest.raises(MeterhallError) as fault:
        open_live(activation, asked(**changes))
    assert (fault.value.code, fault.value.field) == (code, field)
    assert not AccessLog.objects.exists()


def test_a_format_the_offer_has_not(world: World, points: list[Point]) -> None:
    subscription = world.contract(formats=("csv",), scope=YEAR.model_copy(update={"period": None}))
    consent = world.consent(points, subscription, YEAR)
    mine = world.activate(subscription, [(points[0].pod, f"consent:{consent.pk}")], YEAR)
    assert body(answer(mine, asked()))
    with pytest.raises(MeterhallError) as fault:
        open_live(mine, asked(format="espi"))
    assert (fault.value.code, fault.value.field) == ("format_not_offered", "/format")


def test_sums_are_not_told_at_once(world: World, points: list[Point]) -> None:
    with pytest.raises(MeterhallError) as fault:
        open_live(world.activated(points, SUMS), asked(granularity="PT1H"))
    assert (fault.value.code, fault.value.field) == ("outside_activation", "/activation_id")


def test_of_very_many_pods_a_delivery_is_asked_for(activation: Activation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_PODS", 2)
    with pytest.raises(MeterhallError) as fault:
        open_live(activation, asked())
    assert fault.value.code == "too_many_pods"
    assert open_live(activation, asked(pseudonym=pseudonyms(activation)[2])), "one of them can be had"


def ends(world: World, activation: Activation) -> dict[str, Callable[[], object]]:
    consent = activation.items.order_by("position")[0].consent_item.consent_id  # type: ignore[union-attr]
    return {
        "withdrawn": lambda: revoke(consent, HOLDER),
        "quit": lambda: end_contract(activation.subscription_id, "quit"),
        "activation ended": lambda: end(activation.pk, REQUESTER),
        "time over": lambda: setattr(world.clock, "now", world.clock.now + timedelta(days=101)),
    }


WAYS = ["withdrawn", "quit", "activation ended", "time over"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("coding", ["", "gzip"])
def test_it_breaks_off_before_the_next_block(
    world: World, activation: Activation, way: str, coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "GATE_BLOCK_BYTES", 1024)
    response = answer(activation, asked(until="2026-03-01"), **{"Accept-Encoding": coding})
    with pytest.raises(BodyWithdrawn) as fault:
        body(response, ends(world, activation)[way])
    assert fault.value.args == (1024,), "the last good byte is that of the block before"


@pytest.mark.parametrize("way", WAYS)
def test_it_is_not_told_again(world: World, activation: Activation, way: str) -> None:
    ends(world, activation)[way]()
    activation.refresh_from_db()
    with pytest.raises(MeterhallError) as fault:
        open_live(activation, asked())
    expected = {"quit": NoContract, "activation ended": ActivationEnded}
    assert fault.value.code == (expected[way].code if way in expected else "nothing_accepted")


def test_another_customers_withdrawal_does_not_disturb(
    world: World, activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "GATE_BLOCK_BYTES", 1024)
    others = world.points(1, holder=NEIGHBOUR, first=50)
    elsewhere = world.consent(others, world.contract(), holder=NEIGHBOUR)
    whole = body(answer(activation, asked()))
    assert body(answer(activation, asked()), lambda: revoke(elsewhere.pk, NEIGHBOUR)) == whole


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_packed_as_the_caller_likes(activation: Activation, coding: str) -> None:
    response = answer(activation, asked(), **{"Accept-Encoding": coding})
    assert response["Content-Encoding"] == coding
    assert unpacked(body(response), coding, 1 << 20) == body(answer(activation, asked()))


def test_parquet_packs_by_itself(activation: Activation) -> None:
    assert "Content-Encoding" not in answer(activation, asked(format="parquet"), **{"Accept-Encoding": "gzip"})


LIKED = {
    "": "none", "gzip": "gzip", "zstd": "zstd", "gzip, zstd": "zstd", "zstd;q=0.4, gzip;q=0.5": "gzip", "br": "none",
    "gzip;q=0": "none", "*": "zstd", "*;q=0.5, zstd;q=0": "gzip", "identity": "none", "GZIP ; q=1.0": "gzip",
    "identity;q=1, gzip;q=0.1": "none", "identity;q=0.1, gzip": "gzip", "identity, zstd": "zstd", "x-gzip": "gzip",
    "gzip;q=nonsense": "none", "gzip;q=0.000, *;q=0": "none",
}  # fmt: skip


@pytest.mark.parametrize("header", LIKED)
def test_which_packing(header: str) -> None:
    assert coding_of(header) == LIKED[header]


@pytest.mark.parametrize("sizes", [[], [1], [9, 1], [10], [30], [3, 3, 3, 3], [25, 0, 7]])
def test_blocks_of_one_size(sizes: list[int]) -> None:
    content = [bytes([number]) * size for number, size in enumerate(sizes, 1)]
    blocks = list(in_blocks(content, 10))
    assert b"".join(blocks) == b"".join(content)
    assert all(len(block) == 10 for block in blocks[:-1])
    assert all(blocks)


def test_more_than_is_held_at_hand_comes_whole(activation: Activation, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = body(answer(activation, asked(until="2026-03-01")))
    monkeypatch.setattr(live, "GATE_BLOCK_BYTES", 512)
    monkeypatch.setattr(live, "pods_at_once", lambda request, part, slots: 1)
    response = answer(activation, asked(until="2026-03-01"))
    assert "Content-Length" not in response
    assert body(response) == whole
    assert len(whole) > live.AT_HAND * 512
    assert GATE_BLOCK_BYTES == 256 * 1024


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A thread of this test's own, which leaves no connection behind."""
    with ThreadPoolExecutor(1) as readers:
        monkeypatch.setattr(live, "READERS", readers)
        yield
        readers.submit(lambda: connection.close()).result()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("way", WAYS)
def test_it_breaks_off_as_it_is_served_by_threads_that_are_no_requests(
    world: World, activation: Activation, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "GATE_BLOCK_BYTES", 1024)
    response = answer(activation, asked(until="2026-03-01"))
    with pytest.raises(BodyWithdrawn) as fault:
        body(response, ends(world, activation)[way])
    assert fault.value.args == (1024,)


def test_days_in_their_order(activation: Activation) -> None:
    [*_, last] = FORMATS["csv"].decode(body(answer(activation, asked(granularity="P1D", until="2026-02-01"))))
    assert last.start == datetime.fromisoformat("2026-01-09T23:00:00+00:00")


def test_answers_under_way_are_counted_until_they_are_let_go_of(
    activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_OPEN", 2)
    monkeypatch.setattr(live, "OPEN", WeakSet())
    waiting = [answer(activation, asked()) for _ in range(2)]
    with pytest.raises(MeterhallError) as fault:
        open_live(activation, asked())
    assert (fault.value.code, fault.value.status, fault.value.retry_after_s) == ("too_many_open", 429, 1)
    assert body(waiting.pop())
    gc.collect()
    assert open_live(activation, asked())


def test_what_is_read_slowly_holds_little(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    points = world.points(30, first=100)
    world.readings(points, date(2026, 1, 1), date(2026, 1, 3))
    mine = world.activated(points, YEAR)
    read: list[int] = []

    def noting(request: DataRequest, some: list[Entitled]) -> dict[int, list[Curve]]:
        read.append(len(some))
        return curves_by_item(request, some)

    monkeypatch.setattr(live, "curves_by_item", noting)
    response = answer(mine, asked(**{"from": "2025-01-01", "until": "2026-01-01"}))
    assert sum(read) < 30, "the answer has begun, and most of it has not been read"
    assert max(read) * 365 * 96 <= live.SLOTS_AT_ONCE
    body(response)
    assert sum(read) == 30
