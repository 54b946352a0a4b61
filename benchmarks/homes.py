"""A provider's home made for one measurement, its project loaded in this process: once a process, so measure apart."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from meterhall.web.home import Home

if TYPE_CHECKING:
    from meterhall.provider.metering.models import IngestRun

ROLE = "provider"


def provider(home: Path, ca: Path | None = None, **settings: object) -> Home:
    """A provider in a new home with an empty database."""
    from meterhall.cli.shared import django_ready, migrate

    usual = {"role": ROLE, "name": "Example grid", "country": "IT", "zone": "Europe/Rome", "log_level": "ERROR"}
    made = Home.create(home, usual | settings, ca)
    django_ready(ROLE, home, new=True)
    migrate()
    return made


def register(pods: list[str], holders: Mapping[str, str] | None = None, zone: str = "Europe/Rome") -> None:
    """Metering points of these PODs, each held since 2016 by whom `holders` says."""
    from datetime import date

    from meterhall.provider.points.schemas import OccupancyIn, PointIn
    from meterhall.provider.points.service import register_points

    stays = {pod: (OccupancyIn(holder_reference=who, first=date(2016, 1, 1)),) for pod, who in (holders or {}).items()}
    for at in range(0, len(pods), 10_000):
        register_points(
            tuple(PointIn(pod=pod, zone=zone, occupancies=stays.get(pod, ())) for pod in pods[at : at + 10_000])
        )


def take(file: Path, resolution: str) -> IngestRun:
    """A file of readings into the lake, as the worker does it; all of its rows."""
    from meterhall.provider.metering.service import take_readings
    from meterhall.provider.metering.working import work_in
    from meterhall.web.work.models import WorkState

    with file.open("rb") as content:
        run = take_readings(content, resolution)
    work_in(run)
    type(run).objects.filter(pk=run.pk).update(work_state=WorkState.DONE)
    run.refresh_from_db()
    assert not run.problem, run.problem
    assert not run.quarantined, f"{run.quarantined} rows were set aside"
    return run


@contextmanager
def emptied_lake(home: Path) -> Iterator[None]:
    """The provider's lake, without anything in it."""
    from meterhall.provider.metering.service import _lake

    _lake.cache_clear()
    shutil.rmtree(home / "lake", ignore_errors=True)
    yield
