import pytest

from meterhall.domain.readings import (
    CIVIL_DAY,
    CIVIL_MONTH,
    CIVIL_WEEK,
    HOUR,
    Granularity,
    UnknownGranularity,
    parse_granularity,
)


@pytest.mark.parametrize(
    ("text", "granularity"),
    [
        ("PT15M", Granularity(900)),
        ("PT30M", Granularity(1800)),
        ("PT1H", HOUR),
        ("PT60M", HOUR),
        ("PT1H30M", Granularity(5400)),
        ("PT24H", Granularity(86_400)),
        ("PT1S", Granularity(1)),
        ("P1D", CIVIL_DAY),
        ("P7D", CIVIL_WEEK),
        ("P1M", CIVIL_MONTH),
    ],
)
def test_reads_iso_8601_durations(text: str, granularity: Granularity) -> None:
    assert parse_granularity(text) == granularity


@pytest.mark.parametrize("text", ["PT15M", "PT1H", "PT1H30M", "PT24H", "P1D", "P7D", "P1M", "PT1S"])
def test_writes_what_it_reads(text: str) -> None:
    assert str(parse_granularity(text)) == text


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "PT0S", "PT7M", "PT25H", "P2D", "P14D", "P1W", "P1Y", "P1DT1H", "15M", "PT-15M", "pt15m"]
)
def test_refuses_what_does_not_divide_a_day(text: str) -> None:
    with pytest.raises(UnknownGranularity) as refused:
        parse_granularity(text, field="/scope/granularity")
    assert refused.value.field == "/scope/granularity"


def test_what_civil_slots_are_made_of() -> None:
    grains = (HOUR, CIVIL_DAY, CIVIL_WEEK, CIVIL_MONTH)
    made = {held: [wanted for wanted in grains if wanted.is_made_of(held)] for held in grains[1:]}
    assert made == {CIVIL_DAY: [*grains[1:]], CIVIL_WEEK: [CIVIL_WEEK], CIVIL_MONTH: [CIVIL_MONTH]}
    assert [grain.most_days for grain in grains] == [0, 1, 7, 31]
