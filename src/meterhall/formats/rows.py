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

from meterhall.domain.readings import MISSING
from meterhall.formats.text import decimal_text

TABLE: Final = 16_384
"""Values below this are written from a table."""

BLOCK_BYTES: Final = 1 << 20
_SPARE: Final = 1 << 19
Padded = NDArray[np.bytes_]
"""Texts of one width, zero bytes behind the shorter ones; shape (rows,)."""


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


def padded(texts: Sequence[bytes]) -> tuple[Padded, NDArray[np.int64]]:
    """The texts, and how long each is. None of them ends in a zero byte."""
    return np.array(texts, np.bytes_), np.array([len(text) for text in texts], np.int64)


def decimals(mantissas: NDArray[np.int64], scale: int) -> tuple[Padded, NDArray[np.int64]]:
    """Values as exact decimals, and how long each text is; an empty one where the value is missing."""
    texts, widths = _table(scale)
    if len(mantissas) and int(mantissas.view(np.uint64).max()) < TABLE:
        return texts.take(mantissas), widths.take(mantissas)
    small = (mantissas >= 0) & (mantissas < TABLE)
    places = np.where(small, mantissas, 0)
    large = mantissas[~small].tolist()
    others, other_widths = padded(
        [b"" if one == MISSING else decimal_text(one, scale).encode() for one in large] or [b""]
    )
    mixed = np.empty(len(mantissas), f"S{max(texts.dtype.itemsize, others.dtype.itemsize)}")
    mixed[:], lengths = texts.take(places), widths.take(places)
    mixed[~small], lengths[~small] = others[: len(large)], other_widths[: len(large)]
    return mixed, lengths


@lru_cache(maxsize=16)
def _table(scale: int) -> tuple[Padded, NDArray[np.int64]]:
    texts, widths = padded([decimal_text(mantissa, scale).encode() for mantissa in range(TABLE)])
    return texts.astype(f"S{-(-texts.dtype.itemsize // 8) * 8}"), widths
