"""Numbers and truth values of messages are taken as JSON has them, and as the published schema says."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from meterhall.domain.protocol.base import Message
from meterhall.domain.protocol.offers import Wish


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
