"""Legal ids of players by their check digits (MP-1), access numbers (MP-5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.identifiers import (
    EEA,
    InvalidAccessNumber,
    InvalidLegalId,
    UnknownCountry,
    UnverifiableLegalId,
    access_number,
    check_access_number,
    check_country,
    check_legal_id,
    demonstration_gln,
)


@pytest.mark.parametrize(
    ("kind", "value", "country"),
    [
        ("LEI", "529900T8BM49AURSDO55", "DE"),
        ("GLN", "9520000000110", "IT"),
        ("EIC", "10XFR-RTE------Q", "FR"),
        ("VAT", "BE0403170701", "BE"),
        ("VAT", "0403 170 701", "BE"),
    ],
)
def test_a_good_legal_id_is_taken_compact(kind: str, value: str, country: str) -> None:
    found = check_legal_id(kind, value, country)
    assert found.kind == kind
    assert " " not in found.value


@pytest.mark.parametrize(
    ("kind", "value", "country", "error"),
    [
        ("LEI", "529900T8BM49AURSDO54", "DE", InvalidLegalId),
        ("GLN", "9520000000111", "IT", InvalidLegalId),
        ("VAT", "BE0403170702", "BE", InvalidLegalId),
        ("VAT", "FR12345678901", "BE", InvalidLegalId),
        ("PASSPORT", "X", "BE", InvalidLegalId),
        ("LEI", "529900T8BM49AURSDO55", "US", UnknownCountry),
        ("VAT", "12345", "IS", UnverifiableLegalId),
    ],
)
def test_a_wrong_one_is_refused_with_the_field(kind: str, value: str, country: str, error: type[Exception]) -> None:
    with pytest.raises(error) as refusal:
        check_legal_id(kind, value, country, field="/legal_id/value")
    assert refusal.value.field == "/legal_id/value"  # type: ignore[attr-defined]


@given(st.integers(0, 10**9 - 1))
def test_a_demonstration_gln_is_valid_and_nobodys(number: int) -> None:
    gln = demonstration_gln(number)
    assert check_legal_id("GLN", gln.value, "IT").is_demonstration


@given(st.integers(0, 10**8 - 1), st.integers(2, 11), st.sampled_from("0123456789"))
def test_one_wrong_digit_of_an_access_number_is_noticed(number: int, place: int, digit: str) -> None:
    good = access_number(number)
    assert check_access_number(f"{good[:2].lower()}-{good[2:6]} {good[6:]}") == good
    wrong = good[:place] + digit + good[place + 1 :]
    if wrong != good:
        with pytest.raises(InvalidAccessNumber):
            check_access_number(wrong)


def test_the_economic_area_is_thirty_countries() -> None:
    assert len(EEA) == 30
    for outside in ("GB", "CH", "US", "xx", ""):
        with pytest.raises(UnknownCountry):
            check_country(outside)
