"""Rich authorization requests (RFC 9396): the details of type `metering_data`, several data needs in one request."""

from __future__ import annotations

import json
from typing import Final

from pydantic import TypeAdapter, ValidationError

from meterhall.authserver.errors import InvalidDetails
from meterhall.domain.protocol.consents import MeteringDataDetail

DETAIL_TYPE: Final = "metering_data"
MOST: Final = 20
DETAILS: Final = TypeAdapter(tuple[MeteringDataDetail, ...])


def parse_details(text: str | None) -> tuple[MeteringDataDetail, ...]:
    """The details of an `authorization_details` parameter. Raises `InvalidDetails` naming the fault by JSON Pointer."""
    if not text:
        raise InvalidDetails("A request for consent says what for: authorization_details.", field="")
    try:
        plain = json.loads(text)
        details = DETAILS.validate_python(plain if isinstance(plain, list) else None)
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_url=False)[0]
        pointer = "".join(f"/{part}" for part in first["loc"])
        raise InvalidDetails(f"{pointer or 'the list'}: {first['msg']}", field=pointer) from None
    except (ValueError, RecursionError):
        raise InvalidDetails("authorization_details is a JSON array.", field="") from None
    if not 1 <= len(details) <= MOST:
        raise InvalidDetails(f"One to {MOST} data needs can be asked for at once.", field="")
    if len({detail.need for detail in details}) != len(details):
        raise InvalidDetails("Each data need has its own name.", field="/need")
    return details
