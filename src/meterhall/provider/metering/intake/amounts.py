"""Columns of amounts, in whatever type they come, made whole numbers of so many decimal places; nothing is rounded."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from meterhall.domain.readings.curves import MISSING

MOST_PLACES = 18
MOST_DIGITS = 38
PLAIN = r"^[+-]?(\d+(\.\d{0,18})?|\.\d{1,18})$"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""What a number may look like; Python's would have it in the digits of any script, and with underscores."""


def amounts(column: pa.Array, decimal: str = ".") -> tuple[NDArray[np.int64], int, NDArray[np.bool_]]:
    """The numbers (`MISSING` where empty), how many decimal places they have, and which rows cannot be read."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_integer(kind):
        return _whole(column)
    if pa.types.is_decimal(kind):
        return _unscaled(column, max(kind.scale, 0))
    if pa.types.is_floating(kind):
        column, decimal = column.cast(pa.string()), "."
    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    return _texts(column, decimal)


def _whole(column: pa.Array) -> tuple[NDArray[np.int64], int, NDArray[np.bool_]]:
    try:
        numbers = column.cast(pa.int64())
    except pa.ArrowInvalid:  # unsigned, and beyond
        return _unscaled(column.cast(pa.decimal128(38, 0)), 0)
    filled = pc.fill_null(numbers, MISSING) if numbers.null_count else numbers
    found = np.asarray(filled.to_numpy(zero_copy_only=False), np.int64)
    beyond = found == MISSING  # the one number that cannot be kept, or none
    if numbers.null_count:
        beyond &= np.asarray(numbers.is_valid().to_numpy(zero_copy_only=False), np.bool_)
    return found, 0, beyond


def _texts(column: pa.Array, decimal: str) -> tuple[NDArray[np.int64], int, NDArray[np.bool_]]:
    if decimal == "." and not _hexadecimal(column):
        try:
            return _whole(column.cast(pa.int64()))
        except pa.ArrowInvalid:
            pass
    text = pc.utf8_trim_whitespace(column)
    empty = pc.fill_null(pc.equal(text, ""), True)
    if decimal != ".":
        text = pc.if_else(pc.match_substring(text, "."), "?", pc.replace_substring(text, decimal, "."))
    plain = pc.fill_null(pc.match_substring_regex(text, PLAIN), False)
    odd = pc.and_not(pc.invert(plain), empty)
    numbers = pc.if_else(plain, text, None)
    unreadable = np.asarray(odd.to_numpy(zero_copy_only=False), np.bool_).copy()
    if unreadable.any():
        numbers, unreadable = _patched(numbers, text, unreadable)
    found, places, beyond = _unscaled_texts(numbers)
    return found, places, unreadable | beyond


def _hexadecimal(column: pa.Array) -> bool:
    """Whether a text begins as a hexadecimal number does, which Arrow would take for one."""
    return any(pc.any(pc.starts_with(column, begin)).as_py() for begin in ("0x", "0X"))


def _patched(numbers: pa.Array, text: pa.Array, odd: NDArray[np.bool_]) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Numbers with an exponent written out; what else is odd stays so."""
    plain = numbers.to_pylist()
    for row in np.flatnonzero(odd).tolist():
        said = text[row].as_py()
        if not NUMBER.fullmatch(said):
            continue
        try:
            number = Decimal(said)
            written = f"{number:f}" if abs(number.adjusted()) < MOST_PLACES else ""
        except InvalidOperation:  # an exponent beyond any
            continue
        if written and len(written.partition(".")[2]) <= MOST_PLACES:
            plain[row], odd[row] = written, False
    return pa.array(plain, pa.string()), odd


def _unscaled_texts(numbers: pa.Array) -> tuple[NDArray[np.int64], int, NDArray[np.bool_]]:
    point = pc.find_substring(numbers, ".")
    decimals = pc.if_else(pc.greater_equal(point, 0), pc.subtract(pc.subtract(pc.utf8_length(numbers), point), 1), 0)
    places = int(pc.max(decimals).as_py() or 0)
    long = pc.fill_null(pc.greater(pc.utf8_length(numbers), 37 - places), False)
    beyond = np.asarray(long.to_numpy(zero_copy_only=False), np.bool_)
    if beyond.any():
        numbers = pc.if_else(long, None, numbers)
    found, places, more = _unscaled(numbers.cast(pa.decimal128(38, places)), places)
    return found, places, beyond | more


def _unscaled(column: pa.Array, places: int) -> tuple[NDArray[np.int64], int, NDArray[np.bool_]]:
    """A decimal128 column as the int64 numbers it holds; true where one is beyond them."""
    column = column.cast(pa.decimal128(38, places))
    words = np.frombuffer(column.buffers()[1], np.int64)[2 * column.offset :][: 2 * len(column)].reshape(-1, 2)
    there = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)
    beyond = there & ((words[:, 1] != words[:, 0] >> 63) | (words[:, 0] == MISSING))
    return np.where(there & ~beyond, words[:, 0], MISSING), places, beyond
