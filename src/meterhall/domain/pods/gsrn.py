"""The GSRN family (GS1 General Specifications, AI 8018): 18 digits with a GS1 check digit, used by nine countries.

The number itself names no country. Which digits name the operator differs by country; where that is not public there is
none. Prefixes are habits, not rules: they order candidates and warn.
"""

from __future__ import annotations

import re
from functools import partial

from stdnum import ean

from meterhall.domain.pods.scheme import Scheme, pattern

DEMONSTRATION = "952"
"""GS1's prefix for demonstrations and examples: never given to a company."""
BELGIAN_DEMONSTRATION = "952056000"
"""952, then Belgium's ISO 3166-1 numeric code 056: how a made-up Belgian GSRN begins here."""


def check_digit(digits: str) -> str:
    """The GS1 check digit of the 17 digits before it (mod 10, weights 3 and 1 from the right)."""
    return str(ean.calc_check_digit(digits))


def _holds(value: str) -> bool:
    return check_digit(value[:-1]) == value[-1]


def _begins(prefixes: tuple[str, ...], value: str) -> bool:
    return value.startswith(prefixes)


def _warnings(prefixes: tuple[str, ...], value: str) -> tuple[str, ...]:
    return () if value.startswith((*prefixes, DEMONSTRATION)) else ("prefix_unusual",)


def _scheme(
    country: str,
    name: str,
    prefixes: tuple[str, ...],
    operator: str | None = None,
    stem: str = "",
    operator_grammar: str | None = None,
) -> Scheme:
    alone = operator_grammar or operator
    return Scheme(
        code=country,
        country=country,
        name=name,
        lengths=frozenset({18}),
        grammar=pattern(r"\d{18}"),
        check=_holds,
        checks=1,
        operator=pattern(f"{re.escape(stem)}({operator})") if operator else None,
        operator_grammar=pattern(alone) if alone else None,
        stem=stem,
        warnings=partial(_warnings, prefixes),
        usual=partial(_begins, prefixes),
    )


SCHEMES = (
    _scheme("BE", "EAN-GSRN", ("54", BELGIAN_DEMONSTRATION), r"\d{9}"),
    _scheme("CZ", "EAN OPM", ("859182400",)),
    _scheme("DK", "målepunkts-ID", ("571313",), r"\d{3}", stem="5713131"),
    _scheme("FI", "käyttöpaikka GSRN", ("64",), r"\d{6}"),
    _scheme("NL", "EAN-code", ("871",), r"\d{7}"),
    # Norway's numbers come from the national hub: an operator is named by its GLN, never by the number.
    _scheme("NO", "målepunkt-ID", ("7070575",), operator_grammar=r"\d{13}"),
    _scheme("PL", "kod PPE", ("590",), r"\d{6}"),
    _scheme("SE", "anläggnings-ID", ("735999",)),
    _scheme("SI", "GSRN merilnega mesta", ("383",), r"\d{6}"),
)
