"""In which IANA zones the days of a country's points of delivery are: the mainland's first, then its islands'."""

from __future__ import annotations

from typing import Final

CAPITALS: Final = {
    "AT": "Vienna", "BE": "Brussels", "BG": "Sofia", "CY": "Nicosia", "CZ": "Prague", "DE": "Berlin",
    "DK": "Copenhagen", "EE": "Tallinn", "ES": "Madrid", "FI": "Helsinki", "FR": "Paris", "GR": "Athens",
    "HR": "Zagreb", "HU": "Budapest", "IE": "Dublin", "IT": "Rome", "LI": "Vaduz", "LT": "Vilnius",
    "LU": "Luxembourg", "LV": "Riga", "MT": "Malta", "NL": "Amsterdam", "NO": "Oslo", "PL": "Warsaw", "PT": "Lisbon",
    "RO": "Bucharest", "SE": "Stockholm", "SI": "Ljubljana", "SK": "Bratislava",
}  # fmt: skip
"""The IANA city of each EEA country that is in Europe/."""
ISLANDS: Final = {"ES": ("Atlantic/Canary",), "PT": ("Atlantic/Madeira", "Atlantic/Azores")}
"""Parts of a country with a clock of their own."""


def zones_of_country(country: str) -> tuple[str, ...]:
    """The IANA zones of an EEA country, the one most of its people live in first; empty where it is not known."""
    if country == "IS":
        return ("Atlantic/Reykjavik",)
    city = CAPITALS.get(country)
    return (f"Europe/{city}", *ISLANDS.get(country, ())) if city else ()
