"""The Points of a Period as text, a block of them at a time: a table of rows of one width, the values set into them.

A row of such a table is a Point whose position has so many digits and whose value so many characters; runs of Points
that are alike in that are copied at once. Where they change too often the texts are joined one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings import MISSING, Curve
from meterhall.formats.cim.codes import NOT_AVAILABLE, QUALITY_WRITTEN, UNITS
from meterhall.formats.text import decimal_text, objects

MOST_POINTS: Final = 9_984
"""Points of a Period at most, so that a table is small; 104 days of quarter hours."""
_CUTS: Final = (9, 99, *range(999, MOST_POINTS, 1000))
_TABLE: Final = 16_384
_SHORTEST: Final = 24
"""Runs that are shorter on average are joined one by one."""

Texts = NDArray[Any]
"""Byte strings of one width."""
Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class PointText:
    """What stands around the position, the value and the quality of a Point, with a value and without one."""

    position: bytes
    value: bytes
    quality: bytes
    end: bytes
    no_value: bytes

    def before(self, position: int) -> bytes:
        """The text before the value of a Point."""
        return b"%b%d%b" % (self.position, position, self.value)

    def after(self, quality: bytes) -> bytes:
        """The text after the value of a Point."""
        return self.quality + quality + self.end

    def gap(self, position: int) -> bytes:
        """A Point without a value."""
        return b"%b%d%b%b%b" % (self.position, position, self.no_value, NOT_AVAILABLE.encode(), self.end)


def all_alike(codes: NDArray[np.uint8]) -> bool:
    """Whether all qualities are the same."""
    return codes.tobytes() == codes[:1].tobytes() * len(codes)


class Points:
    """The Points of one file on its way out: its own copies of the tables, which are written over from run to run."""

    def __init__(self, text: PointText) -> None:
        self._text = text
        self._tables: dict[tuple[int, int, int], tuple[NDArray[np.uint8], Texts]] = {}

    def of(self, curve: Curve, first: int, end: int) -> Iterator[Buffer]:
        """The Points of the slots from `first` to `end`, positions from 1 on, each to be copied before the next."""
        mantissas, quality = curve.mantissas[first:end], curve.quality[first:end]
        scale, count = curve.series.scale - UNITS["KWH"], end - first
        highest = int(mantissas.view(np.uint64).max())
        if highest < _TABLE:
            table, width_of = _table(scale)
            values = table.take(mantissas)
            if width_of[highest] == width_of[0] and all_alike(quality):
                return self._runs(values, [int(width_of[0] * 8 + _CODE_OF[quality[0]])], [0, count])
            kinds = width_of.take(mantissas) * 8 + _CODE_OF.take(quality)
        else:
            numbers = np.where(mantissas == MISSING, 0, mantissas).tolist()
            texts = [decimal_text(number, scale).encode() for number in numbers]
            values = np.array(texts)
            kinds = np.array([len(text) for text in texts], np.int64) * 8 + _CODE_OF.take(quality)
            kinds[mantissas == MISSING] = 0
        changes = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
        if len(changes) * _SHORTEST > count:
            return iter((_joined(values, kinds, self._text),))
        return self._runs(values, kinds[[0, *changes]].tolist(), [0, *changes.tolist(), count])

    def _runs(self, values: Texts, kinds: list[int], bounds: list[int]) -> Iterator[Buffer]:
        """Runs of one kind each, cut where positions grow a digit longer, and so short that they stay in the cache."""
        for kind, (low, high) in zip(kinds, pairwise(bounds), strict=True):
            cuts = [low, *(edge for edge in _CUTS if low < edge < high), high]
            for span in pairwise(cuts):
                yield self._run(values, kind, *span)

    def _run(self, values: Texts, kind: int, low: int, high: int) -> Buffer:
        """The Points of a run of one kind, all with positions of as many digits."""
        digits = len(str(low + 1))
        key = digits, *divmod(kind, 8)
        if key not in self._tables:
            self._tables[key] = self._table(*key)
        rows, room = self._tables[key]
        span = slice(low + 1 - 10 ** (digits - 1), high + 1 - 10 ** (digits - 1))
        if kind:
            room[span] = values[low:high]
        return rows[span].reshape(-1).data

    def _table(self, digits: int, width: int, code: int) -> tuple[NDArray[np.uint8], Texts]:
        """A table of rows to write over, and in it the room for the values."""
        rows = _rows(self._text, digits, width, code).copy()
        place, length = len(self._text.before(10 ** (digits - 1))), rows.shape[1]
        room = np.dtype({"names": ["value"], "formats": [f"S{width or 1}"], "offsets": [place], "itemsize": length})
        return rows, rows.view(room)["value"][:, 0]


_CODES: Final = tuple(code.encode() for code in sorted(set(QUALITY_WRITTEN.values())))
_CODE_OF: Final = np.array(
    [_CODES.index(QUALITY_WRITTEN[code].encode()) if code in QUALITY_WRITTEN else 0 for code in range(256)],  # type: ignore[index]
    np.int64,
)


@lru_cache(maxsize=16)
def _table(scale: int) -> tuple[Texts, NDArray[np.int64]]:
    """Small values as exact decimals in kWh, and how many characters each has, which only grows."""
    texts = [decimal_text(mantissa, scale).encode() for mantissa in range(_TABLE)]
    return np.array(texts), np.array([len(text) for text in texts], np.int64)


@lru_cache(maxsize=32)
def _rows(text: PointText, digits: int, width: int, code: int) -> NDArray[np.uint8]:
    """Points with positions of so many digits, with room for a value of so many characters; 0: without a value."""
    positions = range(10 ** (digits - 1), min(10**digits, MOST_POINTS + 1))
    after = text.after(_CODES[code])
    texts = [text.before(one) + b"0" * width + after if width else text.gap(one) for one in positions]
    return np.frombuffer(b"".join(texts), np.uint8).reshape(len(texts), -1)


def _joined(values: Texts, kinds: NDArray[np.int64], text: PointText) -> bytes:
    pieces = np.empty((len(kinds), 3), object)
    befores, gaps = _singles(text)
    missing = kinds == 0
    pieces[:, 0] = np.where(missing, gaps[: len(kinds)], befores[: len(kinds)])
    pieces[:, 1] = values.tolist()
    pieces[:, 2] = objects([text.after(code) for code in _CODES])[kinds % 8]
    pieces[missing, 1:] = b""
    return b"".join(pieces.ravel().tolist())


@lru_cache(maxsize=4)
def _singles(text: PointText) -> tuple[Texts, Texts]:
    positions = range(1, MOST_POINTS + 1)
    return objects([text.before(one) for one in positions]), objects([text.gap(one) for one in positions])
