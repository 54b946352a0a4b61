"""Sums over lists of PODs held against sums over areas: neither, less the other, is of a few."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import permutations
from threading import Barrier

import pytest
from django.db import connection, connections

from meterhall.domain.privacy import GroupTooSmall
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest, GroupOf
from meterhall.domain.protocol.offers import DataScope
from meterhall.provider.activations.models import Activation
from meterhall.provider.consents.epoch import hold_epoch
from meterhall.provider.deliveries import build as building
from meterhall.provider.deliveries.models import Delivery, GroupAnswered
from meterhall.provider.deliveries.service import request_data
from meterhall.web.work.engine import QUEUES, claim, perform
from tests.platform.provider.conftest import MARCH, OTHER, REQUESTER, World
from tests.platform.provider.test_provider_areas import DAYS

pytestmark = pytest.mark.django_db
LEAST = 5
DIRECTIONS = ("import", "export")
SUMS = DataScope(kind="aggregate", granularities=("PT1H",), directions=DIRECTIONS, period=MARCH)


class Street:
    """An area of PODs, of which every list may be summed."""

    def __init__(self, world: World, count: int = 12) -> None:
        self.world = world
        self.points = world.points(count, area="A")
        for direction in DIRECTIONS:
            world.readings(self.points, date(2026, 2, 28), date(2026, 3, 4), direction=direction)

    def listed(self, count: int, requester: str = OTHER, first: int = 0) -> Activation:
        """An activation of so many of them."""
        return self.world.activated(self.points[first : first + count], SUMS, requester)

    def ask(self, activation: Activation, over: GroupOf | None = None, **more: object) -> str:
        """Whether it is told: `published`, or the code of the refusal and the field."""
        asked = {"group": True, "over": over, "period": DAYS, "granularity": "PT1H"} | more
        try:
            return self.world.deliver(activation, **asked).state
        except GroupTooSmall as refused:
            return f"{refused.code} {refused.field}"

    def ask_area(self, **more: object) -> str:
        contract = self.world.contract(REQUESTER, scope=SUMS.model_copy(update={"period": None}))
        return self.ask(self.world.activate(contract, [], SUMS), GroupOf(area="A"), **more)


@pytest.fixture
def street(world: World) -> Street:
    return Street(world)


@pytest.mark.parametrize("measures", [("sum",), ("mean",)])
@pytest.mark.parametrize("left", [1, LEAST - 1, LEAST])
def test_an_area_less_a_list_and_a_list_less_an_area_is_of_none_or_enough(
    street: Street, left: int, measures: tuple[str, ...]
) -> None:
    told = "published" if left >= LEAST else "group_too_small"
    assert street.ask(street.listed(12 - left)) == "published"
    assert street.ask_area(measures=measures).split()[0] == told
    assert street.ask_area(period=Period(first=date(2026, 3, 1), until=date(2026, 3, 3))).split()[0] == told
    assert street.ask_area(period=Period(first=date(2026, 3, 3), until=date(2026, 3, 4))) == "published", "other days"


@pytest.mark.parametrize("left", [0, 1, LEAST - 1, LEAST])
def test_a_list_after_an_area_is_refused_by_its_own_field(street: Street, left: int) -> None:
    assert street.ask_area() == "published"
    told = "published" if left in (0, LEAST) else "group_too_small /group"
    assert street.ask(street.listed(12 - left)) == told


@pytest.mark.parametrize("order", list(permutations(("area", "eight", "nine"))))
def test_an_area_less_two_lists_is_not_of_a_few(world: World, order: tuple[str, ...]) -> None:
    """Eight and nine of twenty: each is far from the area and from the other, and together they leave three."""
    street = Street(world, 20)
    ways = {
        "area": street.ask_area,
        "eight": lambda: street.ask(street.listed(8)),
        "nine": lambda: street.ask(street.listed(9, first=8)),
    }
    assert [ways[name]().split()[0] for name in order] == ["published", "published", "group_too_small"]


def test_what_was_drawn_and_what_was_fed_in_are_two_things(street: Street) -> None:
    assert street.ask(street.listed(11), directions=("import",)) == "published"
    assert street.ask_area(directions=("export",)) == "published"


@pytest.fixture
def busy_street(transactional_db: None, world: World) -> Street:
    if connection.vendor == "sqlite":
        pytest.skip("the test database of SQLite is in memory and its one writer waits for nobody")
    return Street(world)


@pytest.mark.parametrize("others", ["a list", "an area"])
def test_of_two_that_differ_by_a_few_and_are_declared_at_the_same_moment_one_is_told(
    busy_street: Street, monkeypatch: pytest.MonkeyPatch, others: str
) -> None:
    """Both were well when they were asked for, and again when they were summed; then both are at the brink."""
    street = busy_street
    world, wanted = street.world, {"period": DAYS, "granularity": "PT1H", "format": "csv", "group": True}
    mine = street.listed(11, requester=REQUESTER)
    if others == "a list":
        theirs, over = street.listed(12, requester=OTHER), None
    else:
        contract = world.contract(OTHER, scope=SUMS.model_copy(update={"period": None}))
        theirs, over = world.activate(contract, [], SUMS), GroupOf(area="A")
    for activation, of in ((mine, None), (theirs, over)):
        request_data(DataRequest(activation_id=activation.pk, over=of, **wanted), activation.requester)  # type: ignore[arg-type]
    brink = Barrier(2, timeout=60)

    def at_the_brink() -> int:
        brink.wait()
        return hold_epoch()

    monkeypatch.setattr(building, "hold_epoch", at_the_brink)
    queue = QUEUES[Delivery]
    rows = [claim(queue, world.clock()) for _ in range(2)]

    def one(row: Delivery) -> None:
        try:
            perform(queue, row)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, rows))
    came = sorted((one.state, one.code, one.version, one.last_error) for one in Delivery.objects.all())
    assert came == [("published", "", 1, ""), ("refused", "group_too_small", 0, "")]
    assert GroupAnswered.objects.count() == 1
