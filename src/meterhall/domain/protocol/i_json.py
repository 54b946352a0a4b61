"""Reading JSON: what the exchange cannot carry, digest or store is refused before anything else.

A document is I-JSON (RFC 7493): UTF-8, no member twice, no number beyond 2**53, no NaN; and no NUL in any text, which
no database keeps.
"""

from __future__ import annotations

import json
from typing import Any, Final

MOST: Final = 2**53 - 1


class NotIJson(ValueError):
    """What is wrong, as the end of a sentence: "The body holds a member twice"."""


def read_json(content: bytes) -> Any:
    """The document. Raises `NotIJson`."""
    try:
        text = content.decode()
        found = json.loads(
            text, object_pairs_hook=_members, parse_int=_integer, parse_float=_number, parse_constant=_constant
        )
    except NotIJson:
        raise
    except RecursionError:
        raise NotIJson("is nested too deeply") from None
    except json.JSONDecodeError as fault:
        raise NotIJson(f"is not JSON: {fault.msg} at character {fault.pos}") from None
    except ValueError:
        raise NotIJson("is not UTF-8") from None
    if "\\u0000" in text and _holds_nul(found):
        raise NotIJson("has a text that holds the character NUL")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotIJson("holds a member twice in one object")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(number := int(digits)) > MOST:
        raise NotIJson("holds a number beyond 2**53")
    return number


def _number(digits: str) -> float:
    number = float(digits)
    if abs(number) == float("inf"):
        raise NotIJson("holds a number that is too large")
    return number


def _constant(name: str) -> float:
    raise NotIJson(f"holds {name}, which is no number")


def _holds_nul(found: Any) -> bool:
    if isinstance(found, dict):
        return any("\0" in name or _holds_nul(value) for name, value in found.items())
    if isinstance(found, list):
        return any(map(_holds_nul, found))
    return isinstance(found, str) and "\0" in found
