"""Measures of a group: read as one table, and as its members' curves; both say the same."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from meterhall.domain.protocol.base import Period
from meterhall.domain.readings import MISSING
from meterhall.domain.readings.granularity import parse_granularity
from meterhall.provider.activations.service import frame_of
from meterhall.provider.deliveries import sums
from meterhall.provider.deliveries.curves import curves_over
from meterhall.provider.deliveries.entitled import Entitled, entitled
from meterhall.provider.metering.models import Series
from meterhall.provider.metering.service import lake, take_readings
from meterhall.provider.points.models import Point
from tests.platform.provider.conftest import World

pytestmark = pytest.mark.django_db
DAYS = Period(first=date(2026, 3, 1), until=date(2026, 3, 31))
"""From one UTC month into the next, and over the clock change."""
MEASURES = ("sum", "mean", "p10", "p90")


def measured(world: World, count: int, missing: float) -> list[Entitled]:
    """So many members of Rome with readings of their own, a share of which is missing."""
    points = world.points(count)
    chance = np.random.default_rng(count)
    start = int(np.datetime64("2026-02-28T23:00:00", "s").astype(np.int64))
    lines = ["pod,start,energy_wh"]
    for number, point in enumerate(points):
        for slot in range(30 * 96 - 4):
            if chance.random() >= missing:
                at = np.datetime64(start + 900 * slot, "s")
                value = 5000 + slot % 4 if number == 3 and slot % 48 < 4 else int(chance.integers(0, 300))
                lines.append(f"{point.pod},{at}Z,{value}")
    take_readings("\n".join(lines).encode(), "PT15M")
    world.work()
    return members_of(world, points)


def members_of(world: World, points: list[Point]) -> list[Entitled]:
    activation = world.activated(points)
    found = entitled(frame_of(activation), activation.items.select_related("point", "consent_item"), DAYS)
    return list(found.values())


@pytest.mark.parametrize("granularity", ["PT15M", "PT1H"])
@pytest.mark.parametrize("missing", [0.0, 0.001])
def test_table_and_totals_say_what_the_curves_say(
    world: World, monkeypatch: pytest.MonkeyPatch, granularity: str, missing: float
) -> None:
    monkeypatch.setattr(sums, "VALUES_AT_ONCE", 12 * 96 * 2)
    members, wanted = measured(world, 12, missing), parse_granularity(granularity)
    curves = [curve for _, curve in curves_over(members, "import", DAYS, wanted)]

    slow = sums._by_curves(curves, MEASURES)
    for measures in (MEASURES, MEASURES[:2], MEASURES[:1]):
        fast = sums._by_table(DAYS, members, "import", wanted, measures, None)

        assert fast is not None
        for name in ("members", "scale", "there", "known"):
            assert getattr(fast, name) == getattr(slow, name), name
        assert fast.edges.tolist() == slow.edges.tolist()
        assert fast.hidden.tolist() == slow.hidden.tolist()
        assert fast.hidden.any()
        assert set(fast.values) == set(measures)
        for measure in measures:
            assert fast.values[measure].tolist() == slow.values[measure].tolist(), measure
        assert (fast.values["sum"] == MISSING).any() == bool(missing)


def test_plain_sums_take_no_values_out_of_the_engine(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    members, wanted = measured(world, 6, 0.0), parse_granularity("PT15M")
    monkeypatch.setattr(lake().__class__, "table", lambda *_, **__: pytest.fail("values were read"))
    assert sums._by_table(DAYS, members, "import", wanted, MEASURES[:2], None) is not None


def test_a_member_without_a_value_makes_the_sum_known_now(world: World) -> None:
    members, wanted = measured(world, 6, 0.0), parse_granularity("PT15M")
    silent, start = members[0].point, datetime(2026, 2, 28, 23, tzinfo=UTC)
    lake().erase(Series.objects.filter(point=silent).values_list("pk", flat=True))
    curves = [curve for _, curve in curves_over(members, "import", DAYS, wanted)]
    by_curves = sums._by_curves(curves, ("sum",))
    for measures in (("sum",), MEASURES):
        found = sums._by_table(DAYS, members, "import", wanted, measures, None)
        assert found is not None
        assert found.known >= by_curves.known > start
        assert (found.values["sum"] == MISSING).all()
        assert found.there == by_curves.there > 0


def test_a_member_with_several_series_is_alike_where_one_of_them_serves(world: World) -> None:
    members, grains = measured(world, 6, 0.0), ("PT15M", "PT1H")
    before = [sums._by_table(DAYS, members, "import", parse_granularity(one), MEASURES, None) for one in grains]
    point = members[0].point
    Series.objects.create(point=point, direction="import", resolution_s=3600)
    Series.objects.create(point=point, direction="import", resolution_s=900, scale=3, civil="P1D")
    Series.objects.create(point=point, direction="export", resolution_s=900)
    for one, was in zip(grains, before, strict=True):
        found = sums._by_table(DAYS, members, "import", parse_granularity(one), MEASURES, None)
        assert was is not None
        if one == "PT15M":
            assert found is not None
            assert found.values["sum"].tolist() == was.values["sum"].tolist()
        else:
            assert found is None, "two series serve the hours"


def test_members_that_are_not_alike_make_no_table(world: World) -> None:
    members, quarter = measured(world, 12, 0.0), parse_granularity("PT15M")
    assert sums._by_table(DAYS, members, "import", parse_granularity("P1D"), MEASURES, None) is None
    shorter = Period(first=DAYS.first, until=date(2026, 3, 30))
    assert sums._by_table(shorter, members, "import", quarter, MEASURES, None) is None
