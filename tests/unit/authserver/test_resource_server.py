"""Calls with a token: whose they are, and what is refused."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from authserver_world import CLIENT, ISSUER, World
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from meterhall.authserver import Access, Call, Nonces, TokenProblem
from meterhall.authserver.dpop import _target
from meterhall.domain.protocol.keys import SigningKey

URL = f"{ISSUER}/v1/deliveries"


def ath(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()


def call(world: World, token: str, *, proof: str | None = None, scheme: str = "DPoP") -> Access:
    proof = proof or world.proof("GET", URL, ath=ath(token))
    return world.resource.access(Call("GET", URL + "?after=x", {"Authorization": f"{scheme} {token}", "DPoP": proof}))


def refused(world: World, token: str, **how: str) -> tuple[str, str]:
    with pytest.raises(TokenProblem) as caught:
        call(world, token, **how)
    return caught.value.error, caught.value.code


@pytest.fixture
def token(world: World) -> str:
    return str(world.token().body["access_token"])


def test_a_call_is_its_clients_with_its_scopes(world: World, token: str) -> None:
    assert call(world, token) == Access(CLIENT, ("data", "sandbox"), world.dpop_key.thumbprint())


def test_a_token_holds_no_scope_its_client_has_lost(world: World, token: str) -> None:
    world.memory.clients[CLIENT] = replace(world.memory.clients[CLIENT], scopes=("sandbox",))
    assert call(world, token).scopes == ("sandbox",)


def test_a_stopped_clients_token_stops_at_once(world: World, token: str) -> None:
    world.memory.clients.clear()
    assert refused(world, token) == ("invalid_token", "client_stopped")


def test_a_token_ends_after_ten_minutes(world: World, token: str) -> None:
    world.pass_time(seconds=599)
    call(world, token)
    world.pass_time(seconds=1)
    assert refused(world, token) == ("invalid_token", "token_expired")


def test_a_token_is_shown_by_its_key_only(world: World, token: str) -> None:
    thief = OKPKey.generate_key("Ed25519")
    proof = world.proof("GET", URL, key=thief, ath=ath(token))
    assert refused(world, token, proof=proof) == ("invalid_dpop_proof", "dpop_key_mismatch")


def test_a_proof_is_for_one_token_one_address_one_time(world: World, token: str) -> None:
    for proof in (
        world.proof("GET", URL),
        world.proof("GET", URL, ath=ath("another")),
        world.proof("GET", URL, ath="\ud800"),
        world.proof("POST", URL, ath=ath(token)),
        world.proof("GET", URL + "/1", ath=ath(token)),
    ):
        assert refused(world, token, proof=proof)[0] == "invalid_dpop_proof"
    proof = world.proof("GET", URL, ath=ath(token))
    call(world, token, proof=proof)
    assert refused(world, token, proof=proof) == ("invalid_dpop_proof", "proof_replayed")


def test_a_proof_needs_the_servers_nonce(world: World, token: str) -> None:
    assert refused(world, token, proof=world.proof("GET", URL, ath=ath(token), nonce=None))[0] == "use_dpop_nonce"


def test_other_tokens_are_none(world: World, token: str) -> None:
    assert refused(world, token, scheme="Bearer") == ("invalid_token", "token_missing")
    assert refused(world, "") == ("invalid_token", "token_missing")
    assert refused(world, "x.y.z") == ("invalid_token", "invalid_token")
    assert refused(world, world.assertion()) == ("invalid_token", "invalid_token")
    head, body, mac = token.split(".")
    assert refused(world, f"{head}.{body}.{mac[::-1]}") == ("invalid_token", "invalid_token")
    claims = jws.extract_compact(token.encode()).payload
    signed = {"alg": "Ed25519", "typ": "meterhall-statement+jws"}
    statement = jws.serialize_compact(signed, claims, world.server_key.jose, algorithms=["Ed25519"])
    assert refused(world, statement) == ("invalid_token", "invalid_token")
    other = World(now=world.now, server_key=SigningKey.generate())
    assert refused(world, str(other.token().body["access_token"])) == ("invalid_token", "invalid_token")


@given(st.text(max_size=60))
def test_no_made_up_nonce_is_ours(nonce: str) -> None:
    assert not Nonces(b"s" * 32).knows(nonce, datetime(2026, 1, 1, tzinfo=UTC))


@given(st.integers(0, 4_000_000_000), st.integers(-100, 1500))
def test_a_nonce_is_good_for_its_time_and_by_its_secret(made: int, age: int) -> None:
    then, now = (datetime.fromtimestamp(at, UTC) for at in (made, max(0, made + age)))
    nonce = Nonces(b"s" * 32).make(then)
    assert Nonces(b"s" * 32).knows(nonce, now) == (-5 <= (now - then).total_seconds() < 720)
    assert not Nonces(b"t" * 32).knows(nonce, now)


@given(st.text(max_size=40))
def test_no_address_breaks_the_comparison(text: str) -> None:
    assert _target("https://grid.example/" + text) != _target("https://other.example/" + text)
