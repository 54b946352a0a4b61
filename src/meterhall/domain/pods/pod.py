"""A point of delivery as a value that prints masked, and what reading one yields. How to read one is in `reading`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MASK: Final = "•••"


@dataclass(frozen=True, slots=True, repr=False)
class Pod:
    """A point of delivery. Made by `read` or `demonstration_pod`, which check it.

    `value` is the only way to the full text: `repr`, `str` and `format` show the operator-significant part at most.
    `operator_part` names the grid operator within the scheme and may leave the requester's machine; None where the
    scheme has none. `prefix` is how a POD of that operator begins.
    """

    scheme: str
    country: str
    value: str
    operator_part: str | None = field(default=None, compare=False)
    prefix: str | None = field(default=None, compare=False)

    @property
    def masked(self) -> str:
        """`IT001E•••`, `BE 541448820•••`, or the scheme alone: `FR•••`."""
        if self.prefix is None:
            return self.scheme + MASK
        shown = self.prefix if self.prefix.startswith(self.country) else f"{self.scheme} {self.prefix}"
        return shown + MASK

    def __repr__(self) -> str:
        return f"<Pod {self.masked}>"

    def __str__(self) -> str:
        return self.masked

    def __format__(self, spec: str) -> str:
        return format(self.masked, spec)


class Confidence(StrEnum):
    """How sure it is that a text is a POD of the candidate's scheme, surest first."""

    CHECKED = "checked"
    """Text or caller names the country, and the check digits hold."""
    FORMAT = "format"
    """Text or caller names the country; the scheme has no check that could be made."""
    LIKELY = "likely"
    """Nobody names the country; check digits or a prefix in use there speak for it."""
    POSSIBLE = "possible"
    """Nobody names the country; only the shape fits."""


WARNINGS: Final = {
    "check_character_unverified": "The optional last character is a check without a public rule; it was not verified.",
    "check_letters_unexpected": "The check letters differ from the Spanish rule, which is thought to hold here.",
    "country_assumed": "The text names no country; the country of the scheme is an assumption.",
    "country_differs": "The text names another country than the caller does.",
    "layout_unusual": "The layout differs from the one known for this country.",
    "operator_may_be_historic": "The operator in this identifier is the one that assigned it, perhaps long ago.",
    "prefix_unusual": "The number does not begin as points of delivery of this country usually do.",
}
"""The codes of warnings, each with its sentence. A warning never rejects."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to read a text: a POD, how sure that is, and the codes of `WARNINGS` that apply."""

    pod: Pod
    confidence: Confidence
    warnings: tuple[str, ...] = ()
