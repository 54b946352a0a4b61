"""What every format has in common: its shape, the facts about a part that are not in its curves, the refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from meterhall.domain.errors import InvalidInput, TooLarge
from meterhall.domain.readings import Curve

MOST_SLOTS: Final = 64 * 1024 * 1024
"""Slots a reader makes of one file at most: a small file can claim a very long curve."""


Block = bytes | memoryview
"""A part of a file on its way out, to be written or joined to others."""


class DecodeError(InvalidInput):
    code = "format_invalid"
    title = "The file is not what its format says."


class EncodeError(InvalidInput):
    code = "not_expressible"
    title = "The format has no way to say this."


class FileTooLarge(TooLarge):
    code = "file_too_large"
    title = f"The file holds more than {MOST_SLOTS} slots."


@dataclass(frozen=True, slots=True)
class PartHeader:
    """What a file says besides its curves.

    `zones` gives the IANA zone of each usage point whose zone is not `default_zone`. `base_url` is the provider's, with
    no slash at its end; `country` (ISO 3166, two letters) too. `period` is from when until when (UTC) the values were
    asked for. A format takes of it what it has a place for.
    """

    delivery_id: str
    part_number: int = 1
    provider: str = ""
    provider_name: str = ""
    base_url: str = "https://provider.example"
    zones: Mapping[str, str] = field(default_factory=dict)
    default_zone: str = "Europe/Brussels"
    title: str = "Load curves"
    published_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    updated_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    requester: str = ""
    country: str = "BE"
    period: tuple[datetime, datetime] | None = None

    def zone_of(self, usage_point: str) -> str:
        """The IANA zone of a usage point."""
        return self.zones.get(usage_point, self.default_zone)


@dataclass(frozen=True, slots=True)
class Format:
    """A file format of load curves.

    `encode(curves, header)` yields the file in blocks and holds a curve or so in memory; a curve without slots leaves
    no trace. `decode(source)` gives the curves of a file: those of one series that follow each other and became known
    at the same time come as one. It raises `DecodeError`, whose `field` points to the fault, and `FileTooLarge`.
    `slot_bytes` is about as much as the longest value of a slot takes.
    """

    name: str
    media_type: str
    extension: str
    encode: Callable[[Iterable[Curve], PartHeader], Iterator[Block]]
    decode: Callable[[bytes], list[Curve]]
    slot_bytes: int
