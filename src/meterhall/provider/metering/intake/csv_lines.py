"""Where a CSV file may be cut: after a line that ends outside of quotes, as Arrow sees quotes."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterhall.provider.metering.intake.batches import MOST_LINE
from meterhall.provider.metering.intake.blocks import BadReadingsFile

_LINE_ENDS: Final = (b"\n", b"\r")


def whole_lines(content: mmap.mmap, delimiter: str, piece_bytes: int) -> Iterator[tuple[int, int]]:
    """From and until of pieces of about so many bytes, each of whole lines. Raises `BadReadingsFile` at a line that
    does not end, and at a quote that is not closed: the rows after it would be taken for its text."""
    start, size = 0, len(content)
    while start < size:
        end, until = 0, start
        while not end:
            if until - start > MOST_LINE:
                raise BadReadingsFile("A line is longer than 16 MiB.", field="/file")
            until = min(until + piece_bytes, size)
            quoted = _Quoted(content, start, until, delimiter, until - start > MOST_LINE)
            end = until if until == size else quoted.last_line_end()
        yield start, end
        start = end


class _Quoted:
    """The quoted fields of a part of a file that begins with a line.

    A quote opens at the beginning of a field alone and is plain text elsewhere (`5" pipe`); two within quotes are one.
    """

    def __init__(self, content: mmap.mmap, start: int, until: int, delimiter: str, is_last: bool) -> None:
        self._content, self._start, self._until = content, start, until
        self._sides = {byte.to_bytes(1, "big") for byte in b'\r\n"' + delimiter.encode()}
        self._opens: NDArray[np.int64] = np.empty(0, np.int64)
        self._closes: NDArray[np.int64] = np.empty(0, np.int64)
        if content.find(b'"', start, until) >= 0 and not self._take_pairs():
            self._search(delimiter)
        if self.stays_open and (is_last or until == len(content)):
            raise self._unclosed(int(self._opens[-1]))

    @property
    def stays_open(self) -> bool:
        return len(self._opens) > len(self._closes)

    def last_line_end(self) -> int:
        """Where the last line that ends outside of quotes ends; 0: none does."""
        for sign in _LINE_ENDS:
            at = self._content.rfind(sign, self._start, self._until)
            while at >= 0:
                before = int(np.searchsorted(self._opens, at))
                if not before or (before <= len(self._closes) and self._closes[before - 1] < at):
                    return at + 1
                at = self._content.rfind(sign, self._start, int(self._opens[before - 1]))
        return 0

    def _take_pairs(self) -> bool:
        """Take every second quote as one that closes; false where a quote stands amid a field."""
        text = np.frombuffer(self._content, np.uint8, self._until - self._start, self._start)
        at = np.flatnonzero(text == ord('"'))
        beside = np.array([code.to_bytes(1, "big") in self._sides for code in range(256)])
        opens, closes = at[::2], at[1::2]
        before = beside[text[opens - 1]] | (opens == 0)
        after = beside[text[np.minimum(closes + 1, len(text) - 1)]]
        if not (before.all() and after.all()):
            return False
        self._opens, self._closes = (side.astype(np.int64) + self._start for side in (opens, closes))
        return True

    def _search(self, delimiter: str) -> None:
        sides = re.escape(delimiter.encode())
        field = re.compile(rb"(?:\A\xef\xbb\xbf|\A|(?<=[\r\n" + sides + rb']))("[^"]*+(?:""[^"]*+)*+)("?)')
        opens: list[int] = []
        closes: list[int] = []
        text = self._content[self._start : self._until]
        for found in field.finditer(text):
            opens.append(found.start(1) + self._start)
            if not found[2]:
                break
            closes.append(found.start(2) + self._start)
            follows = self._content[closes[-1] + 1 : closes[-1] + 2]
            if follows and follows not in self._sides and (b"\n" in found[1] or b"\r" in found[1]):
                raise self._unclosed(opens[-1])
        self._opens, self._closes = np.array(opens, np.int64), np.array(closes, np.int64)

    def _unclosed(self, at: int) -> BadReadingsFile:
        step = 1 << 20
        parts = [self._content[first : min(first + step, at)] for first in range(0, at, step)]
        line = 1 + (sum(part.count(b"\n") for part in parts) or sum(part.count(b"\r") for part in parts))
        return BadReadingsFile(
            f"The quote that opens in line {line} is not closed where its field ends.", field="/file"
        )
