"""Days in words, as the reader's language writes them."""

from __future__ import annotations

from datetime import date

from django.utils.formats import date_format
from django.utils.translation import get_language

SMALL = frozenset({"es", "fr", "it"})
"""Languages that write months with a small letter; Django's own words for them may begin with a capital."""


def day_words(day: date, form: str = "DATE_FORMAT") -> str:
    """A day, or what `form` shows of it: `3 settembre 2016`."""
    text = date_format(day, form)
    return text.lower() if (get_language() or "")[:2] in SMALL else text
