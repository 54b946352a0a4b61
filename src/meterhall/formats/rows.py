"""Rows of text put together in one buffer: each column's texts are copied to their places at once, for all rows.

Joining the texts one by one is three times slower. A text is copied with the zero bytes it is padded with; what stands
behind it is copied after it, over them. The buffer is cut into blocks of a size that file systems take fastest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings import MISSING, CivilCurve, Curve
from meterhall.formats.text import decimal_text, instants_text

TABLE: Final = 16_384
"""Values below this are written from a table."""

BLOCK_BYTES: Final = 1 << 20
_SPARE: Final = 1 << 19
Padded = NDArray[np.bytes_]
"""Texts of one width, zero bytes behind the shorter ones; shape (rows,)."""
Texts = tuple[Padded, NDArray[np.int64]]
"""Texts and how long they are."""


class Blocks:
    """A file on its way out, filled piece by piece, taken in blocks of `BLOCK_BYTES` or more."""

    def __init__(self) -> None:
        self._buffer = np.empty(BLOCK_BYTES + _SPARE, np.uint8)
        self._filled = 0

    def room(self, size: int, spare: int = 0) -> NDArray[np.uint8]:
        """Room for the next `size` bytes, and some behind that what is written to is lost."""
        first, self._filled = self._filled, self._filled + size
        if self._filled + spare > len(self._buffer):
            self._renew(0, first, self._filled + spare)
        return self._buffer[first : self._filled + spare]

    def add(self, text: bytes | memoryview) -> None:
        """The next bytes."""
        self.room(len(text)).data[:] = text

    def drop(self, size: int) -> None:
        """Forgets so many bytes of the last piece that was added."""
        self._filled -= size

    def full(self) -> Iterator[memoryview]:
        """What is there but for the last, not yet full block."""
        whole = self._filled // BLOCK_BYTES * BLOCK_BYTES
        if whole:
            block = self._buffer.data[:whole]
            self._renew(whole, self._filled, 0)
            self._filled -= whole
            yield block

    def rest(self) -> memoryview:
        """All that is there."""
        rest, self._filled = self._buffer.data[: self._filled], 0
        return rest

    def _renew(self, first: int, end: int, size: int) -> None:
        kept = self._buffer[first:end]
        self._buffer = np.empty(max(BLOCK_BYTES + _SPARE, size), np.uint8)
        self._buffer[: len(kept)] = kept


def put(buffer: NDArray[np.uint8], places: NDArray[np.int64], texts: Padded) -> None:
    """Copies each text, its padding too, to its place: an index of the buffer, where there is room for all of it."""
    width = texts.dtype.itemsize
    rooms: NDArray[Any] = np.ndarray((len(buffer) - width + 1,), f"V{width}", buffer, 0, (1,))
    rooms[places] = texts.view(rooms.dtype)


def padded(texts: Sequence[bytes]) -> Texts:
    """The texts, and how long each is. None of them ends in a zero byte."""
    return np.array(texts, np.bytes_), np.array([len(text) for text in texts], np.int64)


def decimals(mantissas: NDArray[np.int64], scale: int, missing: bytes = b"", behind: bytes = b"") -> Texts:
    """Values as exact decimals (`missing` where there is none), each with a text behind it; how long the texts are."""
    texts, widths = _table(scale, missing, behind)
    highest = int(mantissas.view(np.uint64).max()) if len(mantissas) else 0
    if highest < TABLE:
        return texts.take(mantissas), widths.take(mantissas)
    places = np.where(mantissas == MISSING, TABLE, mantissas)
    large = (places < 0) | (places > TABLE) | (mantissas == TABLE)
    if not large.any():
        return texts.take(places), widths.take(places)
    places[large] = 0
    others, other_widths = padded([decimal_text(one, scale).encode() + behind for one in mantissas[large].tolist()])
    mixed, lengths = texts.take(places), widths.take(places)
    if others.itemsize > mixed.itemsize:
        mixed = mixed.astype(others.dtype)
    mixed[large], lengths[large] = others, other_widths
    return mixed, lengths


@lru_cache(maxsize=32)
def _table(scale: int, missing: bytes, behind: bytes) -> Texts:
    """The texts of the values below `TABLE`, then that of a missing one."""
    texts, widths = padded([*(decimal_text(one, scale).encode() + behind for one in range(TABLE)), missing + behind])
    return texts.astype(f"S{-(-texts.dtype.itemsize // 8) * 8}"), widths


def starts_of(curve: Curve, behind: bytes) -> Padded:
    """The starts of the slots, each with a text behind it, all of one width."""
    if isinstance(curve, CivilCurve):
        return _with(curve.starts, behind)
    return _starts(int(curve.start.timestamp()), curve.series.resolution_s, len(curve), behind)


@lru_cache(maxsize=8)
def _starts(first: int, step_s: int, slots: int, behind: bytes) -> Padded:
    return _with(first + step_s * np.arange(slots, dtype=np.int64), behind)


def _with(seconds: NDArray[np.int64], behind: bytes) -> Padded:
    return np.array([text + behind for text in instants_text(seconds).tolist()], np.bytes_)


def ends_of(curve: Curve, known: bytes, end: bytes, behind: bytes) -> Padded:
    """When a curve became known, the slots' ends (as `end` has it) where they are civil, and a text behind them."""
    if isinstance(curve, CivilCurve):
        return np.array([known + end % one + behind for one in instants_text(curve.edges[1:]).tolist()], np.bytes_)
    return np.array([known + behind], np.bytes_)


def qualities_of(curve: Curve, there: bytes, missing: bytes) -> tuple[bytes, Texts | None]:
    """The quality of all slots as `there` has it, where it is the same; or nothing and the texts of each.

    `missing` is the text of a slot without a value.
    """
    first = curve.quality[:1].tobytes()
    if curve.quality.tobytes() == first * len(curve) and curve.present.all():
        return there % first[0], None
    texts, widths = _codes(there, missing)
    places = np.where(curve.present, curve.quality, np.int64(256))
    return b"", (texts.take(places), widths.take(places))


@lru_cache(maxsize=8)
def _codes(there: bytes, missing: bytes) -> Texts:
    texts, widths = padded([*(there % code for code in range(256)), missing])
    return texts.astype(f"S{-(-texts.dtype.itemsize // 8) * 8}"), widths


def add_rows(
    out: Blocks,
    before: Padded,
    values: Texts,
    codes: Texts | None,
    behind: Padded,
) -> None:
    """Rows of four texts each. Those of `before` have one width, and so have those of `behind`, of which one may do.

    Together these two are longer than the padding of the others.
    """
    texts, widths = values
    ends = widths + (before.itemsize + behind.itemsize)
    if codes is not None:
        ends += codes[1]
    ends = ends.cumsum()
    at = ends - behind.itemsize
    buffer = out.room(int(ends[-1]), 64)
    last = at
    if codes is not None:
        at = at - codes[1]
    put(buffer, at - widths, texts)
    if codes is not None:
        put(buffer, at, codes[0])
    put(buffer, at - widths - before.itemsize, before)
    put(buffer, last, behind)
