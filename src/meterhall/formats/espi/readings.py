"""The readings of a curve as ESPI writes them, some thousand at a time, with the texts that stand between them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings import CivilCurve, Curve
from meterhall.formats.base import EncodeError
from meterhall.formats.espi.codes import DEFAULT_QUALITY, INT48_MAX
from meterhall.formats.rows import Blocks, Padded, decimals, padded, put

_ROWS: Final = 4096
"""Readings put together at once: half a megabyte, which stays in the cache."""
BLOCK_END: Final = b"</IntervalBlock></content></entry>\n"
READING_END: Final = b"</value></IntervalReading>"
_OPEN: Final = b"<IntervalReading>"
_USUAL: Final = bytes((DEFAULT_QUALITY,))


def entries(out: Blocks, described: bytes, bounds: list[int], heads: list[bytes], curve: Curve) -> Iterator[memoryview]:
    """What is said of the curve first, then its blocks with their readings, up to `_ROWS` of these at a time.

    Raises `EncodeError` where a value has more bits than ESPI gives it.
    """
    spans, cuts = _spans_of(curve)
    mantissas, quality, firsts = curve.mantissas, curve.quality, bounds
    if int(mantissas.view(np.uint64).max()) > INT48_MAX:
        present = curve.present
        _check(mantissas[present])
        before = np.append(0, np.cumsum(present))
        firsts, cuts = before[bounds].tolist(), before[cuts].tolist()
        spans, mantissas, quality = spans[present], mantissas[present], quality[present]
    between = _between(described, heads, firsts)
    rows = sorted({*range(0, len(mantissas), _ROWS), *cuts, len(mantissas)} - {0})
    for low, high in pairwise([0, *rows]):
        texts = [(row - low, text) for row, text in between.items() if low <= row < high]
        _assemble(out, spans[low:high], mantissas[low:high], quality[low:high], texts)
        yield from out.full()
    out.add(between[len(mantissas)])


def _check(mantissas: NDArray[np.int64]) -> None:
    if len(mantissas) and (mantissas.max() > INT48_MAX or mantissas.min() < -INT48_MAX):
        raise EncodeError("A value has more than the 48 bits ESPI gives it.", field="/mantissas")


def _between(described: bytes, heads: list[bytes], firsts: list[int]) -> dict[int, bytes]:
    """What stands before some of the readings, with the end of the reading before; and behind the last.

    `heads` begin with the end of a reading and of a block, which the first has none before it to end; after a block
    without readings there is none of a reading.
    """
    between: dict[int, bytes] = {}
    text = described + heads[0].removeprefix(READING_END + BLOCK_END)
    for head, (first, end) in zip([*heads[1:], READING_END + BLOCK_END], pairwise(firsts), strict=True):
        if first < end:
            between[first], text = text, head
        else:
            text += head.removeprefix(READING_END)
    return between | {firsts[-1]: text}


def _assemble(
    out: Blocks,
    spans: Padded,
    mantissas: NDArray[np.int64],
    quality: NDArray[np.uint8],
    between: list[tuple[int, bytes]],
) -> None:
    """Readings, up to the value of the last, and the texts between them, which take the place of a span's beginning."""
    spans = spans.astype(f"S{len(spans[0])}", copy=False)
    values, lengths = decimals(mantissas, 0)
    ends = lengths + spans.itemsize
    rows = [row for row, _ in between]
    ends[rows] += [len(text) - len(READING_END) for _, text in between]
    codes = None if quality.tobytes() == _USUAL * len(quality) else quality
    if codes is not None:
        ends += _qualities()[1].take(codes)
    ends = ends.cumsum()
    buffer = out.room(int(ends[-1]), values.itemsize)
    at = ends - lengths
    put(buffer, at, values)
    if codes is None:
        at -= spans.itemsize
        put(buffer, at, spans)
    else:
        at = _put_with_codes(buffer, at, spans, codes)
    content = buffer.data
    for place, (_, text) in zip(at[rows].tolist(), between, strict=True):
        end = place + len(READING_END)
        content[end - len(text) : end] = text


def _put_with_codes(
    buffer: NDArray[np.uint8], ends: NDArray[np.int64], spans: Padded, codes: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Copies spans with the qualities in their midst; says where they begin."""
    opening, texts, widths = len(READING_END) + len(_OPEN), *_qualities()
    halves = spans.view([("before", f"S{opening}"), ("behind", f"S{spans.itemsize - opening}")])
    behind = ends - halves.dtype["behind"].itemsize
    at = behind - widths.take(codes)
    put(buffer, at, texts.take(codes))
    put(buffer, behind, halves["behind"])
    at -= opening
    put(buffer, at, halves["before"])
    return at


@lru_cache(maxsize=1)
def _qualities() -> tuple[Padded, NDArray[np.int64]]:
    """The element of each quality but the usual one."""
    texts = [b"<ReadingQuality><quality>%d</quality></ReadingQuality>" % code for code in range(256)]
    texts[DEFAULT_QUALITY] = b""
    return padded(texts)


def _spans_of(curve: Curve) -> tuple[Padded, list[int]]:
    """The end of the reading before and a reading up to its value; where the lengths of these texts change."""
    if isinstance(curve, CivilCurve):
        return _spans(curve.edges)
    return _equal_spans(int(curve.start.timestamp()), curve.series.resolution_s, len(curve))


@lru_cache(maxsize=8)
def _equal_spans(first: int, step_s: int, slots: int) -> tuple[Padded, list[int]]:
    return _spans(first + step_s * np.arange(slots + 1, dtype=np.int64))


def _spans(edges: NDArray[np.int64]) -> tuple[Padded, list[int]]:
    shape = READING_END + _OPEN + b"<timePeriod><duration>%d</duration><start>%d</start></timePeriod><value>"
    texts, widths = padded([shape % span for span in zip(np.diff(edges).tolist(), edges[:-1].tolist(), strict=True)])
    return texts, (np.flatnonzero(np.diff(widths)) + 1).tolist()
