"""Reading the JSON body of a call: I-JSON, as every document of the exchange."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest
from ninja.parser import Parser

from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.i_json import NotIJson, read_json


class NotJson(InvalidInput):
    status = 400
    code = "not_json"
    title = "The body is not JSON as RFC 7493 has it."


class JsonParser(Parser):
    """The parser of every API."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """The document. Raises `NotJson`."""
        try:
            return cast(dict[str, Any], read_json(request.body))
        except NotIJson as fault:
            raise NotJson(f"The body {fault}.", field="") from None
