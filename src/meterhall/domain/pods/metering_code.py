"""The 33-character family: AT Zählpunkt, DE MeLo-ID, LU, CH and HU. Country letters, operator digits, and no check."""

from __future__ import annotations

from meterhall.domain.pods.scheme import Scheme, pattern

_LENGTH = frozenset({33})
_HUNGARIAN_LAYOUT = pattern(r"HU\d{6}F11-S\d{20}")


def _german(_value: str) -> tuple[str, ...]:
    return ("operator_may_be_historic",)


def _hungarian(value: str) -> tuple[str, ...]:
    return () if _HUNGARIAN_LAYOUT.fullmatch(value) else ("layout_unusual",)


SCHEMES = (
    Scheme(
        code="AT",
        country="AT",
        name="Zählpunkt",
        lengths=_LENGTH,
        grammar=pattern(r"AT\d{11}[0-9A-Z]{20}"),
        letters="AT",
        operator=pattern(r"(AT\d{6})"),
        operator_grammar=pattern(r"AT\d{6}"),
    ),
    Scheme(
        code="DE-MeLo",
        country="DE",
        name="Messlokations-ID",
        lengths=_LENGTH,
        grammar=pattern(r"DE\d{11}[0-9A-Z]{20}"),
        letters="DE",
        operator=pattern(r"DE(\d{6})"),
        operator_grammar=pattern(r"\d{6}"),
        stem="DE",
        warnings=_german,
    ),
    Scheme(
        code="LU",
        country="LU",
        name="point de fourniture",
        lengths=_LENGTH,
        grammar=pattern(r"LU\d{6}[0-9A-Z]{25}"),
        letters="LU",
        operator=pattern(r"LU(\d{6})"),
        operator_grammar=pattern(r"\d{6}"),
        stem="LU",
    ),
    Scheme(
        code="CH",
        country="CH",
        name="Messpunkt",
        lengths=_LENGTH,
        grammar=pattern(r"CH\d{11}[0-9A-Z]{20}"),
        letters="CH",
        operator=pattern(r"CH(\d{11})"),
        operator_grammar=pattern(r"\d{11}"),
        stem="CH",
    ),
    Scheme(
        code="HU",
        country="HU",
        name="mérési pont azonosító",
        lengths=_LENGTH,
        grammar=pattern(r"HU\d{6}[0-9A-Z-]{25}"),
        letters="HU",
        operator=pattern(r"HU(\d{6})"),
        operator_grammar=pattern(r"\d{6}"),
        stem="HU",
        warnings=_hungarian,
    ),
)
