"""The CUPS family: Spain (CUPS), and Portugal (CPE), which looks the same but whose check rule is only inferred."""

from __future__ import annotations

from stdnum.es import cups

from meterhall.domain.pods.scheme import Scheme, pattern


def check_letters(digits: str) -> str:
    """The two check letters of 16 digits: the number modulo 529, written to the base 23."""
    return cups.calc_check_digits(f"ES{digits}")


def _portuguese(value: str) -> tuple[str, ...]:
    return () if check_letters(value[2:18]) == value[18:20] else ("check_letters_unexpected",)


SCHEMES = (
    Scheme(
        code="ES",
        country="ES",
        name="CUPS",
        lengths=frozenset({20, 22}),
        grammar=pattern(r"ES\d{16}[A-Z]{2}(\d[FPRCXYZ])?"),
        letters="ES",
        check=cups.is_valid,
        checks=2,
        operator=pattern(r"ES(\d{4})"),
        operator_grammar=pattern(r"\d{4}"),
        stem="ES",
    ),
    Scheme(
        code="PT",
        country="PT",
        name="CPE",
        lengths=frozenset({20}),
        grammar=pattern(r"PT\d{16}[A-Z]{2}"),
        letters="PT",
        checks=2,
        operator=pattern(r"PT(\d{4})"),
        operator_grammar=pattern(r"\d{4}"),
        stem="PT",
        warnings=_portuguese,
    ),
)
