"""Every noun of the provider can be listed and searched by its staff, and none of the pages shows a whole POD."""

from __future__ import annotations

from datetime import date

import pytest

from meterhall.provider.metering.models import IngestRun
from meterhall.provider.metering.service import take_readings
from tests.platform.provider.conftest import HOLDER, REQUESTER, World
from tests.platform.provider.people import signed_in

pytestmark = pytest.mark.django_db


def test_a_point_is_found_by_its_pod_its_handle_and_its_holder(world: World) -> None:
    first, second = world.points(2)
    world.readings([first], date(2026, 3, 1), date(2026, 3, 2))
    staff = signed_in("staff")
    assert {first.handle, second.handle} <= _handles(staff.get("/points").content.decode(), first, second)
    for wanted, found in (
        (first.pod, {first.handle}),
        (first.pod.lower(), {first.handle}),
        (second.handle, {second.handle}),
        (HOLDER, {first.handle, second.handle}),
        ("H-999", set()),
    ):
        shown = staff.post("/points", {"wanted": wanted}).content.decode()
        assert _handles(shown, first, second) == found, wanted
    page = staff.get(f"/points/{first.handle}").content.decode()
    assert HOLDER in page
    assert "consumption" in page
    assert first.pod not in page
    assert first.pod not in staff.get("/points?export=csv").content.decode()
    assert staff.get("/points/pt_nothing").status_code == 404
    assert signed_in("customer", holder=HOLDER).get("/points").status_code == 403


def _handles(page: str, *points: object) -> set[str]:
    return {point.handle for point in points if f"/points/{point.handle}" in page}  # type: ignore[attr-defined]


def test_files_are_found_by_name_and_by_what_was_set_aside(world: World) -> None:
    [point] = world.points()
    take_readings(f"pod,start,energy_wh\n{point.pod},2026-03-01T00:00:00Z,1".encode(), "PT15M", name="good.csv")
    take_readings(b"pod,start,energy_wh\nIT001E12345678,2026-03-01T00:00:00Z,1", "PT15M", name="odd.csv")
    world.work()
    staff = signed_in("staff")

    def names(query: str) -> list[str]:
        lines = staff.get(f"/files?export=csv&{query}").content.decode().splitlines()[1:]
        return [line.split(",")[1] for line in lines]

    assert names("") == ["good.csv", "odd.csv"]
    assert names("name=ODD") == ["odd.csv"]
    assert names("aside=yes") == ["odd.csv"]
    assert "odd.csv" in staff.get("/files").content.decode()
    assert "odd.csv" in staff.get(f"/files/{IngestRun.objects.latest('pk').pk}").content.decode()


def test_consents_are_counted_by_requester_and_name_nobody(world: World) -> None:
    points = world.points(2)
    world.consent(points, world.contract())
    staff = signed_in("staff")
    page = staff.get("/consent-counts").content.decode()
    assert REQUESTER in page
    assert HOLDER not in page
    assert staff.get("/consent-counts?export=csv").content.decode().splitlines()[1].split(",")[2:] == [
        "2",
        "1",
        "0",
        "0",
    ]
    assert signed_in("customer", holder=HOLDER).get("/consent-counts").status_code == 403
