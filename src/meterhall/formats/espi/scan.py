"""Readings found in the bytes of a feed, hundreds of thousands at a time, so that lxml need not build elements of them.

The readings of an IntervalBlock are most often alike but for the digits of their numbers. Such a run is taken out of
the file, and a mark is left in its place: the skeleton, which lxml parses. The mark has the prefix of the readings, so
that lxml says in which namespace they are. Proven is, byte by byte, that each reading of the run is the first but for
digits in the texts of elements, and by lxml that the first is well-formed and says when, how long and how much. What is
not so stays in the skeleton: comments, CDATA, references, spaces in numbers, other elements, attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
from lxml import etree
from numpy.typing import NDArray

MARK: Final = "meterhall-run"
"""The element in the place of a run; its attribute `n` is the number of the run."""
_MARK: Final = MARK.encode()
_GROUP: Final = 1 << 19
"""Bytes that are looked at together: they stay in the cache."""
_READING: Final = b"IntervalReading>"
_BLOCK: Final = b"IntervalBlock"
_OPENING: Final = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?IntervalReading>")
_REGULAR: Final = re.compile(rb"(?:\s*(?:<([A-Za-z_][\w.:-]*)>-?[0-9]{1,18}</\1>|</?[A-Za-z_][\w.:-]*>))+")
_NUMBER: Final = re.compile(rb"(?<=>)-?[0-9]{1,18}(?=<)")
_PREFIX: Final = re.compile(rb"</?((?:[A-Za-z_][\w.-]*:)?)[^:>]*>")
_DIGITS: Final = re.compile(rb"-?[0-9]{1,18}")
_ENCODING: Final = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)""")
_MOST_DIGITS: Final = 18
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Template:
    """A reading without its numbers.

    `texts` stand around the numbers, `gap` is the white space to the next reading, `tags` the number of the tag that
    each text begins with, and at the end how many there are. `fields` are the places of start, duration and value
    among the numbers, and of the quality where there is one.
    """

    prefix: bytes
    texts: tuple[bytes, ...]
    gap: bytes
    tags: tuple[int, ...]
    fields: tuple[int, ...]
    reading: re.Pattern[bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Start, duration, value and, where they have one, quality of readings, each of shape (readings,).

    `ascends`: the starts never fall. `length`: the duration of all of them, None where they differ.
    """

    columns: tuple[Numbers, ...]
    ascends: bool
    length: int | None


@dataclass(slots=True, eq=False)
class _Place:
    """Where a run is; what it says once it is read."""

    template: _Template
    first: int
    end: int
    run: Run | None = None


def scan(source: bytes) -> tuple[bytes, list[Run]] | None:
    """The skeleton of a feed and its runs; None where there are none, or bytes may not be what they look like."""
    if not _plain(source):
        return None
    places: list[_Place] = []
    group: list[_Place] = []
    size = 0
    for place in _candidates(source):
        if group and (place.template is not group[0].template or size > _GROUP):
            _read(source, group)
            group, size = [], 0
        group.append(place)
        places.append(place)
        size += place.end - place.first
    if group:
        _read(source, group)
    return _skeleton(source, [place for place in places if place.run is not None])


def _plain(source: bytes) -> bool:
    """Whether bytes are what they look like: in UTF-8, without a document type."""
    declared = _ENCODING.match(source[:200])
    if source[:1000].lstrip()[:1] != b"<" or (
        declared and declared[1].lower() not in (b"utf-8", b"us-ascii", b"ascii")
    ):
        return False
    at = source.find(b"!")
    while at >= 0:
        if source[at - 1 : at + 2].upper() == b"<!D":
            return False
        at = source.find(b"!", at + 1)
    return True


def _skeleton(source: bytes, places: list[_Place]) -> tuple[bytes, list[Run]] | None:
    parts: list[bytes] = []
    end = 0
    for number, place in enumerate(places):
        parts += (source[end : place.first], b'<%b%b n="%d"/>' % (place.template.prefix, _MARK, number))
        end = place.end
    skeleton = b"".join([*parts, source[end:]])
    if not places or skeleton.count(_MARK) != len(places):
        return None
    return skeleton, [place.run for place in places if place.run is not None]


def _candidates(source: bytes) -> Iterator[_Place]:
    """From the first reading of each block to its last, where the first two look alike."""
    template: _Template | None = None
    at = source.find(_READING)
    while at >= 0:
        first, end = source.rfind(b"<", max(at - 64, 0), at), _end_of_block(source, at)
        found = template.reading.match(source, first, end) if template is not None else None
        if found is None:
            template = _template_at(source, first, end) if first >= 0 else None
            found = template.reading.match(source, first, end) if template is not None else None
        if template is not None and found is not None:
            closing = b"</%bIntervalReading>" % template.prefix
            last = source.rfind(closing, first, end)
            yield _Place(template, first, last + len(closing))
        at = source.find(_READING, end)


def _end_of_block(source: bytes, at: int) -> int:
    """Where the next IntervalBlock is named; the end of the file if there is none."""
    while (at := source.find(_BLOCK[8:9], at)) >= 0:
        if source.startswith(_BLOCK, at - 8):
            return at - 8
        at += 1
    return len(source)


def _template_at(source: bytes, first: int, end: int) -> _Template | None:
    opening = _OPENING.match(source, first, end)
    closing = b"</" + opening[0][1:] if opening else b""
    behind = source.find(closing, first, end) + len(closing)
    next_at = source.find(b"<", behind, end)
    if not opening or behind < first or next_at < 0:
        return None
    return _template(_NUMBER.sub(b"0", source[first:behind]), source[behind:next_at])


@lru_cache(maxsize=64)
def _template(reading: bytes, gap: bytes) -> _Template | None:
    """The template of a reading; None where there is more in it than tags, white space and the numbers it needs."""
    prefixes = set(_PREFIX.findall(reading))
    if gap.strip() or not _REGULAR.fullmatch(reading) or len(prefixes) != 1 or len(_OPENING.findall(reading)) != 1:
        return None
    (prefix,) = prefixes
    texts = _NUMBER.split(reading)
    fields = _fields(reading.replace(b"<" + prefix, b"<").replace(b"</" + prefix, b"</"), len(texts) - 1)
    if fields is None:
        return None
    tags = np.cumsum([0, *(text.count(b"<") for text in texts)]).tolist()
    pattern = rb"-?[0-9]{1,18}".join(map(re.escape, texts)) + re.escape(gap)
    return _Template(prefix, tuple(texts), gap, tuple(tags), fields, re.compile(pattern))


def _fields(reading: bytes, count: int) -> tuple[int, ...] | None:
    """The places of start, duration, value and quality among the numbers; None where one is not there, or not alone."""
    try:
        root = etree.fromstring(reading)
    except etree.XMLSyntaxError:
        return None
    numbers = [element for element in root.iter() if (element.text or "").strip()]
    paths = ["timePeriod/start", "timePeriod/duration", "value"]
    if root.find("ReadingQuality") is not None:
        paths.append("ReadingQuality/quality")
    found = [root.findall(path) for path in paths]
    spans, qualities = root.findall("timePeriod"), root.findall("ReadingQuality")
    if len(numbers) != count or len(spans) != 1 or len(qualities) > 1 or any(len(one) != 1 for one in found):
        return None
    return tuple(numbers.index(one) for (one,) in found) if all(one in numbers for (one,) in found) else None


def _read(source: bytes, group: list[_Place]) -> None:
    """Sets the runs of places of one template; those that differ from it have none."""
    if not _read_all(source, group) and len(group) > 1:
        for place in group:
            _read_all(source, [place])


def _read_all(source: bytes, group: list[_Place]) -> bool:
    """As `_read`; False where one of the readings differs from the template."""
    template = group[0].template
    first, last, gap, every = template.texts[0], template.texts[-1], template.gap, template.tags[-1]
    text = gap.join([*[source[place.first : place.end] for place in group], first])
    marks = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("<"))
    count, rest = divmod(len(marks) - template.tags[1], every)
    if rest or count < 1 or not text.startswith(first):
        return False
    tags = marks[: count * every].reshape(count, every)
    begins = [np.ascontiguousarray(tags[:, tag]) for tag in template.tags[:-1]]
    expected = [*template.texts[1:-1], last + gap + first]
    if not all(_same(text, places, one) for places, one in zip(begins[1:], expected, strict=True)):
        return False
    numbers: list[Numbers] = []
    for (begin, end), before in zip(pairwise(begins), template.texts, strict=False):
        column = _numbers(text, begin + len(before), end)
        if column is None:
            return False
        numbers.append(column)
    lengths = np.cumsum([0, *[place.end - place.first + len(gap) for place in group]])
    _share(group, [numbers[place] for place in template.fields], np.searchsorted(begins[0], lengths))
    return True


def _share(group: list[_Place], columns: list[Numbers], bounds: NDArray[np.int64]) -> None:
    """Gives each place its part of the numbers."""
    ascends, _ = _steps(columns[0], bounds)
    _, alike = _steps(columns[1], bounds)
    lengths = columns[1][bounds[:-1]].tolist()
    for at, (place, (low, high)) in enumerate(zip(group, pairwise(bounds.tolist()), strict=True)):
        own = tuple([column[low:high] for column in columns])
        place.run = Run(own, ascends[at], lengths[at] if alike[at] else None)


def _steps(column: Numbers, bounds: NDArray[np.int64]) -> tuple[list[bool], list[bool]]:
    """Whether the numbers between two bounds never fall, and whether they are all alike."""
    steps = np.diff(column, prepend=column[:1])
    steps[bounds[:-1]] = 0
    lowest, highest = (one.reduceat(steps, bounds[:-1]) for one in (np.minimum, np.maximum))
    return (lowest >= 0).tolist(), ((lowest == 0) & (highest == 0)).tolist()


def _windows(text: bytes, width: int) -> NDArray[Any]:
    """The bytes of a text from each place on, so many."""
    return np.ndarray((len(text) - width + 1,), f"V{width}", text, 0, (1,))


def _same(text: bytes, places: NDArray[np.int64], expected: bytes) -> bool:
    """Whether the text has these bytes at all these places."""
    windows = _windows(text, len(expected))
    if places[-1] >= len(windows):
        return False
    return bool(windows[places].tobytes() == expected * len(places))


def _numbers(text: bytes, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> Numbers | None:
    """The whole numbers that stand there; None where one is not of digits alone, or has too many."""
    widths = ends - begins
    shortest, longest = int(widths.min()), int(widths.max())
    if shortest < 1 or longest > _MOST_DIGITS + 1:
        return None
    found = _windows(text, longest)[ends - longest].tobytes()
    if shortest == longest and found == found[:longest] * len(ends):
        return np.full(len(ends), int(found[:longest]), np.int64) if _DIGITS.fullmatch(found[:longest]) else None
    digits = np.frombuffer(found, np.uint8).reshape(-1, longest) - ord("0")
    negative = np.frombuffer(text, np.uint8)[begins] == ord("-")
    signs = bool(negative.any())
    if signs:
        widths = widths - negative
        if widths.min() < 1:
            return None
    if signs or shortest < longest:
        digits *= np.arange(longest) >= longest - widths[:, None]
    if digits.max() > 9 or widths.max() > _MOST_DIGITS:
        return None
    values = np.zeros(len(ends), np.int64)
    for digit in np.ascontiguousarray(digits.T):
        values *= 10
        values += digit
    return np.where(negative, -values, values) if signs else values
