"""The token endpoint: who gets a token, what for, and what is refused with which code."""

from __future__ import annotations

import base64

import pytest
from authserver_world import CLIENT, ISSUER, World
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey

from meterhall.authserver import Call
from meterhall.authserver.stores import ClientRecord
from meterhall.domain.protocol.keys import SigningKey

TOKEN = f"{ISSUER}/oauth/token"


def codes(answer: object) -> tuple[int, str, str]:
    return answer.status, answer.body["error"], answer.body["code"]  # type: ignore[attr-defined]


def test_a_token_says_whose_it_is_what_for_and_to_which_key_it_is_bound(world: World) -> None:
    answer = world.token()

    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert {name: answer.body[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "DPoP",
        "expires_in": 600,
        "scope": "data sandbox",
    }
    token = jwt.decode(answer.body["access_token"], world.server_key.public.jose, algorithms=["Ed25519"])
    assert token.header == {"alg": "Ed25519", "typ": "at+jwt", "kid": world.server_key.kid}
    assert token.claims["cnf"] == {"jkt": world.dpop_key.thumbprint()}
    assert (token.claims["iss"], token.claims["aud"], token.claims["sub"]) == (ISSUER, ISSUER, CLIENT)
    assert token.claims["exp"] - token.claims["iat"] == 600


def test_the_scope_parameter_narrows_and_never_widens(world: World) -> None:
    assert world.token(scope="sandbox").body["scope"] == "sandbox"
    assert codes(world.token(scope="sandbox market")) == (400, "invalid_scope", "invalid_scope")


def test_a_client_without_scopes_gets_no_token(world: World) -> None:
    world.memory.clients[CLIENT] = ClientRecord(CLIENT, (world.key.public.jwk(),), ())
    assert codes(world.token()) == (400, "invalid_scope", "invalid_scope")


def test_proofs_may_be_made_with_p256(world: World) -> None:
    world.dpop_key = ECKey.generate_key("P-256")
    assert world.token().status == 200


def test_an_unknown_client_is_told_so(world: World) -> None:
    world.memory.clients.clear()
    answer = world.token()
    assert codes(answer) == (401, "invalid_client", "client_unknown")
    assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aud": "https://other.example"}, "aud"),
        ({"aud": None}, "aud"),
        ({"iss": "MH0000000206"}, "iss"),
        ({"sub": None}, "read"),
        ({"sub": 7}, "read"),
        ({"exp": 1}, "ended"),
        ({"exp": None}, "time"),
        ({"exp": "soon"}, "time"),
        ({"exp": 4_000_000_000}, "ten minutes"),
        ({"nbf": 4_000_000_000}, "ended"),
        ({"jti": None}, "jti"),
        ({"jti": "short"}, "jti"),
        ({"jti": "\ud800" * 9}, "jti"),
        ({"aud": [{}]}, "read"),
    ],
)
def test_an_assertion_that_is_not_right_is_refused(world: World, changes: dict, why: str) -> None:
    answer = world.post("/oauth/token", {"grant_type": "client_credentials"}, assertion=world.assertion(**changes))
    assert codes(answer) == (401, "invalid_client", "invalid_client")
    assert why in answer.body["detail"]


def test_an_assertion_lives_ten_minutes_at_most(world: World) -> None:
    for life_s, status in ((600, 200), (601, 401)):
        assertion = world.assertion(exp=int(world.now.timestamp()) + life_s)
        answer = world.post("/oauth/token", {"grant_type": "client_credentials"}, assertion=assertion)
        assert answer.status == status


@pytest.mark.parametrize("audience", [TOKEN, f"{ISSUER}/oauth/par", [ISSUER, "https://else.example"]])
def test_an_assertion_may_name_an_endpoint_as_its_audience(world: World, audience: object) -> None:
    assertion = world.assertion(aud=audience)
    assert world.post("/oauth/token", {"grant_type": "client_credentials"}, assertion=assertion).status == 200


def test_an_assertion_by_another_key_is_refused(world: World) -> None:
    assertion = world.assertion(key=SigningKey.generate())
    answer = world.post("/oauth/token", {"grant_type": "client_credentials"}, assertion=assertion)
    assert codes(answer) == (401, "invalid_client", "invalid_client")


def test_an_assertion_counts_once(world: World) -> None:
    assertion = world.assertion()
    assert world.post("/oauth/token", {"grant_type": "client_credentials"}, assertion=assertion).status == 200
    again = world.post("/oauth/token", {"grant_type": "client_credentials"}, assertion=assertion)
    assert codes(again) == (401, "invalid_client", "assertion_replayed")


def test_a_client_id_beside_must_be_the_assertions(world: World) -> None:
    assert world.token(client_id=CLIENT).status == 200
    answer = world.token(client_id="MH0000000206")
    assert (answer.status, answer.body["field"]) == (401, "/client_id")


def test_without_an_assertion_there_is_no_token(world: World) -> None:
    answer = world.token(client_assertion="")
    assert codes(answer) == (401, "invalid_client", "client_assertion_missing")


def test_a_proof_counts_once(world: World) -> None:
    proof = world.proof("POST", TOKEN)
    form = {"grant_type": "client_credentials"}
    assert world.post("/oauth/token", form, proof=proof).status == 200
    assert codes(world.post("/oauth/token", form, proof=proof)) == (400, "invalid_dpop_proof", "proof_replayed")


