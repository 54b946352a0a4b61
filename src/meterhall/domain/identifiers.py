"""Identifiers of players: legal ids that check digits verify (MP-1), and access numbers (MP-5). PODs live in `pods`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Final, Literal, NewType, get_args

from stdnum import ean, lei
from stdnum.eu import eic, vat
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10
from stdnum.no import mva

from meterhall.domain.errors import InvalidInput

LegalIdKind = Literal["EIC", "LEI", "VAT", "GLN"]
AccessNumber = NewType("AccessNumber", str)
"""`MH`, eight digits, two check digits."""

EU: Final = frozenset("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split())  # noqa: SIM905
"""Member states of the European Union, ISO 3166-1 alpha-2."""
EEA: Final = EU | {"IS", "LI", "NO"}
"""The European Economic Area: the countries whose players may take part."""

DEMONSTRATION_GLN_PREFIX: Final = "952"
"""GS1's prefix for demonstrations and examples: never given to a company."""


class UnknownCountry(InvalidInput):
    code = "country_not_eea"
    title = "The country is not a member of the European Union or the European Economic Area."


class InvalidLegalId(InvalidInput):
    code = "legal_id_invalid"
    title = "The legal id is not valid: its shape or its check digits are wrong."


class UnverifiableLegalId(InvalidInput):
    code = "legal_id_unverifiable"
    title = "VAT numbers of this country have no check digits: give a LEI, a GLN or an EIC."


class InvalidAccessNumber(InvalidInput):
    code = "access_number_invalid"
    title = "This is not an access number: MH, eight digits and two check digits."


@dataclass(frozen=True, slots=True)
class LegalId:
    """A legal id in its compact form, its check digits verified. Made by `check_legal_id`."""

    kind: LegalIdKind
    value: str

    @property
    def is_demonstration(self) -> bool:
        """Whether it is a GLN that can belong to nobody."""
        return self.kind == "GLN" and self.value.startswith(DEMONSTRATION_GLN_PREFIX)


def check_country(country: str, *, field: str | None = None) -> str:
    """The country if it is in the EEA (ISO 3166-1 alpha-2). Raises UnknownCountry."""
    if country not in EEA:
        raise UnknownCountry(field=field)
    return country


def check_legal_id(kind: str, value: str, country: str, *, field: str | None = None) -> LegalId:
    """The legal id of a player of an EEA country, compact; only a VAT number is tied to that country.

    Raises UnknownCountry, UnverifiableLegalId, InvalidLegalId; `field` is the JSON Pointer they name.
    """
    check_country(country, field=field)
    compact = re.sub(r"[\s.]", "", value).upper()
    if kind == "VAT":
        return LegalId("VAT", _vat(compact, country, field))
    if kind not in get_args(LegalIdKind):
        raise InvalidLegalId("A legal id is an EIC, a LEI, a VAT number or a GLN.", field=field)
    shape, validate = _RULES[kind]
    try:
        if not shape.fullmatch(compact):
            raise InvalidLegalId(field=field)
        validate(compact)
    except ValidationError:
        raise InvalidLegalId(field=field) from None
    return LegalId(kind, compact)  # type: ignore[arg-type]


# An EIC of type X names a party; the other types name areas, points and resources. stdnum leaves lengths to the caller.
_RULES: Final[Mapping[str, tuple[re.Pattern[str], Callable[[str], str]]]] = {
    "EIC": (re.compile(r"[0-9]{2}X[0-9A-Z-]{12}[0-9A-Z]"), eic.validate),
    "LEI": (re.compile(r"[0-9A-Z]{18}[0-9]{2}"), lei.validate),
    "GLN": (re.compile(r"[0-9]{13}"), ean.validate),
}


def _vat(compact: str, country: str, field: str | None) -> str:
    if country in ("IS", "LI"):
        raise UnverifiableLegalId(field=field)
    prefix = "EL" if country == "GR" else country
    prefixed = compact if compact.startswith(prefix) else prefix + compact
    rule: ModuleType = mva if country == "NO" else vat
    try:
        return str(rule.validate(prefixed))
    except ValidationError:
        raise InvalidLegalId(field=field) from None


def demonstration_gln(n: int) -> LegalId:
    """The n-th made-up GLN, its check digit right: 0 <= n < 10^9."""
    if not 0 <= n < 10**9:
        raise InvalidLegalId("Demonstration GLNs are numbered from 0 to 999,999,999.")
    digits = f"{DEMONSTRATION_GLN_PREFIX}{n:09d}"
    return LegalId("GLN", digits + ean.calc_check_digit(digits))


def access_number(n: int) -> AccessNumber:
    """The n-th access number, 0 <= n < 10^8, with its ISO 7064 MOD 97-10 check digits."""
    if not 0 <= n < 10**8:
        raise InvalidAccessNumber("Access numbers run from 0 to 99,999,999.")
    body = f"MH{n:08d}"
    return AccessNumber(body + mod_97_10.calc_check_digits(body))


def check_access_number(text: str, *, field: str | None = None) -> AccessNumber:
    """The access number in a text; spaces, dashes and case are forgiven. Raises InvalidAccessNumber."""
    compact = re.sub(r"[\s-]", "", text).upper()
    if not re.fullmatch(r"MH[0-9]{10}", compact) or not mod_97_10.is_valid(compact):
        raise InvalidAccessNumber(field=field)
    return AccessNumber(compact)
