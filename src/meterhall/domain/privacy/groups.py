"""The minimum group size of aggregates, and the attack that subtracts one answered group from another.

Members are opaque ids; what is summed over them lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from itertools import combinations
from typing import Final, TypeVar

from meterhall.domain.errors import InvalidInput

Member = TypeVar("Member")

LOWEST_MINIMUM: Final = 5
"""No provider may set its own minimum below this."""


class GroupTooSmall(InvalidInput):
    """Says the minimum, never the size: how many consented may itself be a secret."""

    code = "group_too_small"
    title = "An aggregate over so few members could reveal one of them."


def check_group(size: int, minimum: int, *, field: str | None = None) -> None:
    """Refuse, with GroupTooSmall, a group of fewer than `minimum` members (at least `LOWEST_MINIMUM`)."""
    if minimum < LOWEST_MINIMUM:
        raise ValueError(f"a minimum group size is at least {LOWEST_MINIMUM}")
    if size < minimum:
        raise GroupTooSmall(f"An aggregate needs at least {minimum} members.", field=field)


def check_percentile(place: int, size: int, minimum: int, *, field: str | None = None) -> None:
    """Refuse, with GroupTooSmall, the value at `place` (from 0) of `size` members in order, where fewer than `minimum`
    stand before or behind it: near an edge a percentile is a minimum or maximum, one member's own value.
    """
    if min(place, size - 1 - place) < minimum:
        raise GroupTooSmall(f"A percentile needs {minimum} members on either side.", field=field)


def check_difference(
    group: Set[Member], answered: Iterable[Set[Member]], minimum: int, *, field: str | None = None
) -> None:
    """Refuse, with GroupTooSmall, a group whose total, held against totals already given, isolates too few members.

    From the totals of a town and of the same town without one house follows that house. So a group is refused when it
    differs from an answered one by at least one and fewer than `minimum` members. The complement is the same attack in
    two pieces (a whole, and two parts that leave a few out), so each pair of answered groups is tried too: whole minus
    part minus part, with the new group in any of the three places. The same group again is no news and may pass.

    `answered` are the groups answered for readings that overlap this period, for whichever requester: two may collude.
    Combinations of four groups and more are not searched (that is a minimum-distance problem, NP-hard); keep groups
    few and stable, such as postcodes, where that matters. Takes time in the square of the number of answered groups.
    """
    check_group(len(group), minimum, field=field)
    earlier = list(dict.fromkeys(frozenset(other) for other in answered))
    if frozenset(group) in earlier:
        return
    left_over = [group ^ other for other in earlier]
    for one, other in combinations(earlier, 2):
        left_over += [_residue(group, one, other), _residue(one, group, other), _residue(other, group, one)]
    if any(0 < len(members) < minimum for members in left_over):
        raise GroupTooSmall(f"It differs from an earlier aggregate by fewer than {minimum} members.", field=field)


def _residue(whole: Set[Member], part: Set[Member], other: Set[Member]) -> Set[Member]:
    """The members whose weight is not zero in total(whole) - total(part) - total(other)."""
    return (whole ^ part ^ other) | (part & other)
