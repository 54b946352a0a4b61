"""The client's tokens: got when needed, shared, renewed, and never asked for more often than that."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from meterhall.client import tokens
from meterhall.client.errors import RemoteUnreachable, TokenRefused, UnreadableAnswer
from meterhall.client.tokens import DPoPAuth, TokenEndpoint
from meterhall.domain.protocol.keys import SigningKey, header_of

BASE = "https://grid.example"
NUMBER = "MH0000000109"
KEY = SigningKey.generate()


def claims(jwt: str) -> dict:
    from joserfc import jws

    return json.loads(jws.extract_compact(jwt.encode()).payload)


@dataclass
class Grid:
    """A platform that wants nonces and gives tokens; `refuses` are answers it gives first, by path."""

    refuses: dict[str, list[httpx.Response]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    life_s: int = 600
    issued: int = 0
    nonce: str = "n1"
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self.lock:
            self.requests.append(request)
            if waiting := self.refuses.get(request.url.path):
                return waiting.pop(0)
            is_token = request.url.path == "/oauth/token"
            headers = {"DPoP-Nonce": self.nonce}
            if claims(request.headers["DPoP"]).get("nonce") != self.nonce:
                if is_token:
                    return httpx.Response(400, json={"error": "use_dpop_nonce"}, headers=headers)
                challenge = {"WWW-Authenticate": 'DPoP error="use_dpop_nonce", algs="Ed25519"'}
                return httpx.Response(401, json={"code": "use_dpop_nonce"}, headers=headers | challenge)
            if is_token:
                self.issued += 1
                body = {"access_token": f"t{self.issued}", "token_type": "DPoP", "expires_in": self.life_s}
                return httpx.Response(200, json=body, headers=headers)
            return httpx.Response(200, text=request.headers["Authorization"], stream=None)

    def forms(self) -> list[dict[str, str]]:
        asked = [request for request in self.requests if request.url.path == "/oauth/token"]
        return [dict(httpx.QueryParams(request.content.decode())) for request in asked]


def client(grid: Grid, **how: object) -> httpx.Client:
    http = httpx.Client(transport=httpx.MockTransport(grid))
    http.auth = DPoPAuth(BASE, NUMBER, KEY, http=http, **how)  # type: ignore[arg-type]
    return http


def challenge(error: str) -> httpx.Response:
    return httpx.Response(401, headers={"WWW-Authenticate": f'DPoP error="{error}"'}, json={"code": error})


def test_one_token_serves_many_calls() -> None:
    grid = Grid()
    http = client(grid)
    assert {http.get(f"{BASE}/v1/x").text for _ in range(3)} == {"DPoP t1"}
    assert [request.url.path for request in grid.requests] == ["/oauth/token"] * 2 + ["/v1/x"] * 3


def test_each_request_carries_a_proof_of_its_own() -> None:
    grid = Grid()
    http = client(grid)
    http.get(f"{BASE}/v1/x", params={"after": "y"})
    http.post(f"{BASE}/v1/x", content=b"{}")
    *_, get, post = grid.requests
    first, second = claims(get.headers["DPoP"]), claims(post.headers["DPoP"])
    assert (first["htm"], first["htu"], second["htm"]) == ("GET", f"{BASE}/v1/x", "POST")
    assert first["jti"] != second["jti"]
    assert first["ath"] == second["ath"]
    assert header_of(get.headers["DPoP"])["jwk"] != KEY.public.jwk()


def test_the_assertion_is_for_the_issuer_and_fresh_each_time() -> None:
    grid = Grid()
    client(grid).get(f"{BASE}/v1/x")
    sent = [claims(form["client_assertion"]) for form in grid.forms()]
    assert {(one["iss"], one["sub"], one["aud"]) for one in sent} == {(NUMBER, NUMBER, BASE)}
    assert len({one["jti"] for one in sent}) == 2


def test_a_resource_may_change_its_nonce() -> None:
    grid = Grid()
    http = client(grid)
    http.get(f"{BASE}/v1/x")
    grid.nonce = "n2"
    assert http.get(f"{BASE}/v1/x").text == "DPoP t1"
    assert claims(grid.requests[-1].headers["DPoP"])["nonce"] == "n2"


def test_a_repetition_shows_the_nonce_it_was_answered_with(monkeypatch: pytest.MonkeyPatch) -> None:
    learn = TokenEndpoint.learn_nonce

    def overtaken(endpoint: TokenEndpoint, response: httpx.Response) -> str | None:
        nonce = learn(endpoint, response)
        endpoint._nonce = "older"  # what another thread's answer, sent before, says
        return nonce

    monkeypatch.setattr(TokenEndpoint, "learn_nonce", overtaken)
    assert client(Grid()).get(f"{BASE}/v1/x").text == "DPoP t1"


def test_a_refused_token_is_renewed_once() -> None:
    grid = Grid(refuses={"/v1/x": [challenge("invalid_token")]})
    http = client(grid)
    assert http.get(f"{BASE}/v1/x").text == "DPoP t2"
    grid.refuses["/v1/x"] = [challenge("invalid_token"), challenge("invalid_token")]
    assert http.get(f"{BASE}/v1/x").status_code == 401
    assert grid.issued == 3


@pytest.mark.parametrize("error", ["invalid_dpop_proof", "use_dpop_nonce"])
def test_other_refusals_are_the_callers_matter(error: str) -> None:
    grid = Grid(refuses={"/v1/x": [challenge(error)]})
    assert client(grid).get(f"{BASE}/v1/x").status_code == 401
    assert grid.issued == 1


def test_a_token_older_than_a_new_right_is_renewed_once() -> None:
    refusal = {"WWW-Authenticate": 'DPoP error="insufficient_scope"'}
    grid = Grid(refuses={"/v1/x": [httpx.Response(403, headers=refusal)]})
    http = client(grid)
    assert http.get(f"{BASE}/v1/x").text == "DPoP t2"
    grid.refuses["/v1/x"] = [httpx.Response(403, headers=refusal), httpx.Response(403, headers=refusal)]
    assert http.get(f"{BASE}/v1/x").status_code == 403
    assert grid.issued == 3


def test_a_token_is_renewed_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(tokens.time, "monotonic", lambda: clock[0])
    grid = Grid()
    http = client(grid)
    http.get(f"{BASE}/v1/x")
    clock[0] += 569
    assert http.get(f"{BASE}/v1/x").text == "DPoP t1"
    clock[0] += 2
    assert http.get(f"{BASE}/v1/x").text == "DPoP t2"


def test_threads_share_one_token() -> None:
    grid = Grid()
    http = client(grid)
    threads = [threading.Thread(target=http.get, args=(f"{BASE}/v1/x",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert grid.issued == 1
    assert len([request for request in grid.requests if request.url.path == "/v1/x"]) == 8


def test_the_attestation_goes_along_when_there_is_one() -> None:
    with_one, without = Grid(), Grid()
    client(with_one, attestation=lambda: "a.b.c").get(f"{BASE}/v1/x")
    client(without, attestation=lambda: None).get(f"{BASE}/v1/x")
    assert {form["attestation"] for form in with_one.forms()} == {"a.b.c"}
    assert not any("attestation" in form for form in without.forms())


def test_a_refused_token_request_raises_what_the_server_says() -> None:
    refusal = httpx.Response(401, json={"error": "invalid_client", "code": "no_contract", "detail": "No contract."})
    with pytest.raises(TokenRefused) as caught:
        client(Grid(refuses={"/oauth/token": [refusal]})).get(f"{BASE}/v1/x")
    assert (caught.value.remote_status, caught.value.remote_code) == (401, "no_contract")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=["t"]),
        httpx.Response(200, json={"access_token": "t", "token_type": "Bearer", "expires_in": 60}),
        httpx.Response(200, json={"token_type": "DPoP", "expires_in": 60}),
    ],
)
def test_an_answer_that_is_no_token_is_said_to_be_unreadable(answer: httpx.Response) -> None:
    with pytest.raises(UnreadableAnswer):
        client(Grid(refuses={"/oauth/token": [answer]})).get(f"{BASE}/v1/x")


def test_a_server_that_is_not_there_is_said_to_be_unreachable() -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    endpoint = TokenEndpoint(BASE, NUMBER, KEY, http=httpx.Client(transport=httpx.MockTransport(down)))
    with pytest.raises(RemoteUnreachable):
        endpoint.post("/oauth/token", {"grant_type": "client_credentials"})


def test_answers_can_be_streamed() -> None:
    grid = Grid()
    http = client(grid)
    grid.refuses["/v1/x"] = [challenge("invalid_token")]
    with http.stream("GET", f"{BASE}/v1/x") as response:
        assert b"".join(response.iter_bytes()) == b"DPoP t2"


def test_a_body_that_can_be_sent_once_is_sent_once() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"

    grid = Grid(refuses={"/v1/x": [challenge("invalid_token")]})
    assert client(grid).post(f"{BASE}/v1/x", content=pieces()).status_code == 401
    assert len([request for request in grid.requests if request.url.path == "/v1/x"]) == 1
