"""The C2SP tlog-tiles layout: which hashes make a tile, how its path is written, how entries are bundled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meterhall.domain.transparency.errors import BadTilePath
from meterhall.domain.transparency.merkle import TILE_WIDTH

_PATH = re.compile(
    r"(?P<level>entries|0|[1-9]\d?)/(?P<index>(?:x\d{3}/){0,4}\d{3})(?:\.p/(?P<width>[1-9]\d{0,2}))?", re.ASCII
)
MAX_LEVEL = 63


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile, or with `level` None an entry bundle; `width` is 256 unless it is a partial one at the right edge."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    @property
    def first(self) -> int:
        """Index, within its level, of the first hash or entry."""
        return self.index * TILE_WIDTH

    @property
    def until(self) -> int:
        """Index behind the last one."""
        return self.first + self.width

    @property
    def path(self) -> str:
        """The path below `/tile/`: index 1234067 of level 0 is `0/x001/x234/067`."""
        digits = f"{self.index:d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        place = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
        level = "entries" if self.level is None else self.level
        return f"{level}/{place}" + (f".p/{self.width}" if self.width < TILE_WIDTH else "")


def parse_path(path: str) -> Tile:
    """The tile of a path below `/tile/`. Raises `BadTilePath`, also for a second spelling of the same tile."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise BadTilePath(field="/path")
    level = None if found["level"] == "entries" else int(found["level"])
    index = int(found["index"].replace("x", "").replace("/", ""))
    tile = Tile(level, index, int(found["width"] or TILE_WIDTH))
    if tile.path != path or (level or 0) > MAX_LEVEL:
        raise BadTilePath(field="/path")
    return tile


def completed(size: int) -> Iterator[Tile]:
    """The tiles, lowest first, that became full when the tree grew to `size` leaves."""
    level = 0
    while size and size % TILE_WIDTH == 0:
        size //= TILE_WIDTH
        yield Tile(level, size - 1)
        level += 1


def bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry behind its length in two bytes, big-endian."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
