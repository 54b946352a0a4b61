"""The words of the catalogue's pages for the codes of an offer."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from meterhall.domain.protocol.offers import Price
from meterhall.marketplace.players.words import Words

SERVICE: Words = {
    "metering_data": gettext_lazy("metering data"),
    "forecast": gettext_lazy("forecast"),
    "energy_monitoring": gettext_lazy("energy monitoring"),
    "local_energy_control": gettext_lazy("local energy control"),
    "flexibility": gettext_lazy("flexibility"),
}
DIRECTION: Words = {"import": gettext_lazy("consumption"), "export": gettext_lazy("feed-in")}
KIND: Words = {"individual": gettext_lazy("individual load curves"), "aggregate": gettext_lazy("aggregates")}
TIMING: Words = {
    "historical": gettext_lazy("historical"),
    "near_real_time": gettext_lazy("near real time"),
    "forecast": gettext_lazy("forecast"),
}
GRANULARITY: Words = {
    "PT5M": gettext_lazy("5 minutes"),
    "PT10M": gettext_lazy("10 minutes"),
    "PT15M": gettext_lazy("15 minutes"),
    "PT30M": gettext_lazy("30 minutes"),
    "PT1H": gettext_lazy("1 hour"),
    "P1D": gettext_lazy("1 day"),
    "P7D": gettext_lazy("1 week"),
    "P1M": gettext_lazy("1 month"),
}
TRANSMISSION: Words = {
    "pull": gettext_lazy("fetched by the requester"),
    "push": gettext_lazy("pushed to its repository"),
}
AREA: Words = {
    "operator_code": gettext_lazy("operator code"),
    "identifier_prefix": gettext_lazy("identifier prefix"),
    "postcode": gettext_lazy("postcode"),
    "municipality": gettext_lazy("municipality"),
    "polygon": gettext_lazy("area on the map"),
}
ASSURANCE: Words = {
    "requester_stated": gettext_lazy("stated by the requester"),
    "customer_signed": gettext_lazy("signed by the customer"),
    "customer_confirmed": gettext_lazy("confirmed by the customer at the provider"),
}
PER: Words = {
    "pod_month": gettext_lazy("a point and month"),
    "pod_year": gettext_lazy("a point and year"),
    "delivery": gettext_lazy("a delivery"),
    "subscription_year": gettext_lazy("a year, whatever the number of points"),
}


def word(words: Words, code: str) -> str | Promise:
    """The word for a code; the code itself where there is none."""
    return words.get(code, code)


def listed(words: Words, codes: tuple[str, ...]) -> str:
    """The words for several codes, with commas."""
    return ", ".join(str(word(words, code)) for code in codes)


def price_text(price: Price) -> str:
    """A price in words: `0.02 EUR a point and month`, `free of charge`."""
    if price.per == "free":
        return _("free of charge")
    return f"{price.amount} {price.currency} {word(PER, price.per)}"
