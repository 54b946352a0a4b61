"""What a scheme of points of delivery is. The schemes themselves live in the modules of their families."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from meterhall.domain.pods.pod import Pod


def _no_warnings(_value: str) -> tuple[str, ...]:
    return ()


def _never(_value: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Scheme:
    """A national grammar of points of delivery and what may be concluded from it.

    `lengths` and `grammar` are certain, and so is `check` where there is one: a text that breaks them is refused.
    `warnings` holds the rules that are not certain. `letters` is what every value begins with when the text itself
    names the country. `usual` says whether a bare number begins as this country's do.
    `checks` is how many characters of a value follow from the others.
    `operator` matches the start of a value and captures the operator-significant part as its first group;
    `operator_grammar` is the shape of such a part when it comes alone; `stem` is what precedes it and `tail` what
    follows it in every value, so that stem + part + tail is the prefix of the operator's PODs.
    """

    code: str
    country: str
    name: str
    lengths: frozenset[int]
    grammar: re.Pattern[str]
    letters: str | None = None
    check: Callable[[str], bool] | None = None
    checks: int = 0
    operator: re.Pattern[str] | None = None
    operator_grammar: re.Pattern[str] | None = None
    stem: str = ""
    tail: str = ""
    warnings: Callable[[str], tuple[str, ...]] = _no_warnings
    usual: Callable[[str], bool] = _never

    def pod(self, value: str) -> Pod:
        """The POD of a value that keeps to the grammar."""
        part = self.operator_part(value)
        return Pod(self.code, self.country, value, part, self.prefix(part))

    def operator_part(self, value: str) -> str | None:
        """The operator-significant part of a value, None where the scheme or this value has none."""
        found = self.operator.match(value) if self.operator else None
        return found.group(1) if found else None

    def begins(self, beginning: str, country: str) -> bool:
        """Whether a value may begin so; a bare number is looked at only in its own country."""
        if self.letters is not None:
            return beginning.startswith(self.letters) or self.letters.startswith(beginning)
        return self.country == country and beginning.isascii() and beginning.isdigit()

    def room(self, beginning: str) -> int:
        """How many characters are free after `beginning` besides check characters; below zero where it is longer."""
        return min(self.lengths) - self.checks - len(beginning)

    def prefix(self, operator_part: str | None) -> str | None:
        """How every POD of that operator begins; None where the part is no part of the POD."""
        if operator_part is None or self.operator is None:
            return None
        return self.stem + operator_part + self.tail


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression whose digits are ASCII digits."""
    return re.compile(text, re.ASCII)
