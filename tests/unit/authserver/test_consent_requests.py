"""Pushed requests, and codes exchanged for grants."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from authserver_world import CALLBACK, CHALLENGE, CLIENT, DETAIL, ISSUER, VERIFIER, World
from joserfc.jwk import OKPKey

from meterhall.authserver import Answer
from meterhall.authserver.grants import code_digest
from meterhall.authserver.stores import CodeRecord

PAR = f"{ISSUER}/oauth/par"
TOKEN = f"{ISSUER}/oauth/token"


def test_a_pushed_request_is_kept_bound_to_its_key(world: World) -> None:
    answer = world.push()

    assert (answer.status, answer.body["expires_in"]) == (201, 590)
    (kept,) = world.memory.requests
    assert kept.request_uri == answer.body["request_uri"]
    assert (kept.client_id, kept.redirect_uri, kept.state, kept.scope) == (CLIENT, CALLBACK, "xyz", "data sandbox")
    assert (kept.dpop_jkt, kept.code_challenge) == (world.dpop_key.thumbprint(), CHALLENGE)
    assert [detail["need"] for detail in kept.details] == ["bill"]


def test_the_only_redirect_uri_need_not_be_named(world: World) -> None:
    assert world.push(redirect_uri=None).status == 201


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"redirect_uri": "https://evil.example/"}, "invalid_request", "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type", "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request", "pkce_needed"),
        ({"code_challenge_method": "plain"}, "invalid_request", "pkce_needed"),
        ({"code_challenge_method": None}, "invalid_request", "pkce_needed"),
        ({"code_challenge": "short"}, "invalid_request", "invalid_request"),
        ({"scope": "market"}, "invalid_scope", "invalid_scope"),
        ({"state": "x" * 501}, "invalid_request", "invalid_request"),
        ({"request_uri": "urn:x"}, "invalid_request", "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request", "invalid_request"),
        ({"dpop_jkt": "other"}, "invalid_dpop_proof", "invalid_dpop_proof"),
    ],
)
def test_a_request_that_is_not_right_is_not_kept(world: World, changes: dict, error: str, code: str) -> None:
    answer = world.push(**changes)
    assert (answer.status, answer.body["error"], answer.body["code"]) == (400, error, code)
    assert not world.memory.requests


@pytest.mark.parametrize(
    ("details", "field"),
    [
        (None, ""),
        ("{", ""),
        ("[" * 100_000, ""),
        (json.dumps(DETAIL), ""),
        ("[]", ""),
        (json.dumps([DETAIL | {"need": f"n{n}"} for n in range(21)]), ""),
        (json.dumps([DETAIL | {"type": "payment"}]), "/0/type"),
        (json.dumps([DETAIL, DETAIL | {"need": "other", "purpose": ""}]), "/1/purpose"),
        (json.dumps([DETAIL | {"colour": "red"}]), "/0/colour"),
        (json.dumps([DETAIL, DETAIL]), "/need"),
    ],
)
def test_details_that_are_not_right_are_named(world: World, details: str | None, field: str) -> None:
    answer = world.push(authorization_details=details)
    assert (answer.status, answer.body["error"]) == (400, "invalid_authorization_details")
    assert answer.body["field"] == field


def test_a_pushed_request_needs_proof_and_client(world: World) -> None:
    assert world.push(proof=world.proof("POST", TOKEN)).body["error"] == "invalid_dpop_proof"
    assert world.push(client_assertion="").body["error"] == "invalid_client"


def grant(world: World, **changes: object) -> str:
    """A code as the portal makes it when a customer grants."""
    record = CodeRecord(
        digest=code_digest("the-code"),
        client_id=CLIENT,
        redirect_uri=CALLBACK,
        scope="data",
        code_challenge=CHALLENGE,
        dpop_jkt=world.dpop_key.thumbprint(),
        grant_id="con_" + "1" * 24,
        details=(DETAIL | {"points": ["pt_1"]},),
        expires_at=world.now.replace(minute=1),
    )
    world.memory.codes[record.digest] = replace(record, **changes)  # type: ignore[arg-type]
    return "the-code"


def exchange(world: World, **changes: str) -> Answer:
    form = {
        "grant_type": "authorization_code",
        "code": "the-code",
        "code_verifier": VERIFIER,
        "redirect_uri": CALLBACK,
    }
    return world.post("/oauth/token", {name: value for name, value in (form | changes).items() if value})


def test_a_code_gives_the_grant(world: World) -> None:
    grant(world)
    answer = exchange(world)
    assert answer.status == 200
    assert answer.body["grant_id"] == "con_" + "1" * 24
    assert answer.body["authorization_details"] == [DETAIL | {"points": ["pt_1"]}]
    assert (answer.body["scope"], answer.body["token_type"]) == ("data", "DPoP")


def test_a_code_counts_once(world: World) -> None:
    grant(world)
    assert exchange(world).status == 200
    assert exchange(world).body["code"] == "code_used"
    world.memory.used.clear()
    grant(world, used=True)
    assert exchange(world).body["code"] == "code_used"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"code_verifier": "w" * 50}, "invalid_grant"),
        ({"redirect_uri": "https://sun.example/else"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_grant"),
        ({"code": "another"}, "code_unknown"),
    ],
)
def test_a_code_needs_its_verifier_and_address(world: World, changes: dict[str, str], code: str) -> None:
    grant(world)
    answer = exchange(world, **changes)
    assert (answer.status, answer.body["error"], answer.body["code"]) == (400, "invalid_grant", code)
    assert not world.memory.used


@pytest.mark.parametrize("changes", [{"code_verifier": ""}, {"code_verifier": "short"}, {"code": ""}])
def test_an_exchange_needs_all_its_parts(world: World, changes: dict[str, str]) -> None:
    grant(world)
    assert exchange(world, **changes).body["error"] == "invalid_request"


def test_a_code_is_bound_to_the_key_of_its_request(world: World) -> None:
    grant(world)
    world.dpop_key = OKPKey.generate_key("Ed25519")
    assert exchange(world).body["code"] == "dpop_key_mismatch"


def test_a_code_is_its_clients_only(world: World) -> None:
    grant(world, client_id="MH0000000206")
    assert exchange(world).body["code"] == "code_unknown"


def test_a_code_ends(world: World) -> None:
    grant(world)
    world.pass_time(seconds=60)
    assert exchange(world).body["code"] == "code_expired"
