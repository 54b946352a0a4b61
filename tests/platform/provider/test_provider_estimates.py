"""Estimating: only where asked for, flagged in the lake, written down, and overtaken by what was measured."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from meterhall.domain.errors import InvalidInput
from meterhall.domain.readings import MISSING, Quality
from meterhall.domain.readings.estimation import Method
from meterhall.provider.metering.estimate import NoShape, UnknownSeries, estimate
from meterhall.provider.metering.intake import PLAIN
from meterhall.provider.metering.models import Estimation, Series
from meterhall.provider.metering.service import lake, spec, take_readings
from tests.platform.provider.conftest import World

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 10)
DAYS = (DAY, DAY + timedelta(days=1))


def hand_in(world: World, pod: str, first: datetime, values: list[int | None]) -> None:
    rows = [f"{pod},{(first + n * timedelta(hours=1)).isoformat()},{v}" for n, v in enumerate(values) if v is not None]
    take_readings(("pod,start,energy_wh\n" + "\n".join(rows)).encode(), "PT1H")
    world.work()


def stored(day: date = DAY) -> list[tuple[int | None, int]]:
    start = datetime.combine(day, datetime.min.time(), UTC) - timedelta(hours=1)
    block = next(iter(lake().read([spec(Series.objects.get())], start, start + timedelta(days=1))))
    pairs = zip(block.mantissas.tolist(), block.quality.tolist(), strict=True)
    return [(None if value == MISSING else value, code) for value, code in pairs]


@pytest.fixture
def pod(world: World) -> str:
    """A week before all is there; of the day in question three values of the morning and all from noon on are not."""
    pod = world.points()[0].pod
    hand_in(world, pod, datetime(2026, 3, 2, 23, tzinfo=UTC), [100 + n for n in range(24)])
    day = [200 + n for n in range(12)]
    hand_in(
        world, pod, datetime(2026, 3, 9, 23, tzinfo=UTC), [None if n in (4, 8, 9) else v for n, v in enumerate(day)]
    )
    return pod


def test_a_line_fills_short_holes_and_says_so(pod: str) -> None:
    made = estimate(pod, DAYS, Method.LINEAR, by="shell:ines")
    assert (made.missing, made.estimated) == (15, 3)
    assert [stored()[n] for n in (3, 4, 8, 9)] == [
        (203, 17), (204, Quality.ESTIMATED_INTERPOLATION), (208, Quality.ESTIMATED_INTERPOLATION), (209, 9)
    ]  # fmt: skip
    assert stored()[12][0] is None
    assert estimate(pod, DAYS, Method.LINEAR, by="shell:ines").estimated == 0
    assert Estimation.objects.filter(by="shell:ines", method="linear", first_day=DAY).count() == 2


def test_a_like_day_fills_the_rest_and_what_was_measured_replaces_it(world: World, pod: str) -> None:
    assert estimate(pod.lower(), DAYS, Method.LIKE_DAY, by="a").estimated == 15
    assert stored()[20] == (120, Quality.ESTIMATED_REFERENCE_DAY)
    assert stored()[3] == (203, Quality.VALIDATED)
    hand_in(world, pod, datetime(2026, 3, 10, 19, tzinfo=UTC), [777])
    assert stored()[20] == (777, Quality.VALIDATED)


def test_a_load_profile_comes_as_a_file(pod: str, tmp_path: Path) -> None:
    shape = tmp_path / "shape.csv"
    starts = [datetime(2026, 3, 9, 23, tzinfo=UTC) + n * timedelta(hours=1) for n in range(24)]
    shape.write_text("pod,start,energy_wh\n" + "\n".join(f"H0,{at.isoformat()},0.5" for at in starts))
    with pytest.raises(NoShape):
        estimate(pod, DAYS, Method.LOAD_PROFILE, by="a")
    made = estimate(pod, DAYS, Method.LOAD_PROFILE, by="a", shape=(shape, PLAIN))
    known = [200 + n for n in range(12) if n not in (4, 8, 9)]
    assert (made.estimated, stored()[20]) == (15, (round(sum(known) / len(known)), Quality.DERIVED))


def test_what_cannot_be_estimated_is_said(world: World, pod: str) -> None:
    with pytest.raises(UnknownSeries):
        estimate("IT001E00000000", DAYS, Method.LINEAR, by="a")
    with pytest.raises(UnknownSeries):
        estimate(pod, DAYS, Method.LINEAR, by="a", direction="export")
    for days in ((DAY, DAY), (date(2026, 5, 1), date(2026, 5, 2)), (DAY, date(2028, 1, 1))):
        with pytest.raises(InvalidInput):
            estimate(pod, days, Method.LINEAR, by="a")
    today = world.clock.now.date()
    made = estimate(pod, (today, today + timedelta(days=1)), Method.LINEAR, by="a")
    assert made.missing < 24, "hours to come are not missing"
