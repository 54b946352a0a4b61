"""On the B2B listener every refusal is a problem document, also of what Django refuses before any call is reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIHandler
from django.test import override_settings

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def listeners() -> Iterator[None]:
    with override_settings(METERHALL_URLS={"b2b": "meterhall.provider.urls_b2b"}):
        yield


def call(
    method: str,
    path: str,
    body: str = "",
    media: str = "application/json",
    host: str = "localhost",
    headers: dict[str, str] | None = None,
    **scope: Any,
) -> httpx.Response:
    handler = ASGIHandler()

    async def listener(given: Any, receive: Any, send: Any) -> None:
        await handler({**given, "meterhall_listener": "b2b"} | scope, receive, send)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(listener), base_url=f"https://{host}") as http:
            return await http.request(method, path, content=body, headers={"Content-Type": media} | (headers or {}))

    return async_to_sync(ask)()


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.content
    problem: dict[str, Any] = answer.json()
    assert (problem["code"], problem["status"]) == (code, status)
    return problem


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["/oauth/jwks", "/.well-known/oauth-authorization-server", "/health/live", "/health/ready", "/metrics",
     "/openapi.json"],
)  # fmt: skip
def test_an_address_that_is_only_read_names_its_methods(method: str, path: str) -> None:
    answer = call(method, path)
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"
    assert call("GET", path).status_code != 405


def test_another_method_at_the_token_endpoint_is_told_so() -> None:
    answer = call("DELETE", "/oauth/token")
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/health/live", "/v1/nope", "/oauth/token"])
def test_a_host_that_is_not_ours_is_refused_in_a_problem_document(path: str) -> None:
    assert refused(call("GET", path, host="elsewhere.example"), 400, "unknown_host")["field"] == "/Host"


@pytest.mark.parametrize(
    ("body", "media"),
    [
        ("&".join(f"a{number}=1" for number in range(1001)), "application/x-www-form-urlencoded"),
        ("a=1", "application/x-www-form-urlencoded; charset=latin-1"),
        ("a=1", "multipart/form-data"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused_in_a_problem_document(body: str, media: str) -> None:
    refused(call("POST", "/oauth/token", body, media), 400, "unreadable_request")


def test_a_form_that_is_too_large_is_refused_in_a_problem_document() -> None:
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=100):
        refused(call("POST", "/oauth/token", "a" * 101, "application/x-www-form-urlencoded"), 413, "body_too_large")


def test_figures_are_refused_to_others_in_a_problem_document() -> None:
    refused(call("GET", "/metrics", client=["192.0.2.1", 1]), 403, "not_permitted")


@pytest.fixture
def hall() -> Iterator[None]:
    with override_settings(METERHALL_URLS={"b2b": "meterhall.marketplace.urls_b2b"}):
        yield


@pytest.mark.usefixtures("hall")
@pytest.mark.parametrize("path", ["/v1/players", "/v1/inbox"])
@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "text/x+json", "application/xml"]
)
def test_a_body_that_says_it_is_no_json_is_not_read(path: str, media: str) -> None:
    problem = refused(call("POST", path, '{"jws": "a.b.c"}', media), 415, "unsupported_media_type")
    assert problem["field"] == "/Content-Type"


@pytest.mark.usefixtures("hall")
@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON", "application/a+json", ""])
def test_json_by_any_of_its_names_is_read(media: str) -> None:
    assert refused(call("POST", "/v1/players", "{}", media), 422, "invalid_input")["field"] == "/jws"


@pytest.mark.usefixtures("hall")
@pytest.mark.parametrize("path", ["/v1/players", "/v1/inbox"])
def test_a_body_that_is_compressed_is_not_read(path: str) -> None:
    answer = call("POST", path, '{"jws": "a.b.c"}', headers={"Content-Encoding": "gzip"})
    assert refused(answer, 415, "unsupported_media_type")["field"] == "/Content-Encoding"
    plain = call("POST", path, '{"jws": "a.b.c"}', headers={"Content-Encoding": "identity"})
    assert plain.status_code != 415
