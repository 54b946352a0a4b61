"""Aggregates over a grid area, a postal code, a class of customer: no consent, and no way to a single point."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from meterhall.domain.errors import MeterhallError
from meterhall.domain.privacy import GroupTooSmall
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.deliveries import DataRequest, GroupOf, Manifest
from meterhall.domain.protocol.offers import DataScope
from meterhall.domain.readings import MISSING
from meterhall.formats import FORMATS
from meterhall.provider.activations.models import Activation
from meterhall.provider.deliveries.areas import MonthNotBegun, freeze_begun
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.gate import open_part
from meterhall.provider.deliveries.models import Delivery, FrozenGroup, GroupAnswered
from meterhall.provider.deliveries.service import OutsideActivation, live_parts, newest
from meterhall.provider.metering.service import take_readings
from meterhall.provider.points.models import Point
from tests.platform.provider.conftest import OTHER, REQUESTER, World

SCOPE = DataScope(kind="aggregate", granularities=("PT15M", "PT1H", "P1D", "P1M"), period=Period(
    first=date(2026, 2, 1), until=date(2026, 5, 1)))  # fmt: skip
DAYS = Period(first=date(2026, 3, 2), until=date(2026, 3, 3))
START = datetime(2026, 2, 28, tzinfo=UTC)


def measured(world: World, points: list[Point], values: list[int], days: int = 4) -> None:
    """A value in every quarter hour of some days, for each point around its own: in an hour 4 times that and 6."""
    lines = ["pod,start,energy_wh"]
    for point, value in zip(points, values, strict=True):
        starts = [START + slot * timedelta(minutes=15) for slot in range(96 * days)]
        lines += [f"{point.pod},{at.isoformat()},{value + slot % 4}" for slot, at in enumerate(starts)]
    take_readings("\n".join(lines).encode(), "PT15M")
    world.work()


def activated(world: World, requester: str = REQUESTER) -> Activation:
    """An activation of aggregates, which names no POD."""
    contract = world.contract(requester, scope=SCOPE.model_copy(update={"period": None}), minimum_group=5)
    return world.activate(contract, [], SCOPE)


def ask(world: World, activation: Activation, over: GroupOf, **more: object) -> Delivery:
    return world.deliver(activation, **({"group": True, "over": over, "period": DAYS, "granularity": "PT1H"} | more))


def told(delivery: Delivery) -> tuple[Manifest, dict[str, list[int]]]:
    """The manifest and the values of each measure."""
    manifest = Manifest.model_validate(newest(delivery).manifest)
    assert manifest.group is not None
    names = {one.pseudonym: one.measure for one in manifest.group.curves}
    curves = [
        curve for part in live_parts(delivery) for curve in FORMATS["csv"].decode((folder() / part.path).read_bytes())
    ]
    return manifest, {names[curve.series.usage_point]: curve.mantissas.tolist() for curve in curves}  # type: ignore[index]


def test_an_area_is_told_without_consent_with_how_many_and_how_complete(world: World) -> None:
    points = world.points(12, area="10YIT", usage_class="household") + world.points(2, first=20, area="other")
    measured(world, points, [*range(100, 112), 5000, 5000])
    delivery = ask(world, activated(world), GroupOf(area="10YIT"), measures=("sum", "mean", "p50"))
    manifest, values = told(delivery)
    hour = [4 * wh + 6 for wh in range(100, 112)]
    assert {name: set(found) for name, found in values.items()} == {
        "sum": {sum(hour)}, "mean": {sum(hour) // 12}, "p50": {hour[5]}
    }  # fmt: skip
    assert [len(found) for found in values.values()] == [24, 24, 24]
    assert manifest.group is not None
    [month] = manifest.group.months
    assert (month.pods, month.values, month.expected, month.withheld) == (12, 12 * 24, 12 * 24, 0)
    assert (manifest.group_size, manifest.readings) == (12, 72)
    assert not open_part(delivery, 1).part.contents.exists()


def test_a_class_in_an_area_and_a_postal_code_are_groups_too(world: World) -> None:
    points = world.points(6, area="A", usage_class="office", postal_code="00184")
    points += world.points(6, first=10, area="A", postal_code="00185")
    measured(world, points, [100] * 12)
    asked = activated(world)
    assert set(told(ask(world, asked, GroupOf(area="A", usage_class="office")))[1]["sum"]) == {6 * 406}
    assert set(told(ask(world, asked, GroupOf(postal_code="00185")))[1]["sum"]) == {6 * 406}
    assert set(told(ask(world, asked, GroupOf(area="A")))[1]["sum"]) == {12 * 406}


def test_a_slot_of_which_one_point_is_most_is_withheld_and_does_not_follow_from_another_granularity(
    world: World,
) -> None:
    points = world.points(6, area="A")
    measured(world, points, [100] * 6)
    at = datetime(2026, 3, 2, 9, tzinfo=UTC).isoformat()
    take_readings(f"pod,start,energy_wh\n{points[0].pod},{at},5000".encode(), "PT15M")
    world.work()
    asked = activated(world)
    manifest, values = told(ask(world, asked, GroupOf(area="A"), granularity="PT15M"))
    assert manifest.group is not None
    assert (values["sum"].count(MISSING), manifest.group.months[0].withheld) == (1, 1)
    again = ask(world, activated(world, OTHER), GroupOf(area="A"), granularity="PT1H")
    assert (again.state, again.code) == ("refused", "group_granularity")


def test_a_slot_in_which_a_member_has_no_value_has_none(world: World) -> None:
    points = world.points(6, area="A")
    measured(world, points[:5], [100] * 5)
    measured(world, points[5:], [100], days=2)
    manifest, values = told(ask(world, activated(world), GroupOf(area="A")))
    assert manifest.group is not None
    [month] = manifest.group.months
    assert values["sum"].count(MISSING) == 23
    assert (month.values, month.expected) == (5 * 24 + 1, 6 * 24)


def test_groups_that_differ_by_a_few_are_not_both_told_whoever_asks(world: World) -> None:
    points = world.points(10, area="A", postal_code="1") + world.points(2, first=20, area="A", postal_code="2")
    measured(world, points, [100] * 12)
    ask(world, activated(world), GroupOf(area="A"))
    theirs = activated(world, OTHER)
    with pytest.raises(GroupTooSmall) as refused:
        ask(world, theirs, GroupOf(postal_code="1"))
    assert (refused.value.code, refused.value.field) == ("group_too_small", "/over")
    assert "12" not in refused.value.detail
    assert "10" not in refused.value.detail
    assert ask(world, theirs, GroupOf(area="A")).state == "published"


def test_who_is_in_a_group_is_settled_for_the_month_and_anew_for_the_next(world: World) -> None:
    points = world.points(6, area="A")
    measured(world, points, [100] * 6, days=40)
    asked = activated(world)
    ask(world, asked, GroupOf(area="A"))
    Point.objects.filter(pk=points[0].pk).update(area="B")
    manifest, _ = told(ask(world, asked, GroupOf(area="A")))
    assert manifest.group_size == 6
    freeze_begun()
    assert [len(one.points) for one in FrozenGroup.objects.order_by("month")] == [6, 5]
    april = Period(first=date(2026, 4, 1), until=date(2026, 4, 2))
    assert told(ask(world, asked, GroupOf(area="A"), period=april))[0].group_size == 5


def test_days_and_months_are_those_of_our_zone_and_go_over_the_end_of_a_month(world: World) -> None:
    world.clock.now = datetime(2026, 5, 2, tzinfo=UTC)
    points = world.points(6, area="A")
    measured(world, points, [100] * 6, days=40)
    asked = activated(world)
    over_the_end = Period(first=date(2026, 3, 28), until=date(2026, 4, 3))
    manifest, values = told(ask(world, asked, GroupOf(area="A"), period=over_the_end, granularity="P1D"))
    assert values["sum"] == [6 * 406 * hours for hours in (24, 23, 24, 24, 24, 24)]
    assert manifest.group is not None
    assert [(one.month, one.expected) for one in manifest.group.months] == [
        (date(2026, 3, 1), 24), (date(2026, 4, 1), 12)
    ]  # fmt: skip
    march = Period(first=date(2026, 3, 1), until=date(2026, 4, 1))
    assert told(ask(world, asked, GroupOf(area="A"), period=march, granularity="P1M"))[1]["sum"] == [
        6 * 406 * (31 * 24 - 1)
    ]


def test_a_correction_of_one_point_is_not_told_by_a_new_version(world: World) -> None:
    points = world.points(6, area="A")
    measured(world, points, [100] * 6)
    delivery = ask(world, activated(world), GroupOf(area="A"))
    measured(world, points[:1], [130])
    world.follow()
    delivery.refresh_from_db()
    assert delivery.version == 1


def test_who_asks_anew_after_a_correction_of_few_does_not_learn_it_and_of_many_learns_the_total(world: World) -> None:
    points = world.points(6, area="A")
    measured(world, points, [100] * 6)
    asked = activated(world)
    ask(world, asked, GroupOf(area="A"))
    assert set(told(ask(world, asked, GroupOf(area="A")))[1]["sum"]) == {6 * 406}
    assert GroupAnswered.objects.count() == 1
    world.clock.now += timedelta(hours=1)
    measured(world, points[:1], [130])
    world.clock.now += timedelta(hours=1)
    manifest, values = told(ask(world, activated(world, OTHER), GroupOf(area="A")))
    assert set(values["sum"]) == {MISSING}
    assert manifest.group is not None
    assert manifest.group.months[0].withheld == 24
    refused = ask(world, asked, GroupOf(area="A"), granularity="PT15M")
    assert (refused.state, refused.code) == ("refused", "group_granularity")
    measured(world, points[1:5], [130] * 4)
    world.clock.now += timedelta(hours=1)
    assert set(told(ask(world, asked, GroupOf(area="A")))[1]["sum"]) == {5 * 526 + 406}, (
        "five differ from what was told"
    )
    measured(world, points, [150] * 6)
    world.clock.now += timedelta(hours=1)
    assert set(told(ask(world, asked, GroupOf(area="A")))[1]["sum"]) == {6 * 606}


@pytest.mark.parametrize(
    ("over", "more", "code", "field"),
    [
        (GroupOf(area="nowhere"), {}, "group_too_small", "/over"),
        (GroupOf(area="A"), {"measures": ("p50",)}, "group_too_small", "/measures"),
        (GroupOf(area="A"), {"period": Period(first=date(2026, 4, 20), until=date(2026, 5, 2))}, "outside_activation",
         "/period"),
    ],
)  # fmt: skip
def test_what_is_not_told_is_refused_with_a_code(
    world: World, over: GroupOf, more: dict[str, object], code: str, field: str
) -> None:
    measured(world, world.points(6, area="A"), [100] * 6)
    with pytest.raises(MeterhallError) as refused:
        ask(world, activated(world), over, **more)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert not FrozenGroup.objects.filter(area="nowhere").exists()


def test_a_month_to_come_and_a_contract_of_single_curves_have_no_groups_of_ours(world: World) -> None:
    points = world.points(6, area="A")
    measured(world, points, [100] * 6)
    world.clock.now = datetime(2026, 3, 20, tzinfo=UTC)
    with pytest.raises(MonthNotBegun):
        ask(world, activated(world), GroupOf(area="A"), period=Period(first=date(2026, 4, 2), until=date(2026, 4, 3)))
    single = world.activated(points)
    with pytest.raises(OutsideActivation) as refused:
        ask(world, single, GroupOf(area="A"))
    assert refused.value.field == "/over"


@pytest.mark.parametrize(
    "wrong",
    [{"group": False}, {"pseudonyms": ("0" * 36,)}, {"measures": ("sum", "sum")}, {"over": {"usage_class": "office"}},
     {"over": {"area": "A", "postal_code": "1"}}, {"measures": ("minimum",)},
     {"over": None, "group": False, "measures": ("sum",)}],
)  # fmt: skip
def test_a_request_that_says_two_things_is_no_request(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {
        "activation_id": "act_" + "0" * 24, "period": DAYS, "granularity": "PT1H", "format": "csv", "group": True,
        "over": {"area": "A"},
    }  # fmt: skip
    DataRequest.model_validate(right)
    with pytest.raises(ValueError, match="DataRequest"):
        DataRequest.model_validate(right | wrong)
