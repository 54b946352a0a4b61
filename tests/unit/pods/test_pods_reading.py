"""Reading a text as a point of delivery: what fits, what is refused and why, and that nothing shows in print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.pods import (
    BY_CODE,
    DEMONSTRATION_OPERATOR,
    WARNINGS,
    InvalidPod,
    demonstration_pod,
    is_sandbox,
    normalise,
    read,
)

NUMBERS = st.integers(0, 10**8 - 1)
DEMONSTRATION_SCHEMES = st.sampled_from(sorted(DEMONSTRATION_OPERATOR))


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_code(text: str) -> None:
    codes: list[str] = []
    warnings: set[str] = set()
    try:
        for candidate in read(text):
            codes.append("read")
            warnings |= set(candidate.warnings)
    except InvalidPod as refusal:
        codes.append(refusal.code)
    assert codes
    assert codes[0] == "read" or codes[0].startswith("pod_")
    assert warnings <= set(WARNINGS)


@given(st.text(max_size=80))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text).text
    assert normalise(once).text == once


@given(DEMONSTRATION_SCHEMES, NUMBERS)
def test_a_demonstration_pod_is_valid_and_nobodys(scheme: str, number: int) -> None:
    pod = demonstration_pod(scheme, number)
    assert is_sandbox(pod)
    assert pod in [candidate.pod for candidate in read(pod.value, country=pod.country)]


@given(DEMONSTRATION_SCHEMES, NUMBERS)
def test_a_pod_never_shows_in_print(scheme: str, number: int) -> None:
    pod = demonstration_pod(scheme, number)
    for printed in (repr(pod), str(pod), f"{pod}", pod.masked):
        assert pod.value not in printed


@given(NUMBERS, st.integers(0, 21), st.sampled_from("0123456789ABCDEFGHJKLMNPQRSTVWXYZ"))
def test_one_wrong_character_of_a_cups_never_passes_as_another_customers(number: int, place: int, letter: str) -> None:
    good = demonstration_pod("ES", number).value
    if place >= len(good) or good[place] == letter or place < 2:
        return
    wrong = good[:place] + letter + good[place + 1 :]
    with pytest.raises(InvalidPod):
        read(wrong)


@pytest.mark.parametrize(
    "text", ["pod it 001 e 12345678", "IT-001-E-12345678", " it001e12345678 ", "POD: IT001E12345678"]
)
def test_messy_writing_is_understood(text: str) -> None:
    [found] = read(text)
    assert (found.pod.value, found.pod.operator_part) == ("IT001E12345678", "001")


def test_eighteen_bare_digits_name_no_country() -> None:
    countries = {candidate.pod.country for candidate in read("541448820012345678")}
    assert "BE" in countries
    assert len(countries) > 1
    [belgian] = read("541448820012345678", country="BE")
    assert belgian.pod.country == "BE"


def test_a_rule_that_is_not_certain_warns_and_does_not_refuse() -> None:
    [found] = read("IT001E123456782")
    assert found.warnings == ("check_character_unverified",)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ES2260351481000000WR", "pod_check_failed"),
        ("IT001E1234567", "pod_bad_length"),
        ("IT001X12345678", "pod_bad_format"),
        ("hello", "pod_unknown_scheme"),
        ("", "pod_unknown_scheme"),
    ],
)
def test_the_refusal_says_what_is_wrong(text: str, code: str) -> None:
    with pytest.raises(InvalidPod) as refusal:
        read(text, field="/items/3/pod")
    assert (refusal.value.code, refusal.value.field) == (code, "/items/3/pod")


def test_every_scheme_gives_a_prefix_that_its_own_pods_have() -> None:
    for scheme, part in DEMONSTRATION_OPERATOR.items():
        prefix = BY_CODE[scheme].prefix(part)
        assert prefix is not None
        assert demonstration_pod(scheme, 7).value.startswith(prefix)
