"""The platforms as operators see them: health, metrics, a correlation id that crosses, workers that are killed."""

from __future__ import annotations

import json
import secrets
import subprocess
from typing import Any

import pytest

from meterhall.demo.launch import COMMAND
from tests.e2e.strangers.requester import Requester, scope
from tests.e2e.town import (
    FIRST,
    KEYS,
    MOVED_IN,
    PODS,
    UNTIL,
    Streets,
    kill_worker,
    parts_of,
    pod,
    quarters,
    sign_contract,
    wait_for,
)


@pytest.mark.parametrize("key", KEYS)
def test_health_and_metrics_answer_on_both_listeners(streets: Streets, key: str):
    for base in (streets[key].b2b, streets[key].portal):
        assert streets.http.get(base + "/health/live").json()["status"] == "ok"
        assert streets.http.get(base + "/health/ready").json()["status"] == "ok"
        figures = streets.http.get(base + "/metrics")
        assert figures.status_code == 200
        assert "# HELP" in figures.text
    assert parts_of(streets[key]).keys() == {"b2b", "portal", "worker"}


def logged(streets: Streets, key: str, text: str) -> bool:
    return text in (streets[key].home / "serve.log").read_text(errors="replace")


def test_a_correlation_id_crosses_platforms(streets: Streets, stranger: Requester, subscription: str):
    mine = f"corr-{secrets.token_hex(6)}"
    response = stranger.grid.send(
        "POST",
        "/v1/evidence",
        {"assurance": "customer_signed", "jws": stranger.card(streets.cards, 16)},
        extra={"X-Correlation-Id": mine},
    )
    assert response.headers["X-Correlation-Id"] == mine
    granted = wait_for(
        "the event",
        lambda: [one for one in stranger.provider_news.pull() if one["correlation"] == mine],
    )
    assert [one["type"] for one in granted] == ["consent.granted"]
    wait_for("the grid operator's log", lambda: logged(streets, "grid", mine))
    wait_for("the Market Place's log", lambda: logged(streets, "marketplace", mine))


def test_a_refusal_is_one_line_with_its_correlation_and_without_what_was_typed(streets: Streets, stranger: Requester):
    mine, typed = f"corr-{secrets.token_hex(6)}", f"act_{secrets.token_hex(6)}"
    extra = {"X-Correlation-Id": mine}
    stranger.grid.refused(404, "unknown_activation", "GET", f"/v1/activations/{typed}", extra=extra)
    lines = (streets["grid"].home / "serve.log").read_text().splitlines()
    [line] = [json.loads(one) for one in lines if mine in one]
    assert (line["event"], line["call"], line["code"], line["status"]) == (
        "request.refused", "GET /v1/activations/<activation_id>", "unknown_activation", 404,
    )  # fmt: skip
    assert not [one for one in lines if typed in one or "use_dpop_nonce" in one]
    missing = streets.http.get(streets["grid"].portal + f"/{typed}", headers=extra)
    assert (missing.status_code, missing.headers["X-Correlation-Id"]) == (404, mine)


def test_a_correlation_id_reaches_the_other_party(streets: Streets, stranger: Requester):
    mine = f"corr-{secrets.token_hex(6)}"
    stranger.subscribe(dict(streets.offer), extra={"X-Correlation-Id": mine})
    wait_for("the grid operator's log", lambda: logged(streets, "grid", mine))


def _delivered(streets: Streets, name: str) -> Any:
    found = [one for one in streets.office("esco").all("/deliveries") if one["delivery_id"] == name]
    return found[0] if found and found[0].get("match") and found[0].get("receipted_at") else None


def test_workers_killed_midway_finish_everything_once(streets: Streets, stranger: Requester):
    office, grid = streets.office("esco"), streets.office("grid")
    offer = {"offer_id": streets.offer["offer_id"], "offer_version": streets.offer["version"]}
    subscription = office.post("/subscriptions", offer)["subscription_id"]
    sign_contract(streets, subscription)
    wait_for("the contract", lambda: office.get(f"/subscriptions/{subscription}")["state"] == "active")
    number = streets.numbers["esco"]
    items = [
        {"pod": pod(at), "assurance": "customer_signed", "evidence": stranger.card(streets.cards, at, requester=number)}
        for at in range(PODS)
    ]
    body = {"subscription_id": subscription, "scope": scope(), "items": items}
    made = office.post("/activations", body)["id"]
    wait_for("some evidence", lambda: grid.get("/consents/counts")["requesters"])
    killed = [kill_worker(streets["esco"]), kill_worker(streets["grid"])]
    wait_for("the answers", lambda: office.get(f"/activations/{made}")["state"] == "answered")
    assert office.get(f"/activations/{made}")["accepted"] == PODS

    period = {"from": str(FIRST), "until": str(UNTIL)}
    asked = office.post(
        "/data-requests", {"activation": made, "period": period, "granularity": "PT15M", "format": "espi"}
    )["id"]
    name = wait_for("the request", lambda: office.get(f"/data-requests/{asked}").get("delivery_id"))
    killed.append(kill_worker(streets["grid"]))
    wait_for("the announcement", lambda: name in [one["delivery_id"] for one in office.all("/deliveries")])
    killed += [kill_worker(streets["esco"]), kill_worker(streets["grid"])]
    ended = wait_for("the delivery", lambda: _delivered(streets, name))
    assert len(set(killed)) == 5
    readings = len(quarters(FIRST, UNTIL)) * (PODS - 1) + len(quarters(MOVED_IN, UNTIL))
    assert (ended["state"], ended["match"], ended["version"], ended["readings"]) == ("received", "matched", 1, readings)
    assert [one["version"] for one in grid.all("/deliveries") if one["delivery_id"] == name] == [1]
    assert grid.all("/dead-letters") == []


def test_a_home_is_read_by_its_user_alone(streets: Streets) -> None:
    for key in KEYS:
        home = streets[key].home
        assert home.stat().st_mode & 0o077 == 0
        databases = list(home.glob("db.sqlite3*"))
        assert not [file.name for file in databases if file.stat().st_mode & 0o077]


def test_check_knows_who_is_admitted(streets: Streets) -> None:
    for key in ("grid", "esco"):
        words = [*COMMAND, streets[key].role, "check", "--home", str(streets[key].home)]
        done = subprocess.run(words, env=streets.town._environment(key), capture_output=True, text=True, check=False)
        assert f"{streets.numbers[key]} is admitted" in done.stdout, done.stdout + done.stderr
        assert f"addresses: the Market Place names {streets[key].b2b}\n" in done.stdout
        words[len(COMMAND) + 1] = "declare-addresses"
        done = subprocess.run(words, env=streets.town._environment(key), capture_output=True, text=True, check=False)
        assert done.stdout.startswith(f"The Market Place names {streets[key].b2b}, "), done.stderr
