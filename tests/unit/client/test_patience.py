"""When a call is repeated, how long is waited before, and how a quota is heeded."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import pytest

from meterhall.client.b2b import B2BClient
from meterhall.client.errors import RemoteRefusal, RemoteUnreachable
from meterhall.client.line import Line
from meterhall.client.patience import LONGEST_S, STOP, Pace, Stopped, TimedOut, may_pass, pause_s, quota_pause_s
from meterhall.domain.protocol.base import Message
from meterhall.domain.protocol.keys import SigningKey


def refusal(status: int, **headers: str) -> RemoteRefusal:
    return RemoteRefusal(httpx.Response(status, json={"code": "x"}, headers=headers))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_what_may_pass_is_repeated(status: int):
    assert may_pass(refusal(status))
    assert may_pass(RemoteUnreachable())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 422])
def test_what_was_understood_and_refused_is_not(status: int):
    assert not may_pass(refusal(status))


def test_pauses_double_up_to_a_bound_and_half_is_chance():
    whole = [pause_s(attempt, None, lambda: 1.0) for attempt in range(10)]
    assert whole[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(whole) == LONGEST_S
    assert [pause_s(attempt, None, lambda: 0.0) for attempt in range(10)] == [one / 2 for one in whole]
    assert pause_s(10_000, None, lambda: 1.0) == LONGEST_S
    assert pause_s(3, 17.0) == 17.0


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({}, 0.0),
        ({"RateLimit": '"default";r=5;t=30'}, 0.0),
        ({"RateLimit": '"default";r=0;t=30'}, 30.0),
        ({"RateLimit": '"minute";r=0;t=12, "day";r=0;t=900, "burst";r=3'}, 900.0),
        ({"RateLimit": "not a field;;;"}, 0.0),
        ({"RateLimit": '"odd";r=0;t=-4'}, 0.0),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "7"}, 7.0),
        ({"RateLimit-Remaining": "1", "RateLimit-Reset": "7"}, 0.0),
        ({"RateLimit-Remaining": "none", "RateLimit-Reset": "7"}, 0.0),
    ],
)
def test_a_quota_that_is_used_up_says_how_long(headers: dict[str, str], pause: float):
    assert quota_pause_s(headers) == pause


@pytest.mark.parametrize(
    ("text", "seconds"), [("12", 12.0), ("-3", 0.0), ("soon", None), ("", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)]
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str, seconds: float | None):
    assert refusal(503, **{"Retry-After": text}).remote_retry_after_s == seconds


class Unhurried(Pace):
    """Notes how long it would wait, and does not."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


def line_to(answers: list[httpx.Response | Exception], pace: Pace) -> tuple[Line, list[httpx.Request]]:
    """A line whose callee gives these answers in turn, after a token."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            return httpx.Response(200, json={"access_token": "t", "token_type": "DPoP", "expires_in": 600})
        seen.append(request)
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return Line(B2BClient("https://grid.example", "MH0000000008", SigningKey.generate(), http=http), pace), seen


class Order(Message):
    what: str


def test_a_repeated_command_is_the_same_command():
    pace = Unhurried()
    lost = httpx.ReadTimeout("no answer")
    line, seen = line_to([lost, httpx.Response(503, headers={"Retry-After": "4"}), httpx.Response(202)], pace)
    assert line.send("POST", "/v1/things", Order(what="it")).status_code == 202
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 1
    assert len({request.content for request in seen}) == 1
    assert 4.0 in pace.waits


def test_a_refusal_that_will_not_pass_is_raised_at_once():
    line, seen = line_to([httpx.Response(422, json={"code": "invalid_input"})], Unhurried())
    with pytest.raises(RemoteRefusal, match="invalid_input"):
        line.send("POST", "/v1/things", Order(what="it"))
    assert len(seen) == 1


def test_patience_ends():
    line, seen = line_to([httpx.Response(503, headers={"Retry-After": "60"})], Unhurried(patience_s=30))
    with pytest.raises(RemoteRefusal):
        line.send("GET", "/v1/things")
    assert len(seen) == 1


def test_a_used_up_quota_is_waited_for_before_the_next_call():
    pace = Unhurried()
    line, _ = line_to([httpx.Response(200, headers={"RateLimit": '"d";r=0;t=30'}), httpx.Response(200)], pace)
    line.send("GET", "/v1/things")
    assert max(pace.waits, default=0.0) < 1
    line.send("GET", "/v1/things")
    assert 29 < max(pace.waits) <= 30


def test_pages_are_followed_to_the_end_and_no_further_than_asked():
    pages = [
        httpx.Response(200, json={"items": [{"what": "a"}, {"what": "b"}], "next": "c1"}),
        httpx.Response(200, json={"items": [{"what": "c"}]}),
    ]
    line, seen = line_to(list(pages), Unhurried())
    assert [one.what for one in line.items("/v1/things", Order)] == ["a", "b", "c"]
    assert [dict(request.url.params).get("after") for request in seen] == [None, "c1"]
    line, seen = line_to(list(pages), Unhurried())
    assert [one.what for one in line.items("/v1/things", Order, most=2)] == ["a", "b"]
    assert dict(seen[0].url.params)["limit"] == "2"


def test_a_look_that_never_succeeds_ends_with_what_was_waited_for():
    with pytest.raises(TimedOut, match="The answer did not come about within 0 s"):
        Pace().until(lambda: False, 0.05, "The answer")


def test_a_wait_is_ended_from_outside():
    stop: Any = threading.Event()
    token = STOP.set(stop)
    try:
        threading.Timer(0.05, stop.set).start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            Pace().sleep(60)
        assert time.monotonic() - began < 30
    finally:
        STOP.reset(token)
