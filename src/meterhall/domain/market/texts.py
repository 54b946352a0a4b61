"""Free text that goes to the Market Place: it must not hold a point of delivery (MP-12)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from meterhall.domain.errors import InvalidInput
from meterhall.domain.pods import BY_CODE, SCHEMES, InvalidPod, read
from meterhall.domain.pods.normalising import unified

_WORD: Final = re.compile(r"[0-9A-Z]+")
_DASHED: Final = re.compile(r"[0-9A-Z]+(?:-+[0-9A-Z]+)+")
_DIGITS: Final = re.compile(r"[0-9]+(?:[^0-9A-Z]+[0-9]+)*")
"""Numbers with nothing but separators between them."""
_GSRN_LENGTH: Final = 18
_LENGTHS: Final = range(14, 36)
_MOST_WORDS: Final = 9
"""In how many groups bills print a point of delivery at most."""
_SHORT: Final = 2
"""Words no longer than this are taken for one that was spread out, however many there are."""


class TextHoldsPod(InvalidInput):
    code = "text_holds_pod"
    title = "The text holds what reads as a point of delivery; such a thing must not come to the Market Place."


def refuse_pods(text: str, *, field: str, is_id: bool = False) -> None:
    """Refuse a text in which a point of delivery stands, or, where an id is expected, one that may be one alone.

    Raises `TextHoldsPod`.
    """
    if holds_pod(text) or (is_id and any(map(_may_be_pod, (text, *_pieces(text))))):
        raise TextHoldsPod(field=field)


def holds_pod(text: str) -> bool:
    """Whether a point of delivery stands in a text: in one piece, in groups, spread out or within a longer word.

    Only what can hardly be anything else counts: a number that names its country, or a GSRN whose check digit holds.
    Digits and letters count in whatever width and script of digits they are written.
    """
    return any(map(_is_pod, _pieces(text))) or any(map(_embeds_pod, _WORD.findall(unified(text).upper())))


def _pieces(text: str) -> Iterator[str]:
    """What may be a point of delivery: runs of words, and runs of numbers even where letters touch them."""
    plain = unified(text).upper()
    yield from _DASHED.findall(plain)
    yield from _joined(_WORD.findall(plain))
    for run in _DIGITS.findall(plain):
        yield from _joined(_WORD.findall(run))


def _joined(words: list[str]) -> Iterator[str]:
    for start in range(len(words)):
        joined, longest = "", 0
        for count, word in enumerate(words[start:], 1):
            joined, longest = joined + word, max(longest, len(word))
            if len(joined) >= _LENGTHS.stop or (count > _MOST_WORDS and longest > _SHORT):
                break
            if len(joined) >= _LENGTHS.start:
                yield joined


def _is_pod(text: str) -> bool:
    try:
        found = read(text)
    except InvalidPod:
        return False
    return any(BY_CODE[one.pod.scheme].letters or len(one.pod.value) == _GSRN_LENGTH for one in found)


def _embeds_pod(word: str) -> bool:
    for scheme in SCHEMES:
        if scheme.letters is None or len(word) < min(scheme.lengths):
            continue
        if any(scheme.check is None or scheme.check(found.group()) for found in scheme.grammar.finditer(word)):
            return True
    return False


def _may_be_pod(text: str) -> bool:
    try:
        return bool(read(text))
    except InvalidPod:
        return False
