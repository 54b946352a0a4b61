"""Numbers and truth values of messages are taken as JSON has them, and as the published schema says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from meterhall.domain.protocol.agreements import Quit
from meterhall.domain.protocol.base import Message, Period, SeenLines, SeenText
from meterhall.domain.protocol.offers import DataScope, Wish


class Counted(Message):
    many: int = 1
    maybe: int | None = None
    by_name: dict[str, int] = {}
    true: bool = True
    part: float = 0.5


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("many", True), ("many", "3"), ("many", 3.5), ("maybe", False), ("maybe", "3"), ("by_name", {"a": "1"}),
        ("true", 1), ("true", "yes"), ("part", "0.5"), ("part", True),
    ],
)  # fmt: skip
def test_what_is_written_otherwise_is_refused(member: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Counted.model_validate({member: value})


def test_what_is_written_so_is_taken() -> None:
    said = {"many": 3, "maybe": None, "by_name": {"a": 1}, "true": False, "part": 1}
    assert Counted.model_validate(said).document() == {"many": 3, "by_name": {"a": 1}, "true": False, "part": 1}


@pytest.mark.parametrize("customers", [True, "3"])
def test_a_wish_counts_its_customers(customers: Any) -> None:
    said = {"countries": ["BE"], "customers": 3, "scope": {"granularities": ["PT1H"]}}
    assert Wish.model_validate(said).customers == 3
    with pytest.raises(ValidationError) as refused:
        Wish.model_validate(said | {"customers": customers})
    assert refused.value.errors()[0]["loc"] == ("customers",)


@pytest.mark.parametrize("day", [1_477_785_600, "1477785600", "2016-10-30T00:00:00+14:00", "2016-10-30T00:00:00", True])
def test_a_day_is_written_as_a_day(day: object) -> None:
    with pytest.raises(ValidationError, match="from"):
        Period.model_validate({"from": day, "until": "2017-01-01"})
    with pytest.raises(ValidationError, match="from"):
        Period.model_validate_json(json.dumps({"from": day, "until": "2017-01-01"}))


@pytest.mark.parametrize("at", [1_477_785_600, "1477785600", "2016-10-30", 1.5])
def test_an_instant_is_written_as_an_instant(at: object) -> None:
    with pytest.raises(ValidationError, match="quit_at"):
        Quit.model_validate({"subscription_id": "sub_" + 24 * "0", "party": "MH0000000109", "quit_at": at})


@pytest.mark.parametrize("character", ["\u202e", "\u200b", "\a", "\u2066"])
def test_what_a_person_is_shown_hides_nothing(character: str) -> None:
    with pytest.raises(ValidationError, match="not seen"):
        TypeAdapter(SeenText).validate_python(f"Advice{character}!")
    with pytest.raises(ValidationError, match="not seen"):
        TypeAdapter(SeenLines).validate_python(f"One line,\nanother{character}")
    assert TypeAdapter(SeenLines).validate_python("One line,\n\tanother") == "One line,\n\tanother"


@pytest.mark.parametrize("name", ["granularities", "directions"])
def test_a_list_names_a_thing_once(name: str) -> None:
    said = {"granularities": ["PT1H"], "directions": ["import"]}
    said[name] *= 2
    with pytest.raises(ValidationError, match="names something twice"):
        DataScope.model_validate(said)
