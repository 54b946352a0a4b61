"""Going through a JSON document step by step, so that of a large one no more than a value is there as objects at once.

Numbers come as they are written. What the members mean is the reader's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from meterhall.formats.base import DecodeError
from meterhall.formats.numbers import Number

_SPACE: Final = re.compile(r"[ \t\n\r]*")

_HALF: Final = re.compile("[\ud800-\udfff]")


def _no_number(name: str) -> None:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_no_number)


def is_sound(text: str) -> bool:
    """Whether it is a text: an escape of JSON can name half a character, which nothing can write."""
    return _HALF.search(text) is None


class Steps:
    """A document and how far it was read.

    Who goes through `members` or `elements` reads the value of each, by `value`, or again by these, before the next.
    Each takes the pointer to what it reads, and raises `DecodeError` with it where that is damaged or another thing.
    """

    def __init__(self, source: bytes) -> None:
        """Raises `DecodeError` where the document is no text."""
        self.place = 0
        try:
            self._text = source.decode(json.detect_encoding(source))
        except ValueError:
            raise DecodeError("The file is no JSON.", field="/") from None

    def value(self, field: str) -> Any:
        """The next value as a whole."""
        try:
            found, self.place = _DECODER.raw_decode(self._text, self._next())
        except (ValueError, RecursionError):
            raise self._damaged(field) from None
        return found

    def members(self, field: str) -> Iterator[str]:
        """The names of the next value's members, an object's. No name comes twice."""
        if not self._passes("{"):
            raise DecodeError("There is no object where one is needed.", field=field)
        seen = set[str]()
        while self._goes_on("}", field, is_first=not seen):
            name = self.value(field)
            if not isinstance(name, str) or isinstance(name, Number) or not self._passes(":"):
                raise self._damaged(field)
            if name in seen:
                raise DecodeError("A member comes twice.", field=f"{field.rstrip('/')}/{name[:60]}")
            seen.add(name)
            yield name

    def elements(self, field: str) -> Iterator[int]:
        """The places of the next value's elements, an array's; none where it is null."""
        if self.passes_null():
            return
        if not self._passes("["):
            raise DecodeError("What may come more than once is an array.", field=field)
        number = 0
        while self._goes_on("]", field, is_first=not number):
            yield number
            number += 1

    def begins(self, mark: str) -> bool:
        """Whether the next value begins so."""
        return self._text.startswith(mark, self._next())

    def passes_null(self) -> bool:
        """Whether the next value is null, which is then read."""
        return self._passes("null")

    def end(self) -> None:
        """Nothing follows the document."""
        if self._next() != len(self._text):
            raise self._damaged("/")

    def _next(self) -> int:
        match = _SPACE.match(self._text, self.place)
        return match.end() if match else self.place

    def _passes(self, mark: str) -> bool:
        here = self.begins(mark)
        if here:
            self.place = self._next() + len(mark)
        return here

    def _goes_on(self, closing: str, field: str, *, is_first: bool) -> bool:
        """Whether another member or element follows; else what closes them was read."""
        if self._passes(closing):
            return False
        if not is_first and not self._passes(","):
            raise self._damaged(field)
        return True

    def _damaged(self, field: str) -> DecodeError:
        return DecodeError(f"The file is no JSON from character {self._next() + 1} on.", field=field)
