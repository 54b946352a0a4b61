"""Localisation: everybody who may hold a point, each with reason and confidence; nobody is ever invented."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.pods.coverage import Coverage, InvalidCoverage, check_coverage
from meterhall.domain.pods.localise import UNRESOLVED, Question, localise
from meterhall.domain.pods.operators import operators

ROME = Coverage("MH0000000011", "IT", "operator_code", "999", "Rete Dimostrativa")
OTHER = Coverage("MH0000000022", "IT", "operator_code", "999", "Altra Rete")
BELGIAN = Coverage("MH0000000033", "BE", "identifier_prefix", "952056000", "Demonet")
SQUARE = '{"type":"Polygon","coordinates":[[[4,50],[5,50],[5,51],[4,51],[4,50]]]}'


def one(question: Question, *coverage: Coverage):
    return localise([question], coverage)[0]


@pytest.mark.parametrize(
    ("pod", "operator"),
    [
        ("IT001E12345678", "e-distribuzione"),
        ("ES0021000001234567LQ", "i-DE"),
        ("AT0010000101000000000000001234567", "Wiener Netze"),
        ("PT0002000001234567ME", "E-REDES"),
    ],
)
def test_the_tables_name_the_operator_and_no_enrolled_provider(pod: str, operator: str) -> None:
    answer = one(Question(pod=pod))
    assert answer.level == "operator"
    assert [candidate.provider for candidate in answer.candidates] == [None] * len(answer.candidates)
    assert any(operator.lower() in candidate.operator.lower() for candidate in answer.candidates)
    assert {candidate.reason for candidate in answer.candidates} == {"table"}


def test_a_declared_operator_code_wins_and_says_that_it_is_declared() -> None:
    [candidate] = one(Question(pod="IT999E00000001"), ROME).candidates
    assert (candidate.provider, candidate.reason, candidate.confidence) == (ROME.provider, "coverage", "declared")


def test_two_claims_are_a_conflict_and_both_are_shown() -> None:
    answer = one(Question(scheme="IT", operator_part="999"), ROME, OTHER)
    assert {candidate.provider for candidate in answer.candidates} == {ROME.provider, OTHER.provider}
    assert {candidate.reason for candidate in answer.candidates} == {"conflict"}


def test_an_unknown_operator_stays_unknown() -> None:
    answer = one(Question(pod="IT998E00000001"), ROME)
    assert (answer.level, answer.candidates, answer.code) == ("scheme", (), "operator_unknown")


def test_france_is_known_by_scheme_only() -> None:
    answer = one(Question(pod="22516914714270", country="FR"))
    assert (answer.level, answer.scheme, answer.code) == ("scheme", "FR", "scheme_only")


def test_a_belgian_prefix_is_found_by_registered_coverage() -> None:
    [candidate] = one(Question(pod="952056000000000124", country="BE"), BELGIAN).candidates
    assert candidate.provider == BELGIAN.provider


def test_a_prefix_longer_than_what_was_sent_only_may_hold() -> None:
    narrow = Coverage("MH0000000044", "IT", "identifier_prefix", "IT999E5", "Mezza Rete")
    answer = one(Question(scheme="IT", operator_part="999"), narrow)
    assert answer.warnings == ("operator_part_short",)
    assert answer.candidates[0].provider == narrow.provider


@pytest.mark.parametrize(
    ("kind", "value", "question"),
    [
        ("postcode", "1000", Question(country="BE", postcode="1000")),
        ("municipality", "Liège", Question(country="BE", municipality="LIEGE")),
        ("polygon", SQUARE, Question(country="BE", position=(4.5, 50.5))),
    ],
)
def test_a_place_from_the_bill_finds_its_coverage(kind: str, value: str, question: Question) -> None:
    place = Coverage("MH0000000055", "BE", kind, value, "Net")  # type: ignore[arg-type]
    assert [candidate.provider for candidate in one(question, place).candidates] == [place.provider]
    nowhere = Question(country="BE", postcode="9999", position=(9.0, 9.0))
    assert one(nowhere, place).code == "no_coverage"


@given(st.text(max_size=40), st.sampled_from([None, "IT", "BE", "FR", "XX"]))
def test_an_answer_has_candidates_or_says_why_not(text: str, country: str | None) -> None:
    answer = one(Question(pod=text, country=country), ROME, BELGIAN)
    assert bool(answer.candidates) != bool(answer.code)
    assert answer.code is None or answer.code in UNRESOLVED or answer.code.startswith("pod_")


@given(st.from_regex(r"[0-9]{3}", fullmatch=True))
def test_no_operator_without_a_row(part: str) -> None:
    named = {row.name for row in operators("IT", part)}
    found = {candidate.operator for candidate in one(Question(scheme="IT", operator_part=part)).candidates}
    assert found == named


@pytest.mark.parametrize("value", ["", "[]", '{"type":"Point","coordinates":[1,2]}', "[[[0,0],[1,1]]]", "not json"])
def test_a_polygon_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(InvalidCoverage) as refusal:
        check_coverage("polygon", value, field="/coverage/0/value")
    assert refusal.value.field == "/coverage/0/value"


def test_of_a_number_that_names_no_country_the_likely_reading_counts() -> None:
    belgian = one(Question(pod="541449020000001237"))
    assert (belgian.scheme, belgian.country, belgian.level) == ("BE", "BE", "scheme")
    assert belgian.warnings == ("country_assumed",)
    nowhere = one(Question(pod="123456789012345675"))
    assert (nowhere.scheme, nowhere.code) == (None, "pod_ambiguous")
    assert nowhere.warnings == ("prefix_unusual", "country_assumed")
