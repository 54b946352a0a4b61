"""`meterhall provider serve --engine sc://…` is all an operator has to say."""

from __future__ import annotations

import pytest

from meterhall.demo.office import Refused
from tests.e2e.town import FIRST, Streets, parts_of
from tests.engines import Server

KEY = "grid"


def again(streets: Streets, *words: str) -> None:
    running = streets[KEY]
    assert running.process is not None
    running.process.terminate()
    running.process.wait(60)
    streets.town.serve(running, *words)
    streets.town.wait_ready(running)


def test_a_provider_calculates_where_it_is_told_to(streets: Streets, sail: Server) -> None:
    office = streets.office(KEY)
    handle = office.get("/points", limit=1)["items"][0]["handle"]

    def told() -> object:
        asked = {"from": str(FIRST), "until": str(FIRST.replace(day=8))}
        return office.get(f"/points/{handle}/readings", **asked)["series"]

    near = told()
    assert len(near[0]["values"]) == 7 * 96  # type: ignore[index]
    try:
        again(streets, "--engine", sail.url)
        assert told() == near
        assert set(parts_of(streets[KEY])) == {"b2b", "portal", "worker"}
        sail.kill()
        with pytest.raises(Refused) as away:
            told()
        assert away.value.answer_code == "engine_unavailable"
        sail.start()
        assert told() == near
    finally:
        again(streets)
