"""Writing ESPI: the resources and what stands around the readings of each block. The readings are in `readings`.

Each usage point comes once with its `LocalTimeParameters`; each of its series is a `MeterReading` with a `ReadingType`;
then one entry an `IntervalBlock`: a civil day of readings (of daily values a month, of weeks and months all). A block's
`published` is its interval's end, its `updated` when the curve became known. A missing value is a slot within the
block's interval without a reading. Qualities other than the `ReadingType`'s default stand at the reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha1
from itertools import islice
from typing import Final
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings import CIVIL_DAY, CIVIL_MONTH, CivilCurve, CivilUnit, Curve, zone_of
from meterhall.domain.readings.curves import DAY_S
from meterhall.domain.readings.resampling import slot_edges
from meterhall.formats.base import Block, PartHeader
from meterhall.formats.espi.clock import local_time
from meterhall.formats.espi.codes import (
    ATOM,
    DAILY,
    DEFAULT_QUALITY,
    DELTA,
    ELECTRICITY,
    ENERGY,
    ESPI,
    FLOW,
    MONTHLY,
    NOT_APPLICABLE,
    WATT_HOURS,
    WEEKLY,
)
from meterhall.formats.espi.readings import BLOCK_END, READING_END, entries
from meterhall.formats.pieces import parts
from meterhall.formats.rows import Blocks
from meterhall.formats.text import granularity_of, instant_text, instants_text

_NAMESPACE: Final = UUID("b6c1f1f8-2a57-5f1e-9a55-0b7d3c1a4e90")
_BLOCK: Final = 65_536
_TOGETHER: Final = 16
"""Curves whose entries are described before their readings are written: code and data stay in the cache."""
_UUID: Final = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PERIODS: Final = {CivilUnit.DAY: DAILY, CivilUnit.WEEK: WEEKLY, CivilUnit.MONTH: MONTHLY}
_DIGITS: Final = np.arange(36) - np.searchsorted([8, 13, 18, 23], np.arange(36))
"""Which digit stands at each place of a UUID; at those of its dashes any."""


def encode(curves: Iterable[Curve], header: PartHeader) -> Iterator[Block]:
    """The feed in blocks of a mebibyte or more. Raises `EncodeError`."""
    feed, out = _Feed(header), Blocks()
    out.add(feed.opening().encode())
    some = parts(curves, lambda curve: list(range(_BLOCK, len(curve), _BLOCK)))
    while group := list(islice(some, _TOGETHER)):
        for prepared in [(*feed.curve(curve), curve) for curve in group]:
            yield from entries(out, *prepared)
    out.add(b"</feed>\n")
    yield out.rest()


class _Feed:
    """One feed on its way out: which resources it has named already."""

    def __init__(self, header: PartHeader) -> None:
        self._header = header
        self._resources = f"{header.base_url}/espi/1_1/resource"
        self._subscription = f"{self._resources}/Subscription/{quote(header.delivery_id, safe='')}"
        self._published = instant_text(header.published_at)
        self._updated = instant_text(header.updated_at)
        self._named: set[str] = set()

    def opening(self) -> str:
        header = self._header
        own = uuid5(NAMESPACE_URL, f"urn:meterhall:{header.delivery_id}:{header.part_number}:{header.base_url}")
        href = f"{header.base_url}/v1/deliveries/{quote(header.delivery_id, safe='')}/parts/{header.part_number}"
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="{ATOM}"><id>urn:uuid:{own}</id>'
            f"<title>{escape(header.title)}</title><updated>{self._updated}</updated>"
            f"{_link('self', href, 'espi-feed/Subscription')}\n"
        )

    def curve(self, curve: Curve) -> tuple[bytes, list[int], list[bytes]]:
        """What the feed has to say of this curve, and of its usage point where that comes for the first time."""
        usage_point = curve.series.usage_point
        zone = self._header.zone_of(usage_point)
        at_clock = f"{self._resources}/LocalTimeParameters/{quote(zone, safe='')}"
        at_point = f"{self._subscription}/UsagePoint/{quote(usage_point, safe='')}"
        kind = f"{curve.series.direction}-{granularity_of(curve)}-{curve.series.scale}"
        at_type, at_reading = f"{self._resources}/ReadingType/{kind}", f"{at_point}/MeterReading/{kind}"
        described = [
            self._once(at_clock, lambda: _local_time(zone)),
            self._once(at_point, lambda: _USAGE_POINT, _point_links(at_point, at_clock), _point_id(usage_point)),
            self._once(at_type, lambda: _reading_type(curve)),
            self._once(at_reading, lambda: f'<MeterReading xmlns="{ESPI}"/>', _reading_links(at_reading, at_type)),
        ]
        blocks = _blocks_of(curve, zone)
        heads = self._heads(at_reading, curve.available_at, blocks)
        return "".join(described).encode(), blocks.bounds, heads

    def _once(self, href: str, content: Callable[[], str], links: str = "", own_id: str = "") -> str:
        if href in self._named:
            return ""
        self._named.add(href)
        return self._entry(href, content(), links, own_id or str(uuid5(_NAMESPACE, _name_of(href))))

    def _entry(self, href: str, content: str, links: str, own_id: str) -> str:
        above, kind = href.rpartition("/")[0], _kind(href)
        return (
            f"<entry><id>urn:uuid:{own_id}</id>{_link('self', href, f'espi-entry/{kind}')}"
            f"{_link('up', above, f'espi-feed/{kind}')}{links}<title>{kind}</title>"
            f"<published>{self._published}</published><updated>{self._updated}</updated>"
            f'<content type="application/xml">{content}</content></entry>\n'
        )

    def _heads(self, at_reading: str, available_at: datetime, blocks: _Blocks) -> list[bytes]:
        """The end of the reading and block before, and the beginning of each block up to its readings."""
        above = escape(f"{at_reading}/IntervalBlock")
        up = f"{_link('up', above, 'espi-feed/IntervalBlock')}<title>IntervalBlock</title>"
        behind_id = (
            f'<link rel="self" href="{above}/\0" type="espi-entry/IntervalBlock"/>{up}<published>\0</published>'
            f"<updated>{instant_text(available_at)}</updated>"
            f'<content type="application/xml"><IntervalBlock xmlns="{ESPI}"><interval><duration>\0</duration>'
            "<start>\0</start></interval>"
        )
        behind = behind_id.encode().replace(b"%", b"%%").replace(b"\0", b"%b")
        shape = READING_END + BLOCK_END + b"<entry><id>urn:uuid:%b</id>" + behind
        ids = _ids(f"{_name_of(above)}/".encode(), blocks.starts)
        facts = zip(ids, blocks.starts, blocks.ends, blocks.durations, blocks.starts, strict=True)
        return [shape % fact for fact in facts]


def _kind(href: str) -> str:
    return href.rsplit("/", 2)[1]


def _link(relation: str, href: str, kind: str) -> str:
    return f'<link rel="{relation}" href="{escape(href)}" type="{kind}"/>'


def _point_links(at_point: str, at_clock: str) -> str:
    return _link("related", f"{at_point}/MeterReading", "espi-feed/MeterReading") + _link(
        "related", at_clock, "espi-entry/LocalTimeParameters"
    )


def _reading_links(at_reading: str, at_type: str) -> str:
    return (
        _link("related", f"{at_reading}/IntervalBlock", "espi-feed/IntervalBlock")
        + _link("related", at_type, "espi-entry/ReadingType")
        + _link("related", at_reading.rsplit("/", 2)[0], "espi-entry/UsagePoint")
    )


def _name_of(href: str) -> str:
    """What an id is made of: the path from the usage point on, so that it is the same in every delivery."""
    return href.partition("/espi/1_1/resource/")[2].partition("/UsagePoint/")[2] or href


def _point_id(usage_point: str) -> str:
    """A pseudonym is a UUID already."""
    if _UUID.fullmatch(usage_point):
        return usage_point
    try:
        return str(UUID(usage_point))
    except ValueError:
        return str(uuid5(_NAMESPACE, usage_point))


_USAGE_POINT: Final = (
    f'<UsagePoint xmlns="{ESPI}"><ServiceCategory><kind>0</kind></ServiceCategory><status>1</status></UsagePoint>'
)


def _local_time(zone: str) -> str:
    found = local_time(zone)
    return (
        f'<LocalTimeParameters xmlns="{ESPI}"><dstEndRule>{found.end_rule}</dstEndRule>'
        f"<dstOffset>{found.dst_offset}</dstOffset><dstStartRule>{found.start_rule}</dstStartRule>"
        f"<tzOffset>{found.tz_offset}</tzOffset></LocalTimeParameters>"
    )


def _reading_type(curve: Curve) -> str:
    granularity = granularity_of(curve)
    length_s = 0 if granularity.monthly else granularity.period_s or granularity.most_days * DAY_S
    length = f"<intervalLength>{length_s}</intervalLength>" if length_s else ""
    period = _PERIODS[granularity.unit] if granularity.civil else NOT_APPLICABLE
    return (
        f'<ReadingType xmlns="{ESPI}"><accumulationBehaviour>{DELTA}</accumulationBehaviour>'
        f"<commodity>{ELECTRICITY}</commodity><dataQualifier>0</dataQualifier>"
        f"<defaultQuality>{int(DEFAULT_QUALITY)}</defaultQuality>"
        f"<flowDirection>{FLOW[curve.series.direction]}</flowDirection>{length}<kind>{ENERGY}</kind>"
        f"<phase>769</phase><powerOfTenMultiplier>{curve.series.scale}</powerOfTenMultiplier>"
        f"<timeAttribute>{period}</timeAttribute><uom>{WATT_HOURS}</uom></ReadingType>"
    )


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The slots at which a block starts, and the end; the blocks' starts and durations in seconds, ends as instants."""

    bounds: list[int]
    starts: list[bytes]
    durations: list[bytes]
    ends: list[bytes]


