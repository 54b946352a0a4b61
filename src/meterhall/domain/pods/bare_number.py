"""Bare digits without a family: FR PRM, DE MaLo-ID, GB MPAN and IE MPRN."""

from __future__ import annotations

from meterhall.domain.pods.scheme import Scheme, pattern

_MPAN_PRIMES = (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43)


def _malo_holds(value: str) -> bool:
    """BDEW: the sum of the odd places and twice the even ones, filled up to the next ten."""
    digits = [int(digit) for digit in value]
    return (sum(digits[0:10:2]) + 2 * sum(digits[1:10:2]) + digits[10]) % 10 == 0


def _mpan_holds(value: str) -> bool:
    """Each of 12 digits times its prime, modulo 11, modulo 10."""
    total = sum(int(digit) * prime for digit, prime in zip(value, _MPAN_PRIMES, strict=False))
    return total % 11 % 10 == int(value[12])


def _always(_value: str) -> bool:
    return True


SCHEMES = (
    Scheme(
        code="FR",
        country="FR",
        name="PRM",
        lengths=frozenset({14}),
        grammar=pattern(r"\d{14}"),
    ),
    Scheme(
        code="DE-MaLo",
        country="DE",
        name="Marktlokations-ID",
        lengths=frozenset({11}),
        grammar=pattern(r"[1-9]\d{10}"),
        check=_malo_holds,
        checks=1,
        usual=_always,
    ),
    Scheme(
        code="GB",
        country="GB",
        name="MPAN",
        lengths=frozenset({13}),
        grammar=pattern(r"\d{13}"),
        check=_mpan_holds,
        checks=1,
        operator=pattern(r"(\d{2})"),
        operator_grammar=pattern(r"\d{2}"),
        usual=_always,
    ),
    Scheme(
        code="IE",
        country="IE",
        name="MPRN",
        lengths=frozenset({11}),
        grammar=pattern(r"10\d{9}"),
    ),
)
