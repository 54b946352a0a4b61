"""Pseudonyms that do not join, and groups whose sums do not give a member away."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.pods import demonstration_pod
from meterhall.domain.privacy import GroupTooSmall, check_difference, check_group, pairwise_pseudonym
from meterhall.domain.privacy.pseudonyms import PseudonymKeyTooShort

KEY = bytes(range(32))
MEMBERS = st.frozensets(st.sampled_from([f"p{n}" for n in range(24)]), min_size=5)


@given(st.integers(0, 10**6), st.text(max_size=12), st.text(max_size=12))
def test_the_pseudonym_differs_by_requester_and_by_consent(number: int, requester: str, consent: str) -> None:
    pod = demonstration_pod("IT", number)
    name = pairwise_pseudonym(KEY, requester, pod, consent)
    assert name == pairwise_pseudonym(KEY, requester, pod, consent)
    others = {
        pairwise_pseudonym(KEY, requester + "x", pod, consent),
        pairwise_pseudonym(KEY, requester, pod, consent + "x"),
        pairwise_pseudonym(KEY, requester + consent, pod, ""),
        pairwise_pseudonym(KEY[::-1], requester, pod, consent),
    }
    assert name not in others or (consent == "" and others.remove(name) is None)
    assert pod.value not in str(name)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(PseudonymKeyTooShort):
        pairwise_pseudonym(KEY[:31], "MH1", demonstration_pod("IT", 1), "con")


def test_the_minimum_is_named_but_never_the_size() -> None:
    check_group(10, 10)
    with pytest.raises(GroupTooSmall) as refusal:
        check_group(9, 10)
    assert "10" in refusal.value.detail
    assert "9" not in refusal.value.detail


def test_no_minimum_below_five() -> None:
    with pytest.raises(ValueError, match="at least 5"):
        check_group(10, 4)


def test_a_town_and_the_town_without_one_house_are_not_both_answered() -> None:
    town = {f"house{n}" for n in range(20)}
    with pytest.raises(GroupTooSmall):
        check_difference(town - {"house7"}, [town], 10)
    check_difference(town, [town], 10)


def test_two_halves_that_leave_one_house_out_are_refused() -> None:
    town = {f"house{n}" for n in range(31)}
    one, other = {f"house{n}" for n in range(15)}, {f"house{n}" for n in range(15, 30)}
    with pytest.raises(GroupTooSmall):
        check_difference(other, [town, one], 10)


def weights(*totals: tuple[int, frozenset[str]]) -> int:
    """How many members still count when totals are added and subtracted."""
    left: Counter[str] = Counter()
    for sign, group in totals:
        left.update(dict.fromkeys(group, sign))
    return sum(1 for weight in left.values() if weight)


@given(MEMBERS, st.lists(MEMBERS, max_size=4))
def test_no_two_or_three_totals_let_through_leave_a_few_members(
    group: frozenset[str], answered: list[frozenset[str]]
) -> None:
    earlier = set(answered) - {group}
    if len(earlier) < len(set(answered)):
        return
    try:
        check_difference(group, earlier, 5)
    except GroupTooSmall:
        return
    for other in earlier:
        assert weights((1, group), (-1, other)) >= 5
    for one, other in combinations(earlier, 2):
        for whole, part, rest in ((group, one, other), (one, group, other), (other, group, one)):
            assert weights((1, whole), (-1, part), (-1, rest)) not in range(1, 5)
