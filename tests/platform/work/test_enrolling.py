"""Applying at the Market Place: what was refused is corrected and sent again; who is enrolled stays who it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import override_settings

from meterhall.client.b2b import RemoteRefusal, RemoteUnreachable, UnreadableAnswer
from meterhall.domain.protocol.keys import SigningKey, payload_of
from meterhall.domain.protocol.players import LegalIdentifier
from meterhall.web.home import Home
from meterhall.web.membership.service import BadEnrolment, EnrolledOtherwise, enrol
from meterhall.web.platform import Platform

pytestmark = pytest.mark.django_db
HALL = "https://hall.example"
WRONG, RIGHT = LegalIdentifier(kind="GLN", value="9520000000317"), LegalIdentifier(kind="GLN", value="9520000000318")


class Hall:
    """A Market Place: refuses a wrong check digit, else answers the player; keeps what it was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.down = False
        self.answer: bytes | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/.well-known/meterhall":
            return httpx.Response(200, json=self.discovery())
        if self.down:
            raise httpx.ReadTimeout("nobody")
        declared = payload_of(json.loads(request.content)["jws"])
        self.sent.append((request.headers["Idempotency-Key"], dict(declared)))
        if declared["legal_id"]["value"] == WRONG.value:
            return httpx.Response(422, json={"code": "legal_id_check_failed", "detail": "The check digit is wrong."})
        if self.answer is not None:
            return httpx.Response(202, content=self.answer)
        del declared["description"]
        return httpx.Response(202, json=declared | {"access_number": "MH0000000202", "status": "applied"})

    def discovery(self) -> dict[str, Any]:
        return {
            "role": "marketplace",
            "environment": "regulated",
            "organisation": "Hall",
            "access_number": "MH0000000008",
            "keys": [SigningKey.generate().public.jwk()],
            "endpoints": {"b2b": HALL},
        }


@pytest.fixture
def hall() -> Hall:
    return Hall()


@pytest.fixture
def grid(db: None, tmp_path: Path, hall: Hall) -> Iterator[Platform]:
    home = Home.create(tmp_path / "home", {"role": "provider", "name": "Grid", "marketplace_url": HALL}, None)
    running = Platform(home)
    running.__dict__["http"] = httpx.Client(transport=httpx.MockTransport(hall))
    with override_settings(METERHALL=running):
        yield running


def test_what_was_refused_is_corrected_and_sent_again_as_something_new(grid: Platform, hall: Hall) -> None:
    with pytest.raises(RemoteRefusal, match="check digit"):
        enrol(WRONG, ("provider",), "dso")
    assert enrol(RIGHT, ("provider",), "dso").access_number == "MH0000000202"
    (first, _), (second, declared) = hall.sent
    assert first != second
    assert declared["legal_id"]["value"] == RIGHT.value


def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_key(grid: Platform, hall: Hall) -> None:
    hall.answer = b"<html>"
    with pytest.raises(UnreadableAnswer):
        enrol(RIGHT, ("provider",), "dso")
    hall.down = True
    with pytest.raises(RemoteUnreachable, match="did not answer in time"):
        enrol(RIGHT, ("provider",), "dso")
    hall.down, hall.answer = False, None
    enrol(RIGHT, ("provider",), "dso")
    assert enrol(RIGHT, ("provider",), "dso").status == "applied"
    assert len({key for key, _ in hall.sent}) == 1


def test_who_is_enrolled_does_not_become_somebody_else(grid: Platform, hall: Hall) -> None:
    enrol(RIGHT, ("provider",), "dso")
    with pytest.raises(EnrolledOtherwise, match=r"as GLN:9520000000318 \(dso\) already"):
        enrol(WRONG, ("provider",), "dso")
    assert len(hall.sent) == 1


def test_a_name_no_player_may_bear_is_refused_before_anything_is_sent(grid: Platform, hall: Hall) -> None:
    grid.home.__dict__["config"] = grid.config.model_copy(update={"name": ""})
    with pytest.raises(BadEnrolment, match="/organisation: ") as refused:
        enrol(RIGHT, ("provider",), "dso")
    assert refused.value.field == "/organisation"
    assert hall.sent == []
