"""The words of the pages for the codes that all platforms show: directions, granularities, formats, reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

Words = Mapping[str, str | Promise]
"""Code -> the word for it."""

DIRECTION: Words = {"import": gettext_lazy("consumption"), "export": gettext_lazy("feed-in")}
GRANULARITY: Words = {
    "PT15M": gettext_lazy("15 minutes"),
    "PT30M": gettext_lazy("30 minutes"),
    "PT1H": gettext_lazy("1 hour"),
    "P1D": gettext_lazy("1 day"),
    "P1M": gettext_lazy("1 month"),
}
FORMAT: Words = {
    "parquet": gettext_lazy("Parquet"),
    "csv": gettext_lazy("CSV"),
    "espi": gettext_lazy("Green Button (ESPI)"),
    "jsonl": gettext_lazy("JSON lines"),
}
REASON: Words = {
    "requested": gettext_lazy("requested"),
    "scheduled": gettext_lazy("scheduled"),
    "correction": gettext_lazy("a correction"),
    "revocation": gettext_lazy("a consent was withdrawn"),
}
"""Why a version of a delivery was made."""


def word(words: Words, code: str) -> str:
    """The word for a code; the code itself where there is none."""
    return str(words.get(code, code.replace("_", " ")))


def listed(words: Words, codes: Iterable[str]) -> str:
    """The words for several codes, with commas."""
    return ", ".join(word(words, code) for code in codes)


def choices(words: Words, codes: Iterable[str]) -> list[tuple[str, str]]:
    """The choices of a form for these codes."""
    return [(code, word(words, code)) for code in codes]
