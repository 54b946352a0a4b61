"""The words of the requester's pages for the codes they show, and who may see or do what."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from meterhall.domain.protocol.activations import REFUSALS
from meterhall.domain.protocol.offers import Price
from meterhall.web.portal.words import Words, word

READERS: Final = ("operator", "staff", "signer", "auditor")
WRITERS: Final = ("operator", "staff")

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
PACKING: Words = {"none": gettext_lazy("not packed"), "gzip": "gzip", "zstd": "zstd"}
"""How the files of a delivery are packed."""
WHY: Words = {code: gettext_lazy(sentence) for code, sentence in REFUSALS.items()}
"""Why a point was refused."""
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


def price_text(price: Price) -> str:
    """A price in words: `0.02 EUR a point and month`, `free of charge`."""
    if price.per == "free":
        return _("free of charge")
    return f"{price.amount} {price.currency} {word(PER, price.per)}"