def test_a_proof_without_our_nonce_is_told_the_nonce_and_uses_nothing_up(world: World) -> None:
    assertion, form = world.assertion(), {"grant_type": "client_credentials"}
    refused = world.post("/oauth/token", form, proof=world.proof("POST", TOKEN, nonce=None), assertion=assertion)
    assert codes(refused) == (400, "use_dpop_nonce", "use_dpop_nonce")
    proof = world.proof("POST", TOKEN, nonce=refused.headers["DPoP-Nonce"])
    assert world.post("/oauth/token", form, proof=proof, assertion=assertion).status == 200


def test_a_nonce_ends(world: World) -> None:
    nonce = world.nonces.make(world.now)
    world.pass_time(seconds=719)
    form = {"grant_type": "client_credentials"}
    assert world.post("/oauth/token", form, proof=world.proof("POST", TOKEN, nonce=nonce)).status == 200
    world.pass_time(seconds=1)
    late = world.post("/oauth/token", form, proof=world.proof("POST", TOKEN, nonce=nonce))
    assert late.body["error"] == "use_dpop_nonce"


@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "GET"},
        {"htu": "https://grid.example/oauth/par"},
        {"htu": "https://other.example/oauth/token"},
        {"htu": "http://grid.example/oauth/token"},
        {"htu": None},
        {"htu": "https://[grid"},
        {"iat": None},
        {"iat": "now"},
        {"jti": None},
        {"jti": "x" * 201},
        {"jti": "\ud800" * 9},
        {"header": {"typ": "JWT"}},
        {"header": {"jwk": {}}},
        {"header": {"jwk": OKPKey.generate_key("Ed25519").as_dict(private=False)}},
        {"header": {"jwk": OKPKey.generate_key("Ed25519").as_dict(private=True)}},
        {"header": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}},
        {"header": {"jwk": {"kty": "OKP", "crv": "Ed25519"}}},
        {"header": {"alg": "HS256", "jwk": {"kty": "oct", "k": "c2VjcmV0"}}, "key": OctKey.import_key("secret" * 8)},
    ],
)
def test_a_proof_that_does_not_fit_is_refused(world: World, changes: dict) -> None:
    proof = world.proof("POST", **({"url": TOKEN} | changes))
    answer = world.post("/oauth/token", {"grant_type": "client_credentials"}, proof=proof)
    assert codes(answer) == (400, "invalid_dpop_proof", "invalid_dpop_proof")


@pytest.mark.parametrize(
    "htu", ["HTTPS://GRID.example:443/oauth/token", TOKEN + "?a=b#c", "https://grid.example/oauth/%74oken"]
)
def test_the_same_address_may_be_written_differently(world: World, htu: str) -> None:
    proof = world.proof("POST", TOKEN, htu=htu)
    assert world.post("/oauth/token", {"grant_type": "client_credentials"}, proof=proof).status == 200


DEEP = base64.urlsafe_b64encode(b"[" * 2900).decode()


def test_what_is_nested_too_deep_is_refused(world: World) -> None:
    for text in (f"{DEEP}.e30.AA", f"e30.{DEEP}.AA"):
        refused = world.post("/oauth/token", {"grant_type": "client_credentials"}, assertion=text)
        assert refused.body["error"] == "invalid_client"
    refused = world.post("/oauth/token", {"grant_type": "client_credentials"}, proof=f"{DEEP}.e30.AA")
    assert refused.body["error"] == "invalid_dpop_proof"


@pytest.mark.parametrize("proof", ["", "not.a.proof", "a,b", "é.é.é", "x" * 5000])
def test_what_is_no_proof_is_refused(world: World, proof: str) -> None:
    answer = world.post("/oauth/token", {"grant_type": "client_credentials"}, proof=proof)
    assert (answer.status, answer.body["error"]) == (400, "invalid_dpop_proof")


def test_an_unknown_grant_type_is_named(world: World) -> None:
    assert codes(world.token(grant_type="password")) == (400, "unsupported_grant_type", "unsupported_grant_type")


def test_a_parameter_given_twice_is_refused(world: World) -> None:
    answer = world.server.token(Call("POST", TOKEN, {}, {"grant_type": ["client_credentials", "client_credentials"]}))
    assert (answer.body["error"], answer.body["field"]) == ("invalid_request", "/grant_type")


def test_the_metadata_names_what_there_is(world: World) -> None:
    found = world.server.metadata()
    assert found["issuer"] == ISSUER
    assert found["dpop_signing_alg_values_supported"] == ["Ed25519", "EdDSA", "ES256"]
    assert found["require_pushed_authorization_requests"] is True
    assert found["authorization_response_iss_parameter_supported"] is True
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert world.server.jwks()["keys"][0]["x"] == world.server_key.public.x


@pytest.mark.parametrize(("minutes", "says"), [(10, "ahead of"), (-10, "behind")])
def test_a_clock_ten_minutes_off_is_named(world: World, minutes: int, says: str) -> None:
    made = int(world.now.timestamp()) + minutes * 60
    proof = world.proof("POST", TOKEN, iat=made)
    answer = world.post("/oauth/token", {"grant_type": "client_credentials"}, proof=proof)
    assert codes(answer) == (400, "invalid_dpop_proof", "clock_off")
    assert f"600 s {says} this clock" in answer.body["error_description"]
    assertion = world.assertion(iat=made, exp=made + 60)
    answer = world.post("/oauth/token", {"grant_type": "client_credentials"}, assertion=assertion)
    if minutes > 0:
        assert codes(answer) == (401, "invalid_client", "clock_off")
        assert f"600 s {says} this clock" in answer.body["error_description"]
