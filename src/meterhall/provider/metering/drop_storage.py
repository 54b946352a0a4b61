"""A folder elsewhere, over SFTP or in a bucket, that files of readings are taken from by the rules of the drop folder.

A file lies still when two looks some seconds apart find it alike: the other side's clock is not asked. It is copied
here whole, and found alike once more, before it is taken; then it moves to `taken/` beside, or to `refused/` with the
reason.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import structlog

from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.canonical import new_id
from meterhall.provider.metering.drop_folder import STILL_S, is_unfinished, is_watched, take_as
from meterhall.provider.metering.service import PIECE_BYTES, ingest_folder
from meterhall.web.storage import Place, opened

log = structlog.get_logger(__name__)
State = tuple[int, str]
"""How long a file is, and what says that it is another: its time there, or its tag."""
_seen: Final[dict[str, tuple[State, float]]] = {}
"""Of each file seen by this process how it was, and since when."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that lies still."""

    path: str
    folder: str
    name: str
    state: State
    changed: str


def look_elsewhere(address: str, *, still_s: float = STILL_S) -> int:
    """Take the files that lie still; how many were taken. Safe to repeat after a crash anywhere.

    Raises like `web.storage.opened`.
    """
    taken = 0
    with opened(address) as place:
        for file in list(_waiting(place, still_s)):
            try:
                run = _take(place, file)
            except MeterhallError as refusal:
                _put_beside(place, file, "refused", refusal.detail)
                log.warning("drop_folder.refused", code=refusal.code)
                continue
            if run is None:
                continue
            _put_beside(place, file, "taken")
            log.info("drop_folder.taken", run=run)
            taken += 1
    return taken


def _waiting(place: Place, still_s: float) -> Iterator[Waiting]:
    """The files to take, the oldest first: a later file may correct an earlier one."""
    found: list[Waiting] = []
    for folder in _listed(place, place.path or "/"):
        name = _name(folder)
        if folder["type"] != "directory" or not is_watched(name):
            continue
        for file in _listed(place, place.at(name)):
            if file["type"] == "file" and not is_unfinished(_name(file)):
                path = place.at(name, _name(file))
                info = place.fs.info(path)
                found.append(Waiting(path, name, _name(file), _state(info), _changed(info)))
    known = {one.path: _seen.get(one.path) for one in found}
    now = time.monotonic()
    for one in found:
        before = known[one.path]
        if before is None or before[0] != one.state:
            _seen[one.path] = one.state, now
    for one in sorted(found, key=lambda one: (one.changed, one.path)):
        if now - _seen[one.path][1] >= still_s:
            yield one


def _listed(place: Place, path: str) -> list[dict[str, Any]]:
    try:
        listed: list[dict[str, Any]] = place.fs.ls(path, detail=True)
    except FileNotFoundError:
        return []
    return listed


def _name(info: dict[str, Any]) -> str:
    return str(info["name"]).rstrip("/").rpartition("/")[2]


def _state(info: dict[str, Any]) -> State:
    return int(info["size"]), str(info.get("e_tag") or info.get("mtime") or "")


def _changed(info: dict[str, Any]) -> str:
    return str(info.get("mtime") or info.get("last_modified") or "")


def _take(place: Place, file: Waiting) -> int | None:
    """The run of a file that was copied whole; None where it changed meanwhile."""
    folder = ingest_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    coming = folder / f".{new_id('in')}"
    try:
        private = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(private, "wb") as here, place.fs.open(file.path, "rb") as there:
            while piece := there.read(PIECE_BYTES):
                here.write(piece)
        if _state(place.fs.info(file.path)) != file.state or coming.stat().st_size != file.state[0]:
            _seen.pop(file.path, None)
            return None
        with coming.open("rb") as content:
            return take_as(file.folder, content, file.name).pk
    finally:
        coming.unlink(missing_ok=True)


def _put_beside(place: Place, file: Waiting, where: str, reason: str = "") -> None:
    """Move a file away; one of the same name that is there already is kept, and this one gets a number."""
    stem, dot, suffix = file.name.rpartition(".")
    target, number = place.at(file.folder, where, file.name), 1
    while place.size(target) is not None:
        number += 1
        numbered = f"{stem}-{number}{dot}{suffix}" if dot else f"{file.name}-{number}"
        target = place.at(file.folder, where, numbered)
    place.fs.makedirs(target.rpartition("/")[0], exist_ok=True)
    if reason:
        with place.fs.open(target + ".reason.txt", "wb") as note:
            note.write((reason + "\n").encode())
    place.fs.mv(file.path, target)
    _seen.pop(file.path, None)
