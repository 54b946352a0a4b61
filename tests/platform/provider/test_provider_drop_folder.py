"""The drop folder: what is taken from it, what is left lying, and that nothing is taken twice."""

from __future__ import annotations

import os
import time
from datetime import date
from pathlib import Path

import pytest

from meterhall.provider.metering.drop_folder import look_into
from meterhall.provider.metering.models import IngestRun
from tests.platform.provider.conftest import World

pytestmark = pytest.mark.django_db


def drop(folder: Path, name: str, pod: str, wh: int, age_s: float = 60) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"pod,start,energy_wh\n{pod},2026-03-01T00:00:00Z,{wh}\n")
    then = time.time() - age_s
    os.utime(file, (then, then))
    return file


def test_files_are_taken_in_the_order_they_were_written(world: World, tmp_path: Path) -> None:
    pod = world.points()[0].pod
    drop(tmp_path, "PT15M/b.csv", pod, 100, age_s=90)
    drop(tmp_path, "PT15M/a.csv", pod, 120, age_s=60)
    assert look_into(tmp_path) == 2
    world.work()
    runs = IngestRun.objects.order_by("pk")
    assert [(run.name, run.days_written, run.quarantined) for run in runs] == [("b.csv", 1, 0), ("a.csv", 1, 0)]
    assert sorted(file.name for file in (tmp_path / "PT15M" / "taken").iterdir()) == ["a.csv", "b.csv"]
    assert look_into(tmp_path) == 0


def test_what_is_still_written_or_stands_elsewhere_is_left(world: World, tmp_path: Path) -> None:
    pod = world.points()[0].pod
    left = [
        drop(tmp_path, "PT15M/fresh.csv", pod, 1, age_s=0),
        drop(tmp_path, "PT15M/coming.csv.part", pod, 1),
        drop(tmp_path, "PT15M/.hidden.csv", pod, 1),
        drop(tmp_path, "loose.csv", pod, 1),
        drop(tmp_path, "PT7M13S/odd.csv", pod, 1),
        drop(tmp_path, "P1W/weeks.csv", pod, 1),
    ]
    assert look_into(tmp_path) == 0
    assert all(file.exists() for file in left)
    assert not IngestRun.objects.exists()


def test_a_crash_between_taking_and_moving_takes_nothing_twice(world: World, tmp_path: Path) -> None:
    pod = world.points()[0].pod
    file = drop(tmp_path, "PT15M/day.csv", pod, 100)
    content = file.read_bytes()
    look_into(tmp_path)
    file.write_bytes(content)
    then = time.time() - 60
    os.utime(file, (then, then))
    look_into(tmp_path)
    assert IngestRun.objects.count() == 1
    assert sorted(one.name for one in (tmp_path / "PT15M" / "taken").iterdir()) == ["day-2.csv", "day.csv"]


def test_the_worker_looks_into_the_folder_that_is_set(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from meterhall.provider.metering.tasks import look_into_drop_folder

    look_into_drop_folder()
    file = drop(tmp_path, "PT15M/day.csv", world.points()[0].pod, 100)
    with_folder = world.home.config.model_copy(update={"drop_folder": str(tmp_path)})
    monkeypatch.setitem(vars(world.home), "config", with_folder)
    look_into_drop_folder()
    assert not file.exists()
    assert IngestRun.objects.get().received_at.date() == date(2026, 4, 1)
