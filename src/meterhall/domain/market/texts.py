"""Free text that goes to the Market Place: it must not hold a point of delivery (MP-12)."""

from __future__ import annotations

import re
from typing import Final

from meterhall.domain.errors import InvalidInput
from meterhall.domain.pods import BY_CODE, InvalidPod, read

_WORD: Final = re.compile(r"[0-9A-Za-z]+")
_GSRN_LENGTH: Final = 18
_LENGTHS: Final = range(14, 36)
_MOST_WORDS: Final = 9
"""In how many groups bills print a point of delivery at most."""


class TextHoldsPod(InvalidInput):
    code = "text_holds_pod"
    title = "The text holds what reads as a point of delivery; such a thing must not come to the Market Place."


def refuse_pods(text: str, *, field: str) -> None:
    """Refuse a text in which a point of delivery stands. Raises `TextHoldsPod`."""
    if holds_pod(text):
        raise TextHoldsPod(field=field)


def holds_pod(text: str) -> bool:
    """Whether a point of delivery stands in a text, in one piece or in groups.

    Only what can hardly be anything else counts: a number that names its country, or a GSRN whose check digit holds.
    """
    words = _WORD.findall(text)
    for start in range(len(words)):
        joined = ""
        for word in words[start : start + _MOST_WORDS]:
            joined += word
            if len(joined) >= _LENGTHS.stop:
                break
            if len(joined) >= _LENGTHS.start and _is_pod(joined):
                return True
    return False


def _is_pod(text: str) -> bool:
    try:
        found = read(text)
    except InvalidPod:
        return False
    return any(BY_CODE[one.pod.scheme].letters or len(one.pod.value) == _GSRN_LENGTH for one in found)
