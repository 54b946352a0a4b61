"""A folder that the meter-data system drops files of readings into: FOLDER/PT15M/yesterday.csv, FOLDER/PROFILE/….

A file is taken once it has lain still; then it is in the home, and moves to `taken/` beside. What came of it is a run
like any other. A file that cannot be taken moves to `refused/`, with the reason beside it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import structlog

from meterhall.domain.errors import MeterhallError
from meterhall.domain.readings.granularity import UnknownGranularity, parse_granularity
from meterhall.provider.metering.intake import PLAIN, BadProfile, UnknownProfile, load_profile
from meterhall.provider.metering.models import IngestRun
from meterhall.provider.metering.service import take_readings
from meterhall.web.platform import platform

log = structlog.get_logger(__name__)
STILL_S = 3.0
"""A file that changed less long ago may still be written."""
UNFINISHED = (".part", ".tmp", ".filepart", ".crdownload")


def look_into(folder: Path, *, still_s: float = STILL_S) -> int:
    """Take the files that lie still in `folder`; how many were taken. Safe to repeat after a crash anywhere."""
    taken = 0
    for file in list(_waiting(folder, still_s)):
        try:
            run = _take(file)
        except MeterhallError as refusal:
            _put_beside(file, "refused", refusal.detail)
            log.warning("drop_folder.refused", code=refusal.code)
            continue
        except OSError as fault:
            log.warning("drop_folder.unreadable", error=type(fault).__name__)
            continue
        _put_beside(file, "taken")
        log.info("drop_folder.taken", run=run.pk)
        taken += 1
    return taken


def _waiting(folder: Path, still_s: float) -> Iterator[Path]:
    """The files to take, the oldest first: a later file may correct an earlier one."""
    found: list[tuple[int, Path]] = []
    for inside in sorted(folder.iterdir()):
        if not (inside.is_dir() and is_watched(inside.name)):
            continue
        for file in inside.iterdir():
            if is_unfinished(file.name) or not file.is_file():
                continue
            changed = file.stat().st_mtime_ns
            if time.time_ns() - changed >= still_s * 1e9:
                found.append((changed, file))
    yield from (file for _, file in sorted(found))


def _take(file: Path) -> IngestRun:
    """Take a file as the name of its folder says: a resolution, or a profile that names one."""
    with file.open("rb") as content:
        return take_as(file.parent.name, content, file.name)


def take_as(said: str, content: IO[bytes], name: str) -> IngestRun:
    """Take a file as the name of the folder it lay in says: a resolution, or a profile that names one."""
    is_resolution = _names_resolution(said)
    profile = PLAIN if is_resolution else load_profile(platform().home.path, said)
    return take_readings(content, said if is_resolution else "", name=name, profile=profile)


def is_watched(folder: str) -> bool:
    """Whether files are taken from a folder of this name."""
    return _names_resolution(folder) or _names_profile(folder)


def is_unfinished(name: str) -> bool:
    """Whether a file's name says that it is still on its way, or hidden."""
    return name.startswith(".") or name.endswith(UNFINISHED)


def _names_profile(name: str) -> bool:
    try:
        load_profile(platform().home.path, name)
    except UnknownProfile:
        return False
    except BadProfile:
        return True  # each file is then refused with the reason
    return True


def _names_resolution(name: str) -> bool:
    try:
        parse_granularity(name)
    except UnknownGranularity:
        return False
    return True


def _put_beside(file: Path, where: str, reason: str = "") -> None:
    """Move a file away; one of the same name that is there already is kept, and this one gets a number."""
    folder = file.parent / where
    folder.mkdir(exist_ok=True)
    place, number = folder / file.name, 1
    while place.exists():
        number += 1
        place = folder / f"{file.stem}-{number}{file.suffix}"
    file.rename(place)
    if reason:
        place.with_name(place.name + ".reason.txt").write_text(reason + "\n", "utf-8")
