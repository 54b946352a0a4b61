"""Numbers of JSON as they were written, so that no value goes through a float."""

from __future__ import annotations

from decimal import Decimal

from meterhall.formats.base import DecodeError


class Number(str):
    """A number as it was written: what `json.loads` is given as `parse_float` and `parse_int`."""

    __slots__ = ()


def plain(value: object, field: str) -> str:
    """A `Number` without an exponent. Raises `DecodeError` where it is none, or out of range."""
    if not isinstance(value, Number) or len(value) > 80:
        raise DecodeError("There is no number where one is needed.", field=field)
    if "e" in value or "E" in value:
        number = Decimal(value)
        if not -40 <= number.adjusted() <= 40:
            raise DecodeError("The number is out of range.", field=field)
        return format(number, "f")
    return str(value)
