"""A folder that cannot be written is named by `check`, by the figures and on the page of the day."""

from __future__ import annotations

from datetime import date

import pytest

from meterhall.provider.metering import service
from meterhall.web import machine
from meterhall.web.check import run_checks
from tests.platform.provider.conftest import World
from tests.platform.provider.people import signed_in

pytestmark = pytest.mark.django_db


def test_a_folder_that_cannot_be_written_is_named_by_check_figure_and_page(world: World) -> None:
    assert machine.writable() == "can be written"
    home = world.home.path
    staff = signed_in("staff")
    world.readings(world.points(1), date(2026, 3, 1), date(2026, 3, 2))
    assert "cannot be written" not in staff.get("/today").content.decode()
    assert [one.name for one in (home / "lake").iterdir() if one.name.startswith(".tried")] == []
    for name, replace, says in (
        ("files", lambda place: place.symlink_to(place.parent / "gone"), "it leads to a folder that is not there"),
        ("files", lambda place: place.write_bytes(b""), "it is not a folder"),
        ("lake", lambda place: place.symlink_to(place.parent / "gone"), "it leads to a folder that is not there"),
    ):
        place, aside = home / name, home / f"{name}-aside"
        place.rename(aside)
        replace(place)
        with pytest.raises(ValueError, match=f"cannot be written: {place}: {says}"):
            machine.writable()
        [found] = [one for one in run_checks() if one.name == "folders"]
        assert (found.state, says in found.detail) == ("bad", True)
        machine.machine()
        assert machine.WRITABLE._value.get() == 0
        service._lake.cache_clear()  # as in a process that starts now
        page = staff.get("/today").content.decode()
        assert "cannot be written" in page
        assert says in page
        place.unlink()
        aside.rename(place)
    assert "cannot be written" not in staff.get("/today").content.decode()
