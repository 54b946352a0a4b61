"""A provider whose calculations run on an engine of its own: the same deliveries, and patience where it is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import pytest

from meterhall.domain.protocol.deliveries import DataRequest, GroupOf
from meterhall.lake import EngineBlind, EngineUnavailable
from meterhall.provider.deliveries.changes import changes_since
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.models import Delivery
from meterhall.provider.deliveries.service import request_data
from meterhall.provider.metering import service
from meterhall.provider.metering.completeness import completeness
from meterhall.provider.metering.models import IngestRun
from meterhall.provider.metering.readiness import engine
from meterhall.provider.metering.service import take_readings
from meterhall.web.work.engine import QUEUES, claim, discover, perform
from tests.engines import Server
from tests.platform.provider.conftest import MARCH, World
from tests.platform.provider.test_provider_areas import DAYS, activated, ask, measured, told
from tests.platform.provider.test_provider_deliveries import SUMS

Choose = Callable[..., None]


@pytest.fixture
def choose(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Choose]:
    """Sets what calculates, as the environment would; the lake opened for it is closed in the end."""

    def chosen(url: str, seen_at: str = "") -> None:
        monkeypatch.setenv("METERHALL_ENGINE", url)
        monkeypatch.setenv("METERHALL_ENGINE_LAKE", seen_at)
        world.home.__dict__.pop("config", None)

    yield chosen
    service.lake().close()
    service._lake.cache_clear()


def perform_next(world: World, kind: type[Delivery] | type[IngestRun]) -> None:
    discover()
    row = claim(QUEUES[kind], world.clock())
    assert row is not None
    perform(QUEUES[kind], row)


def files(delivery: Delivery) -> list[bytes]:
    return [(folder() / part.path).read_bytes() for part in delivery.parts.order_by("number")]


def test_deliveries_and_the_feed_are_the_same(world: World, sail: Server, choose: Choose) -> None:
    points = world.points(2)
    world.readings(points, date(2026, 3, 1), date(2026, 3, 8))
    activation = world.activated(points)
    near, feed = files(world.deliver(activation)), changes_since(activation, None)
    assert engine().startswith("embedded, DuckDB")
    choose(sail.url)
    assert "answers as Spark" in engine()
    assert files(world.deliver(activation)) == near
    assert changes_since(activation, None) == feed
    assert len(near[0]) > 1000
    assert len(feed.items) == 14


def test_groups_and_what_is_complete_are_the_same(world: World, sail: Server, choose: Choose) -> None:
    points = world.points(12, area="10YIT")
    measured(world, points, [*range(100, 112)])
    listed, over = world.activated(points, SUMS), activated(world)

    def told_here() -> list[object]:
        ask_list = {"group": True, "period": DAYS, "granularity": "PT1H", "measures": ("sum", "mean", "p50")}
        deliveries = [
            world.deliver(listed, **ask_list),
            ask(world, over, GroupOf(area="10YIT"), measures=("sum", "mean", "p50")),
        ]
        return [told(one)[1] for one in deliveries] + [completeness(31)]

    near = told_here()
    choose(sail.url)
    assert told_here() == near
    assert all(len(values) == 24 for group in near[:2] for values in group.values())  # type: ignore[attr-defined]
    assert any(day.complete == 12 for day in near[2])  # type: ignore[attr-defined]


def test_a_delivery_waits_for_the_engine(world: World, sail: Server, choose: Choose) -> None:
    points = world.points(1)
    world.readings(points, date(2026, 3, 1), date(2026, 3, 3))
    activation = world.activated(points)
    choose(sail.url)
    sail.kill()
    with pytest.raises(EngineUnavailable):
        changes_since(activation, None)
    with pytest.raises(EngineUnavailable, match="connect"):
        engine()
    asked = DataRequest(activation_id=activation.pk, period=MARCH, granularity="PT15M", format="csv")
    delivery = Delivery.objects.get(pk=request_data(asked, activation.requester).delivery_id)
    perform_next(world, Delivery)
    delivery.refresh_from_db()
    assert (delivery.version, delivery.last_error.partition(":")[0]) == (0, "EngineUnavailable")
    run = take_readings(f"pod,start,energy_wh\n{points[0].pod},2026-03-03T00:00:00Z,77\n".encode(), "PT15M")
    perform_next(world, IngestRun)
    run.refresh_from_db()
    assert (run.last_error, run.days_written) == ("", 1), "taking readings in needs no engine"
    sail.start()
    world.clock.now += (delivery.due_at - world.clock()) * 2
    world.work()
    delivery.refresh_from_db()
    assert (delivery.version, delivery.last_error) == (1, "")
    assert files(delivery)[0].count(b"\n") > 2 * 96 + 1


def test_check_says_that_the_engine_sees_no_table(world: World, sail: Server, choose: Choose) -> None:
    world.readings(world.points(1), date(2026, 3, 1), date(2026, 3, 2))
    choose(sail.url, f"file://{world.home.path}/elsewhere")
    with pytest.raises(EngineBlind, match="does not see the files"):
        engine()
