"""Reading the JSON body of a call: what the exchange cannot carry, digest or store is refused before anything else.

A body is I-JSON (RFC 7493): UTF-8, no member twice, no number beyond 2**53, no NaN; and no NUL in any text, which no
database keeps.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

from django.http import HttpRequest
from ninja.parser import Parser

from meterhall.domain.errors import InvalidInput, MeterhallError

MOST: Final = 2**53 - 1


class NotJson(InvalidInput):
    status = 400
    code = "not_json"
    title = "The body is not JSON as RFC 7493 has it."


class MediaTypeNotTaken(MeterhallError):
    """RFC 9110 section 15.5.16."""

    status = 415
    code = "unsupported_media_type"
    title = "A body is application/json, or another type that ends in +json, and not compressed."


def check_media_type(request: HttpRequest) -> None:
    """The body says it is JSON, or nothing, and is not encoded. Raises `MediaTypeNotTaken`."""
    media = request.content_type or ""
    if media and media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        raise MediaTypeNotTaken(field="/Content-Type")
    if request.headers.get("Content-Encoding", "").strip().lower() not in {"", "identity"}:
        raise MediaTypeNotTaken(
            "The body of a call is sent as it is, without a Content-Encoding.", field="/Content-Encoding"
        )


class JsonParser(Parser):
    """The parser of every API."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """The document. Raises `MediaTypeNotTaken` and `NotJson`."""
        check_media_type(request)
        try:
            text = request.body.decode()
            found = json.loads(
                text, object_pairs_hook=_members, parse_int=_integer, parse_float=_number, parse_constant=_constant
            )
        except RecursionError:
            raise NotJson("The body is nested too deeply.", field="") from None
        except ValueError as fault:
            if isinstance(fault, json.JSONDecodeError):
                raise NotJson(f"The body is not JSON: {fault.msg} at character {fault.pos}.", field="") from None
            raise NotJson("The body is not UTF-8.", field="") from None
        if "\\u0000" in text and _holds_nul(found):
            raise NotJson("A text holds the character NUL.", field="")
        return cast(dict[str, Any], found)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotJson("A member stands twice in one object.", field="")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(number := int(digits)) > MOST:
        raise NotJson("A number is beyond 2**53.", field="")
    return number


def _number(digits: str) -> float:
    number = float(digits)
    if abs(number) == float("inf"):
        raise NotJson("A number is too large.", field="")
    return number


def _constant(name: str) -> float:
    raise NotJson(f"{name} is no number.", field="")


def _holds_nul(found: Any) -> bool:
    if isinstance(found, dict):
        return any("\0" in name or _holds_nul(value) for name, value in found.items())
    if isinstance(found, list):
        return any(map(_holds_nul, found))
    return isinstance(found, str) and "\0" in found