def _blocks_of(curve: Curve, zone: str) -> _Blocks:
    if isinstance(curve, CivilCurve):
        daily = curve.series.granularity == CIVIL_DAY
        edges = curve.edges[[0, -1]] if not daily else _civil_edges(zone, True, curve.start, curve.end)
        return _blocks(curve.edges, np.searchsorted(curve.starts, edges[1:-1]).tolist())
    return _blocks_of_equal_slots(zone, int(curve.start.timestamp()), curve.series.resolution_s, len(curve))


@lru_cache(maxsize=64)
def _blocks_of_equal_slots(zone: str, first: int, step_s: int, slots: int) -> _Blocks:
    edges = first + step_s * np.arange(slots + 1, dtype=np.int64)
    start, end = (datetime.fromtimestamp(int(edge), UTC) for edge in edges[[0, -1]])
    inner = np.searchsorted(edges[:-1], _civil_edges(zone, False, start, end)[1:-1])
    return _blocks(edges, inner.tolist())


def _blocks(edges: NDArray[np.int64], inner: list[int]) -> _Blocks:
    bounds = sorted({0, *inner, len(edges) - 1})
    outer = edges[bounds]
    starts, durations = ([b"%d" % number for number in one.tolist()] for one in (outer[:-1], np.diff(outer)))
    return _Blocks(bounds, starts, durations, instants_text(outer[1:]).tolist())


@lru_cache(maxsize=64)
def _civil_edges(zone: str, monthly: bool, start: datetime, end: datetime) -> NDArray[np.int64]:
    return slot_edges(CIVIL_MONTH if monthly else CIVIL_DAY, zone_of(zone), start.astimezone(UTC), end)


def _ids(name: bytes, starts: list[bytes]) -> list[bytes]:
    """`uuid5` of the name with each start behind it, as text."""
    before, digests = sha1(_NAMESPACE.bytes + name, usedforsecurity=False), []
    for start in starts:
        one = before.copy()
        one.update(start)
        digests.append(one.digest())
    numbers = np.frombuffer(bytearray().join(digests), np.uint8).reshape(-1, 20)
    numbers[:, 6] = numbers[:, 6] & 0x0F | 0x50
    numbers[:, 8] = numbers[:, 8] & 0x3F | 0x80
    texts = np.frombuffer(numbers.tobytes().hex().encode(), np.uint8).reshape(-1, 40).take(_DIGITS, axis=1)
    texts[:, 8:24:5] = ord("-")
    found: list[bytes] = texts.view("S36")[:, 0].tolist()
    return found
