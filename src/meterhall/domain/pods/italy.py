"""Italy: the POD, `IT` + distributor (3) + `E` + 8 digits, perhaps a 15th character. Operators live in `operators`."""

from __future__ import annotations

from meterhall.domain.pods.scheme import Scheme, pattern


def _warnings(value: str) -> tuple[str, ...]:
    return ("check_character_unverified",) if len(value) == 15 else ()


SCHEMES = (
    Scheme(
        code="IT",
        country="IT",
        name="POD",
        lengths=frozenset({14, 15}),
        grammar=pattern(r"IT\d{3}E\d{8}\d?"),
        letters="IT",
        operator=pattern(r"IT(\d{3})"),
        operator_grammar=pattern(r"\d{3}"),
        stem="IT",
        tail="E",
        warnings=_warnings,
    ),
)
