"""Writing ESPI: text blocks of shared pieces joined together, since an element at a time is fifty times slower.

Each usage point comes once with its `LocalTimeParameters`; each of its series is a `MeterReading` with a `ReadingType`;
then one entry an `IntervalBlock`: a civil day of readings (of daily values a month, of monthly ones all). A block's
`published` is its interval's end, its `updated` when the curve became known. A missing value is a slot within the
block's interval without a reading. Qualities other than the `ReadingType`'s default stand at the reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Final
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings import CIVIL_DAY, CIVIL_MONTH, CivilCurve, Curve, zone_of
from meterhall.domain.readings.resampling import slot_edges
from meterhall.formats.base import EncodeError, PartHeader
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
    INT48_MAX,
    MONTHLY,
    NOT_APPLICABLE,
    WATT_HOURS,
)
from meterhall.formats.pieces import parts
from meterhall.formats.text import Texts, granularity_of, instant_text, instants_text, objects

_NAMESPACE: Final = UUID("b6c1f1f8-2a57-5f1e-9a55-0b7d3c1a4e90")
_TABLE: Final = 16_384
_BLOCK: Final = 65_536


def encode(curves: Iterable[Curve], header: PartHeader) -> Iterator[bytes]:
    """The feed, a curve or `_BLOCK` readings at a time. Raises `EncodeError`."""
    feed = _Feed(header)
    yield feed.opening().encode()
    for curve in parts(curves, lambda curve: list(range(_BLOCK, len(curve), _BLOCK))):
        yield b"".join(feed.curve(curve))
    yield b"</feed>\n"


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

    def curve(self, curve: Curve) -> list[bytes]:
        """What the feed has to say of this curve, and of its usage point where that comes for the first time."""
        usage_point = curve.series.usage_point
        zone = self._header.zone_of(usage_point)
        at_point = f"{self._subscription}/UsagePoint/{quote(usage_point, safe='')}"
        kind = f"{curve.series.direction}-{granularity_of(curve)}-{curve.series.scale}"
        at_type, at_reading = f"{self._resources}/ReadingType/{kind}", f"{at_point}/MeterReading/{kind}"
        described = [
            self._once(f"{self._resources}/LocalTimeParameters/{quote(zone, safe='')}", lambda: _local_time(zone)),
            self._once(at_point, lambda: _USAGE_POINT, self._point_links(at_point, zone), _point_id(usage_point)),
            self._once(at_type, lambda: _reading_type(curve)),
            self._once(at_reading, lambda: f'<MeterReading xmlns="{ESPI}"/>', _reading_links(at_reading, at_type)),
        ]
        return ["".join(described).encode(), *self._blocks(curve, at_reading, zone)]

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

    def _point_links(self, at_point: str, zone: str) -> str:
        local = f"{self._resources}/LocalTimeParameters/{quote(zone, safe='')}"
        return _link("related", f"{at_point}/MeterReading", "espi-feed/MeterReading") + _link(
            "related", local, "espi-entry/LocalTimeParameters"
        )

    def _blocks(self, curve: Curve, at_reading: str, zone: str) -> list[bytes]:
        bounds = _bounds(curve, zone)
        edges = curve.edges[bounds]
        spans = zip(edges[:-1].tolist(), np.diff(edges).tolist(), instants_text(edges[1:]), strict=True)
        readings = _readings(curve)
        before = (np.append(0, np.cumsum(curve.present))[bounds] * 3).tolist()
        above = escape(f"{at_reading}/IntervalBlock")
        name = _name_of(above)
        up = f"{_link('up', above, 'espi-feed/IntervalBlock')}<title>IntervalBlock</title>"
        content = (
            f"<updated>{instant_text(curve.available_at)}</updated>"
            f'<content type="application/xml"><IntervalBlock xmlns="{ESPI}"><interval>'
        )
        blocks: list[bytes] = []
        for (start, duration, until), (first, end) in zip(spans, pairwise(before), strict=True):
            head = (
                f"<entry><id>urn:uuid:{uuid5(_NAMESPACE, f'{name}/{start}')}</id>"
                f'<link rel="self" href="{above}/{start}" type="espi-entry/IntervalBlock"/>{up}'
                f"<published>{until.decode()}</published>{content}<duration>{duration}</duration><start>{start}</start>"
                "</interval>"
            )
            blocks.append(head.encode())
            blocks += readings[first:end]
            blocks.append(b"</IntervalBlock></content></entry>\n")
        return blocks


def _kind(href: str) -> str:
    return href.rsplit("/", 2)[1]


def _link(relation: str, href: str, kind: str) -> str:
    return f'<link rel="{relation}" href="{escape(href)}" type="{kind}"/>'


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
    length_s = 0 if granularity.monthly else granularity.period_s or 86_400
    length = f"<intervalLength>{length_s}</intervalLength>" if length_s else ""
    period = NOT_APPLICABLE if not granularity.civil else MONTHLY if granularity.monthly else DAILY
    return (
        f'<ReadingType xmlns="{ESPI}"><accumulationBehaviour>{DELTA}</accumulationBehaviour>'
        f"<commodity>{ELECTRICITY}</commodity><dataQualifier>0</dataQualifier>"
        f"<defaultQuality>{int(DEFAULT_QUALITY)}</defaultQuality>"
        f"<flowDirection>{FLOW[curve.series.direction]}</flowDirection>{length}<kind>{ENERGY}</kind>"
        f"<phase>769</phase><powerOfTenMultiplier>{curve.series.scale}</powerOfTenMultiplier>"
        f"<timeAttribute>{period}</timeAttribute><uom>{WATT_HOURS}</uom></ReadingType>"
    )


def _bounds(curve: Curve, zone: str) -> list[int]:
    """The slots at which a block starts, and the end."""
    if isinstance(curve, CivilCurve):
        if curve.series.granularity.monthly:
            return [0, len(curve)]
        edges = _civil_edges(zone, True, curve.start, curve.end)
    else:
        edges = _civil_edges(zone, False, curve.start, curve.end)
    inner = np.searchsorted(curve.starts, edges[1:-1])
    return sorted({0, *inner.tolist(), len(curve)})


@lru_cache(maxsize=64)
def _civil_edges(zone: str, monthly: bool, start: datetime, end: datetime) -> NDArray[np.int64]:
    return slot_edges(CIVIL_MONTH if monthly else CIVIL_DAY, zone_of(zone), start.astimezone(UTC), end)


def _readings(curve: Curve) -> list[bytes]:
    """The readings of the slots with a value, three texts each."""
    present = curve.present
    pieces = np.empty((len(curve), 3), object)
    pieces[:, 0] = _heads()[curve.quality]
    if isinstance(curve, CivilCurve):
        pieces[:, 1] = _spans(curve.edges)
    else:
        step_s = curve.series.resolution_s
        pieces[:, 1] = _equal_spans(int(curve.start.timestamp()), step_s, len(curve))
    pieces = pieces if present.all() else pieces[present]
    pieces[:, 2] = _values(curve.mantissas if len(pieces) == len(curve) else curve.mantissas[present])
    texts: list[bytes] = pieces.ravel().tolist()
    return texts


@lru_cache(maxsize=1)
def _heads() -> Texts:
    """The beginning of a reading by its quality."""
    texts = [b"<IntervalReading><ReadingQuality><quality>%d</quality></ReadingQuality>" % code for code in range(256)]
    texts[DEFAULT_QUALITY] = b"<IntervalReading>"
    return objects(texts)


@lru_cache(maxsize=8)
def _equal_spans(first: int, step_s: int, slots: int) -> Texts:
    return _spans(first + step_s * np.arange(slots + 1, dtype=np.int64))


def _spans(edges: NDArray[np.int64]) -> Texts:
    return objects(
        [
            b"<timePeriod><duration>%d</duration><start>%d</start></timePeriod><value>" % span
            for span in zip(np.diff(edges).tolist(), edges[:-1].tolist(), strict=True)
        ]
    )


@lru_cache(maxsize=1)
def _table() -> Texts:
    return objects([b"%d</value></IntervalReading>" % value for value in range(_TABLE)])


def _values(mantissas: NDArray[np.int64]) -> Texts:
    small = (mantissas >= 0) & (mantissas < _TABLE)
    texts: Texts = _table()[np.where(small, mantissas, 0)]
    if small.all():
        return texts
    large = mantissas[~small]
    if large.max() > INT48_MAX or large.min() < -INT48_MAX:
        raise EncodeError("A value has more than the 48 bits ESPI gives it.", field="/mantissas")
    texts[~small] = objects([b"%d</value></IntervalReading>" % value for value in large.tolist()])
    return texts
