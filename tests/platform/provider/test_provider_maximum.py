"""What a connection can carry: handed in by every door, and values of more set aside until somebody lets them in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from django.test import Client, override_settings

from meterhall.domain.errors import InvalidInput
from meterhall.domain.pods import demonstration_pod
from meterhall.domain.readings import MISSING
from meterhall.provider.metering.intake import profile_of
from meterhall.provider.metering.models import IngestRun, Series
from meterhall.provider.metering.release import decide
from meterhall.provider.metering.service import lake, spec, take_readings
from meterhall.provider.points.models import Point
from meterhall.provider.points.service import import_points
from meterhall.web.home import Home
from meterhall.web.platform import Platform
from meterhall.web.staff.service import create_staff_key
from tests.platform.provider.conftest import World, settings
from tests.platform.provider.people import signed_in

pytestmark = pytest.mark.django_db
FIRST, SECOND = (demonstration_pod("IT", n).value for n in (0, 1))
MARCH = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


def write(folder: Path, *lines: str) -> Path:
    file = folder / "points.csv"
    file.write_text("\n".join(lines))
    return file


def limited(folder: Path, *powers: int | str) -> None:
    """Points whose connections carry so many W, by a file."""
    pods = (demonstration_pod("IT", number).value for number in range(len(powers)))
    lines = (f"{pod},Europe/Rome,{power}" for pod, power in zip(pods, powers, strict=True))
    import_points(write(folder, "pod,zone,maximum_power_w", *lines))


def hand_in(world: World, granularity: str, *rows: str, **profile: object) -> IngestRun:
    content = "\n".join(["pod,start,energy_wh,direction", *rows]).encode()
    run = take_readings(content, granularity, profile=profile_of(profile))
    world.work()
    run.refresh_from_db()
    return run


def aside(run: IngestRun) -> list[tuple[int, str]]:
    return list(run.quarantine.order_by("row").values_list("row", "rule"))


def stored() -> list[int]:
    blocks = lake().read([spec(one) for one in Series.objects.order_by("pk")], *MARCH)
    values = np.concatenate([block.mantissas for block in blocks])
    return [int(value) for value in values[values != MISSING]]


def test_a_mix_up_of_wh_and_kwh_is_set_aside_and_what_is_right_after_all_is_released(
    world: World, tmp_path: Path
) -> None:
    limited(tmp_path, 6000, "")
    starts = [f"2026-03-01T00:{minute:02}:00Z" for minute in (0, 15, 30, 45)]
    run = hand_in(world, "PT15M", *(f"{FIRST},{at},{wh}," for at, wh in zip(starts, (1500, 1501, 400_000, 1600),
                  strict=True)), f"{SECOND},{starts[0]},400000,")  # fmt: skip
    assert aside(run) == [(2, "V2"), (3, "V2"), (4, "V2")]
    assert stored() == [1500, 400_000], "nothing is known of the second one's connection"
    decide(run, releases=True, by="anna", rows=(4,), reason="A new fuse")
    world.work()
    assert stored() == [1500, 1600, 400_000]


def test_the_most_of_a_slot_is_in_the_scale_of_its_series_and_of_both_ways_of_net(world: World, tmp_path: Path) -> None:
    limited(tmp_path, 1000, 2000)
    rows = [f"{FIRST},2026-03-01T00:00:00Z,250.00,", f"{FIRST},2026-03-01T00:15:00Z,250.01,"]
    rows += [f"{SECOND},2026-03-01T0{hour}:00:00Z,{wh},net" for hour, wh in enumerate((-500, -501, 500, 501))]
    run = hand_in(world, "PT15M", *rows, scale=-2)
    assert (run.problem, aside(run)) == ("", [(2, "V2"), (4, "V2"), (6, "V2")])
    assert stored() == [25_000, -50_000, 50_000]


def test_a_civil_day_counts_as_its_longest_and_a_month_too(world: World, tmp_path: Path) -> None:
    limited(tmp_path, 1000, 1000)
    days = hand_in(world, "P1D", f"{FIRST},2025-10-26,25000,", f"{FIRST},2026-03-02,25001,")
    months = hand_in(world, "P1M", f"{SECOND},2025-10,745000,", f"{SECOND},2026-01,745001,")
    assert (aside(days), aside(months)) == ([(2, "V2")], [(2, "V2")])


def test_the_settings_limit_the_points_of_which_nothing_is_known(world: World, tmp_path: Path) -> None:
    home = Home.create(tmp_path / "limiting", settings() | {"maximum_power_w": 4000}, None)
    with override_settings(METERHALL=Platform(home, clock=world.clock)):
        limited(tmp_path, 1000, 8000, "")
        third = demonstration_pod("IT", 2).value
        values = {FIRST: (250, 251), SECOND: (2000, 2001), third: (1000, 1001)}
        rows = [f"{pod},2026-03-01T00:{15 * place:02}:00Z,{wh}," for pod, both in values.items()
                for place, wh in enumerate(both)]  # fmt: skip
        assert aside(hand_in(world, "PT15M", *rows)) == [(2, "V2"), (4, "V2"), (6, "V2")]
        assert stored() == [250, 2000, 1000]


def test_what_can_never_be_kept_is_no_judgement_and_stays_out(world: World) -> None:
    pod = world.points()[0].pod
    run = hand_in(world, "PT15M", f"{pod},2026-03-01T00:00:00Z,{10**15},", f"{pod},2026-03-01T00:15:00Z,{10**15 + 1},")
    assert aside(run) == [(2, "V14")]


def test_the_power_comes_by_the_interface_and_stays_where_it_is_not_said(world: World, tmp_path: Path) -> None:
    office = Client(headers={"Authorization": f"Bearer {create_staff_key('meters')}"})

    def put(key: str, **said: object) -> tuple[int, int | None]:
        body = {"points": [{"pod": FIRST, "zone": "Europe/Rome", **said}]}
        answer = office.put("/api/points", json.dumps(body), content_type="application/json",
                            headers={"Idempotency-Key": key})  # fmt: skip
        point = Point.objects.filter(pod=FIRST).first()
        return answer.status_code, None if point is None else point.maximum_power_w

    assert put("a", maximum_power_w=6600) == (200, 6600)
    assert office.get("/api/points").json()["items"][0]["maximum_power_w"] == 6600
    assert put("b", area="Lazio") == (200, 6600)
    import_points(write(tmp_path, "pod,zone", f"{FIRST},Europe/Rome"))
    assert put("c", maximum_power_w=0) == (422, 6600)
    assert put("d", maximum_power_w="7000") == (422, 6600), "a number is no text"
    assert put("e", maximum_power_w=None) == (200, None)
    limited(tmp_path, 3300)
    limited(tmp_path, "")
    assert Point.objects.get(pod=FIRST).maximum_power_w is None


@pytest.mark.parametrize("said", ["6.6", "-1", "0", "6 kW", "٣", str(10**13), "9" * 5000])
def test_a_power_that_is_none_is_refused_by_line_and_column(world: World, tmp_path: Path, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        limited(tmp_path, 6000, said)
    assert (refused.value.field, Point.objects.exists()) == ("/lines/3/maximum_power_w", False)


def test_staff_sees_what_the_connection_can_carry(world: World) -> None:
    known, unknown = world.points(1, maximum_power_w=6600)[0], world.points(1, first=1)[0]
    staff = signed_in("staff")
    pages = [staff.get(f"/points/{one.handle}").content.decode() for one in (known, unknown)]
    assert ["6600" in page.replace(",", "").replace("\N{NO-BREAK SPACE}", "") for page in pages] == [True, False]
    assert all("Power of the connection (W)" in page for page in pages)
