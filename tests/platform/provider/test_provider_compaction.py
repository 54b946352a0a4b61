"""The provider's lake is compacted in the background, while others read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from meterhall.lake import lake as reading
from meterhall.provider.metering.service import lake, spec
from meterhall.web.work import schedules
from tests.platform.provider.conftest import World


def test_every_hour_the_lake_is_compacted_and_a_reader_on_its_way_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = "meterhall.provider.metering.tasks.compact"
    monkeypatch.setattr(schedules, "REPEATED", {mine: schedules.REPEATED[mine]})
    points = world.points(4)
    for wh in (100, 200, 300):
        world.readings(points, date(2026, 3, 1), date(2026, 3, 3), wh=wh)
    specs = [spec(series) for point in points for series in point.series.all()]
    start, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
    expected = [block.mantissas.tolist() for block in lake().read(specs, start, end)]
    assert [one[0] for one in expected] == [300] * 4
    monkeypatch.setattr(reading, "BLOCK_SLOTS", 2 * 96)
    reader = lake().read(specs, start, end)
    found = [next(reader).mantissas.tolist()]
    stale = lake()._table.snapshot()
    assert len(stale.files) == 3
    schedules.fire_schedules(world.clock())
    assert len(lake()._table.snapshot().files) == 1
    found += [block.mantissas.tolist() for block in reader]
    assert found == expected
    changed = lake()._retried(lambda snapshot: lake()._engine.changes(snapshot, 0), stale)
    assert len(changed) == 4 * 2, "what the older version consists of is still there"
    for wh, number in ((400, 2), (500, 3)):
        world.readings(points, date(2026, 3, 1), date(2026, 3, 3), wh=wh)
        assert len(lake()._table.snapshot().files) == number
    schedules.fire_schedules(world.clock() + timedelta(minutes=5))
    assert len(lake()._table.snapshot().files) == 3, "not yet"
    schedules.fire_schedules(world.clock() + timedelta(hours=1, minutes=1))
    assert len(lake()._table.snapshot().files) == 1
