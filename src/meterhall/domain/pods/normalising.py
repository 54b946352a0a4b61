"""Normalising a point of delivery as people write it, and reporting what was changed. No scheme is chosen here."""

from __future__ import annotations

import re
import string
import unicodedata
from dataclasses import dataclass, field
from typing import Final

MAX_LENGTH: Final = 200
"""Longer texts are cut before any work is done on them; no POD comes near."""

_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_DOTS = str.maketrans("", "", ".·•,")
_PUNCTUATION = str.maketrans("", "", "()[]/\\:;_#'\"*")
_LABELS = re.compile(
    r"(?:(?:POD|CUPS|CPE|PRM|PDL|PPE|EAN|GSRN|MPAN|MPRN|MALO|MELO|EIC|ZÄHLPUNKT|ZPN)(?:-?(?:ID|NR|CODE))?[-.:#]*)+"
)
_SPREADSHEET_DECIMAL = re.compile(r"(?<=[0-9])\.0+\Z")
# Dashes belong to an EIC of type Z and to the Hungarian layout; everywhere else they only separate.
_DASHES_BELONG = re.compile(r"[0-9]{2}Z[0-9A-Z-]{12}[0-9A-Z]|HU[0-9]{6}[0-9A-Z]{3}-[0-9A-Z-]{21}")


@dataclass(frozen=True, slots=True)
class Normalised:
    """The text a scheme can be held against, and the codes of what was changed to get there.

    Codes: `characters_unified` (full-width and foreign digits, typographic dashes), `case_raised`, `spaces_removed`,
    `label_removed` ("POD", "EAN"), `decimal_removed` (a spreadsheet's ".0"), `dots_removed`, `punctuation_removed`,
    `dashes_removed`. The text never shows in the repr.
    """

    text: str = field(repr=False)
    changes: tuple[str, ...] = ()


def normalise(text: str) -> Normalised:
    """The text without what people and spreadsheets add to it. Idempotent; letters are never swapped for digits."""
    changes: list[str] = []
    steps = (
        ("characters_unified", unified),
        ("case_raised", lambda value: value.translate(_UPPER)),
        ("spaces_removed", _without_spaces),
        ("label_removed", _without_label),
        ("decimal_removed", lambda value: _SPREADSHEET_DECIMAL.sub("", value)),
        ("dots_removed", lambda value: value.translate(_DOTS)),
        ("punctuation_removed", lambda value: value.translate(_PUNCTUATION)),
        ("dashes_removed", _without_dashes),
        ("label_removed", _without_label),
    )
    value = text[:MAX_LENGTH]
    for code, step in steps:
        before, value = value, step(value)
        if value != before and code not in changes:
            changes.append(code)
    return Normalised(value, tuple(changes))


def unified(text: str) -> str:
    """The text in NFKC form, every decimal digit an ASCII digit, every dash a hyphen."""
    if text.isascii():
        return text
    compatible = "".join(unicodedata.normalize("NFKC", character) for character in text)
    return "".join(_plain(character) for character in compatible)


def _plain(character: str) -> str:
    if unicodedata.category(character) == "Pd":
        return "-"
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _without_spaces(text: str) -> str:
    if text.isalnum():
        return text
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) not in ("Cf", "Cc", "Zs", "Zl", "Zp"))


def _without_label(text: str) -> str:
    found = _LABELS.match(text)
    return text[found.end() :] if found else text


def _without_dashes(text: str) -> str:
    return text if _DASHES_BELONG.fullmatch(text) else text.replace("-", "")
