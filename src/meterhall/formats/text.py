"""Numbers, instants and names as text, a block of them at a time. No format is written here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from meterhall.domain.readings import MISSING, CivilCurve, Curve, Direction, Granularity, Quality
from meterhall.domain.readings.granularity import UnknownGranularity, parse_granularity
from meterhall.formats.base import DecodeError

_DECIMAL: Final = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
_KNOWN: Final = frozenset(int(code) for code in Quality)

Texts = NDArray[Any]
"""An object array of bytes."""


def instant_text(instant: datetime) -> str:
    """ISO 8601 in UTC with a Z, microseconds only where there are some."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def read_instant(text: object, field: str) -> datetime:
    """The instant (UTC) an ISO 8601 text with an offset names. Raises `DecodeError`."""
    try:
        instant = datetime.fromisoformat(text)  # type: ignore[arg-type]
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise DecodeError("It is no ISO 8601 instant with an offset.", field=field)


def read_seconds(text: object, field: str) -> int:
    """As `read_instant`, in whole seconds since 1970."""
    instant = read_instant(text, field)
    if instant.microsecond:
        raise DecodeError("An instant of a slot has no fraction of a second.", field=field)
    return int(instant.timestamp())


def instants_text(seconds: NDArray[np.int64]) -> Texts:
    """Instants, seconds since 1970 UTC, as text."""
    texts = np.datetime_as_string(seconds.astype("datetime64[s]")).astype(bytes)
    return objects([text + b"Z" for text in texts.tolist()])


def objects(texts: Sequence[bytes]) -> Texts:
    """The texts as an object array."""
    array = np.empty(len(texts), object)
    array[:] = texts
    return array


def decimal_text(mantissa: int, scale: int) -> str:
    """`mantissa × 10**scale` exactly, with -`scale` decimals where that is above 0."""
    if scale >= 0:
        return str(mantissa * 10**scale)
    digits = str(abs(mantissa)).rjust(1 - scale, "0")
    return f"{'-' if mantissa < 0 else ''}{digits[:scale]}.{digits[scale:]}"


def read_decimals(texts: Sequence[str], field: str) -> tuple[NDArray[np.int64], int]:
    """Exact decimals (empty: missing) as mantissas of one scale, 0 or below. Raises `DecodeError`.

    Each text is looked at once, however often it comes: readings repeat.
    """
    different = set(texts)
    scale = -max((len(text) - text.find(".") - 1 for text in different if "." in text), default=0)
    values = {"": MISSING}
    for text in different - {""}:
        if _DECIMAL.fullmatch(text) is None:
            raise DecodeError(f"{text[:40]!r} is no decimal number.", field=field)
        whole, _, decimals = text.partition(".")
        values[text] = int(whole + decimals) * 10 ** (-scale - len(decimals))
    return int64_of([values[text] for text in texts], field), scale


def int64_of(values: Sequence[int], field: str) -> NDArray[np.int64]:
    """The integers as int64. Raises `DecodeError` where one does not fit."""
    try:
        return np.array(values, np.int64)
    except OverflowError:
        raise DecodeError("A value is too large.", field=field) from None


def read_quality(code: object, field: str) -> int:
    """A code of `Quality`. Raises `DecodeError`."""
    if type(code) is not int or code not in _KNOWN:
        raise DecodeError("The quality is not a known code.", field=field)
    return code


def read_direction(text: object, field: str) -> Direction:
    """A direction by its name. Raises `DecodeError`."""
    try:
        return Direction(str(text))
    except ValueError:
        raise DecodeError("A direction is import, export or net.", field=field) from None


def granularity_of(curve: Curve) -> Granularity:
    """How long the slots of a curve are."""
    return curve.series.granularity if isinstance(curve, CivilCurve) else Granularity(curve.series.resolution_s)


def read_granularity(text: object, field: str) -> Granularity:
    """The granularity an ISO 8601 duration names. Raises `DecodeError`."""
    try:
        return parse_granularity(text if isinstance(text, str) else "")
    except UnknownGranularity as fault:
        raise DecodeError(fault.detail, field=field) from None
