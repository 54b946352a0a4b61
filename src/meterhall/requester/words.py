"""The words of the requester's pages for the codes they show, and who may see or do what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from meterhall.domain.protocol.offers import Price

READERS: Final = ("operator", "staff", "signer", "auditor")
WRITERS: Final = ("operator", "staff")

Words = Mapping[str, str | Promise]
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
DIRECTION: Words = {"import": gettext_lazy("consumption"), "export": gettext_lazy("feed-in")}
KIND: Words = {"individual": gettext_lazy("individual load curves"), "aggregate": gettext_lazy("aggregates")}
TIMING: Words = {
    "historical": gettext_lazy("historical"),
    "near_real_time": gettext_lazy("near real time"),
    "forecast": gettext_lazy("forecast"),
}
TRANSMISSION: Words = {
    "pull": gettext_lazy("fetched by the requester"),
    "push": gettext_lazy("pushed to its repository"),
}
PER: Words = {
    "pod_month": gettext_lazy("a point and month"),
    "pod_year": gettext_lazy("a point and year"),
    "delivery": gettext_lazy("a delivery"),
    "subscription_year": gettext_lazy("a year, whatever the number of points"),
}
POINT: Words = {
    "new": gettext_lazy("not asked yet"),
    "localised": gettext_lazy("found"),
    "unresolved": gettext_lazy("not found"),
    "ambiguous": gettext_lazy("ambiguous"),
    "invalid": gettext_lazy("not valid"),
}


def word(words: Words, code: str) -> str:
    """The word for a code; the code itself where there is none."""
    return str(words.get(code, code.replace("_", " ")))


def listed(words: Words, codes: tuple[str, ...]) -> str:
    """The words for several codes, with commas."""
    return ", ".join(word(words, code) for code in codes)


def choices(words: Words, codes: tuple[str, ...]) -> list[tuple[str, str]]:
    """The choices of a form for these codes."""
    return [(code, word(words, code)) for code in codes]


def price_text(price: Price) -> str:
    """A price in words: `0.02 EUR a point and month`, `free of charge`."""
    if price.per == "free":
        return _("free of charge")
    return f"{price.amount} {price.currency} {word(PER, price.per)}"
