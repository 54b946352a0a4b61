"""Reading the JSON body of a call: I-JSON, as every document of the exchange."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest
from ninja.parser import Parser

from meterhall.domain.errors import InvalidInput, MeterhallError
from meterhall.domain.protocol.i_json import NotIJson, read_json


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
            return cast(dict[str, Any], read_json(request.body))
        except NotIJson as fault:
            raise NotJson(f"The body {fault}.", field="") from None
