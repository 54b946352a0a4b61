"""Points of delivery that belong to nobody: reserved ranges for sandboxes and demonstrations.

IT distributor 999 and ES distributor 9999 are assigned to nobody; a GSRN under GS1's prefix 952 can be nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from meterhall.domain.errors import InvalidInput
from meterhall.domain.pods import gsrn
from meterhall.domain.pods.cups import check_letters
from meterhall.domain.pods.pod import Pod
from meterhall.domain.pods.registry import BY_CODE

DEMONSTRATION_OPERATOR: Final[Mapping[str, str]] = {"IT": "999", "ES": "9999", "BE": gsrn.BELGIAN_DEMONSTRATION}
"""The operator part of the made-up operator of each scheme."""

_GSRN_CODES: Final = frozenset(scheme.code for scheme in gsrn.SCHEMES)


class NoDemonstrationPod(InvalidInput):
    code = "no_demonstration_pod"
    title = "Demonstration PODs exist for IT, ES and BE, numbered from 0 to 99,999,999."


def is_sandbox(pod: Pod) -> bool:
    """Whether the POD lies in a reserved range, so that no customer can stand behind it."""
    if pod.scheme in _GSRN_CODES:
        return pod.value.startswith(gsrn.DEMONSTRATION)
    reserved = DEMONSTRATION_OPERATOR.get(pod.scheme)
    return reserved is not None and pod.operator_part == reserved


def demonstration_pod(scheme: str, n: int) -> Pod:
    """The n-th made-up POD of a scheme, check digits right: 0 <= n < 10^8. Raises NoDemonstrationPod."""
    make = _MAKERS.get(scheme)
    if make is None or not 0 <= n < 10**8:
        raise NoDemonstrationPod
    return BY_CODE[scheme].pod(make(n))


def _spanish(n: int) -> str:
    digits = f"9999{n:012d}"
    return f"ES{digits}{check_letters(digits)}"


def _belgian(n: int) -> str:
    digits = f"{gsrn.BELGIAN_DEMONSTRATION}{n:08d}"
    return digits + gsrn.check_digit(digits)


_MAKERS: Final[Mapping[str, Callable[[int], str]]] = {
    "IT": lambda n: f"IT999E{n:08d}",
    "ES": _spanish,
    "BE": _belgian,
}
