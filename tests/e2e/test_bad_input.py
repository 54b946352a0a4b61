"""Every command of every published OpenAPI document against what it must refuse: each refusal is a problem document
with a documented code and a pointer to the fault. Made from the documents, so that a new command is in it by itself."""

from __future__ import annotations

import itertools
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client as Browser
from django.test import override_settings

from meterhall.domain.protocol.players import Discovery, Endpoints
from meterhall.marketplace.players import service as players
from meterhall.web.home import Home
from meterhall.web.membership.service import public_jwk
from meterhall.web.messaging.models import IdempotencyRecord
from meterhall.web.messaging.peers import remember_marketplace, set_access_number
from meterhall.web.oauth.service import admit_client
from meterhall.web.platform import Platform, platform
from meterhall.web.staff.service import create_staff_key
from tests.e2e.samples import missing_members, sample, unknown_members, wrong_types
from tests.e2e.strangers.calls import Caller
from tests.e2e.strangers.jose import Key
from tests.openapi import document

pytestmark = pytest.mark.django_db

BASE = "https://localhost:8443"
STRANGER = "MH0000000109"
SCOPES = {"marketplace": ["membership", "market"], "provider": ["data"]}
LISTENERS = [f"{role}_{side}" for role in ("marketplace", "provider", "requester") for side in ("b2b", "staff")]
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Command:
    """One command of an OpenAPI document."""

    listener: str
    method: str
    path: str
    operation: dict[str, Any]

    @property
    def role(self) -> str:
        return self.listener.partition("_")[0]

    @property
    def is_b2b(self) -> bool:
        return self.listener.endswith("b2b")

    @property
    def root(self) -> dict[str, Any]:
        return document(self.listener)

    @property
    def schema(self) -> dict[str, Any] | None:
        """The schema of its JSON body, if it has one."""
        content = self.operation.get("requestBody", {}).get("content", {})
        found: dict[str, Any] | None = content.get("application/json", {}).get("schema")
        return found

    @property
    def address(self) -> str:
        """Its path with something fitting for each parameter, and the query that is required."""
        known = {one["name"]: one for one in self.operation.get("parameters", []) if one["in"] in {"path", "query"}}
        path = re.sub(r"\{(?:\w+:)?(\w+)\}", lambda found: str(sample(known[found[1]]["schema"], self.root)), self.path)
        asked = "&".join(f"{name}=PT1H" for name, one in known.items() if one["in"] == "query" and one.get("required"))
        return f"{path}?{asked}" if asked else path

    @property
    def takes_key(self) -> bool:
        return any(one["name"] == "Idempotency-Key" for one in self.operation.get("parameters", []))

    @property
    def has_token(self) -> bool:
        return bool(self.operation.get("security"))

    def body(self) -> bytes:
        """A valid body."""
        return b"" if self.schema is None else json.dumps(sample(self.schema, self.root)).encode()


def commands() -> list[Any]:
    return [
        pytest.param(Command(listener, method.upper(), path, operation), id=f"{listener}-{operation['operationId']}")
        for listener in LISTENERS
        for path, item in document(listener)["paths"].items()
        for method, operation in item.items()
        if method in {"post", "put", "patch", "delete"}
    ]


ALL = commands()
WITH_BODY = [one for one in ALL if one.values[0].schema is not None]
WITH_KEY = [one for one in ALL if one.values[0].takes_key]
WITH_AUTH = [one for one in ALL if one.values[0].has_token]
WITH_TOKEN = [one for one in WITH_AUTH if one.values[0].is_b2b]


class Listener(httpx.BaseTransport):
    """Hands httpx's requests to Django."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = urlsplit(str(request.url))
        hidden = {"host", "content-length", "content-type"}
        answer = Browser().generic(
            request.method,
            url.path + (f"?{url.query}" if url.query else ""),
            request.read(),
            content_type=request.headers.get("Content-Type", "application/octet-stream"),
            headers={name: value for name, value in request.headers.items() if name not in hidden},
            secure=True,
        )
        return httpx.Response(answer.status_code, headers=dict(answer.items()), content=answer.content)


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Home]:
    folder: Path = tmp_path_factory.mktemp("bad-input")
    return {
        role: Home.create(folder / role, {"role": role, "name": f"Test {role}", "country": "ES"}, None)
        for role in ("marketplace", "provider", "requester")
    }


class Door:
    """A platform's listener, and how to be let in: as an admitted player, or by a staff key."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.prefix = "" if command.is_b2b else "/api"
        self.http = httpx.Client(transport=Listener(), base_url=BASE)
        self.key = Key()
        if command.is_b2b:
            if command.role in SCOPES:
                self.let_in(SCOPES[command.role])
                self.caller = Caller(BASE, STRANGER, self.key, self.http)
            self.name = STRANGER if command.has_token else "127.0.0.1"
        else:
            self.staff_key = create_staff_key("tests")
            self.name = "staff:tests"

    def let_in(self, scopes: list[str]) -> None:
        admit_client(
            client_id=STRANGER, name="Stranger", keys=[self.key.jwk], redirect_uris=[], scopes=scopes,
            valid_until=None, source="test",
        )  # fmt: skip

    def authorisation(self) -> dict[str, str]:
        if not self.command.has_token:
            return {}
        if not self.command.is_b2b:
            return {"Authorization": f"Bearer {self.staff_key}"}
        if not self.caller.nonce:
            self.caller.oauth("/oauth/token", {"grant_type": "client_credentials"})
        return self.caller.headers(self.command.method, self.command.address.partition("?")[0], {})

    def send(self, content: bytes, **changes: str | None) -> httpx.Response:
        """The command with this body; `changes` are headers, None to leave one out."""
        headers: dict[str, str | None] = {
            "Content-Type": "application/json",
            "Idempotency-Key": secrets.token_hex(8),
            **(self.authorisation() if "Authorization" not in changes else {}),
        }
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        sent = {name: value for name, value in headers.items() if value is not None}
        return self.http.request(self.command.method, self.prefix + self.command.address, content=content, headers=sent)

    def refused(self, response: httpx.Response, status: int, code: str, field: str) -> str | None:
        """What is wrong with a refusal, or nothing."""
        if response.headers.get("Content-Type") != "application/problem+json":
            return f"{response.status_code} {response.headers.get('Content-Type')}: {response.text[:200]}"
        problem = response.json()
        if problem["code"] not in self.command.operation["x-error-codes"]:
            return f"undocumented code {problem['code']}"
        if (problem["status"], problem["type"]) != (response.status_code, f"urn:meterhall:error:{problem['code']}"):
            return f"no problem document: {problem}"
        found = (response.status_code, problem["code"], problem.get("field"))
        return None if found == (status, code, field) else f"expected {(status, code, field)}: {problem}"


@pytest.fixture
def door(request: pytest.FixtureRequest, homes: dict[str, Home], db: None) -> Iterator[Door]:
    command: Command = request.getfixturevalue("command")
    urls = f"meterhall.{command.role}.urls_{'b2b' if command.is_b2b else 'portal'}"
    with override_settings(METERHALL=Platform(homes[command.role]), ROOT_URLCONF=urls):
        if command.role == "marketplace":
            players.initialise()
        else:
            _enrolled()
        yield Door(command)


def _enrolled() -> None:
    """A player whose Market Place does not answer."""
    set_access_number("MH0000000117")
    remember_marketplace(
        Discovery(
            role="marketplace",
            environment="regulated",
            organisation="Market",
            access_number="MH0000000009",
            keys=(public_jwk(platform().transport_key),),
            endpoints=Endpoints(b2b="https://localhost:1"),
        )
    )


def all_refused(door: Door, wrong: Iterator[tuple[str, Any]]) -> None:
    faults = {
        field: fault
        for field, body in wrong
        if (fault := door.refused(door.send(json.dumps(body).encode()), 422, "invalid_input", field))
    }
    assert not faults


@pytest.mark.parametrize("command", WITH_BODY)
@pytest.mark.parametrize(
    "content",
    [b'{"a": 1', b"\xff\xfe", b'{"a": 1, "a": 2}', b'{"a": NaN}', b'{"a": 9007199254740993}', b'{"a": "\\u0000"}',
     b"[" * 100_000],
    ids=["broken", "not UTF-8", "twice", "NaN", "too large a number", "NUL", "too deep"],
)  # fmt: skip
def test_wrong_json(command: Command, door: Door, content: bytes):
    assert door.refused(door.send(content), 400, "not_json", "") is None


@pytest.mark.parametrize("command", WITH_BODY)
def test_no_body_and_another_document(command: Command, door: Door):
    for content in (b"", b"[1]", b"null", b'"text"'):
        assert door.refused(door.send(content), 422, "invalid_input", "") is None, content


@pytest.mark.parametrize("command", WITH_BODY)
def test_unknown_member(command: Command, door: Door):
    assert command.schema is not None
    all_refused(door, unknown_members(command.schema, command.root))


@pytest.mark.parametrize("command", WITH_BODY)
def test_wrong_type(command: Command, door: Door):
    assert command.schema is not None
    all_refused(door, wrong_types(command.schema, command.root))


@pytest.mark.parametrize("command", WITH_BODY)
def test_missing_member(command: Command, door: Door):
    assert command.schema is not None
    all_refused(door, missing_members(command.schema, command.root))


@pytest.mark.parametrize("command", WITH_KEY)
def test_without_a_key_or_with_one_that_is_none(command: Command, door: Door):
    for key in (None, "", "a b", "k" * 81):
        response = door.send(command.body(), Idempotency_Key=key)
        assert door.refused(response, 400, "idempotency_key_missing", "/Idempotency-Key") is None


@pytest.mark.parametrize("command", WITH_KEY)
def test_a_key_used_for_another_command(command: Command, door: Door):
    IdempotencyRecord.objects.create(
        caller=door.name, key="used", fingerprint="0" * 64, status=200, response="{}", created_at=platform().now()
    )
    response = door.send(command.body(), Idempotency_Key="used")
    assert door.refused(response, 422, "idempotency_key_reused", "/Idempotency-Key") is None


@pytest.mark.parametrize("command", WITH_KEY)
def test_the_same_command_again_has_the_same_answer(command: Command, door: Door):
    first, again = (door.send(command.body(), Idempotency_Key="same") for _ in range(2))
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert first.status_code not in {500, 405}, first.text
    if first.is_error:
        assert first.json()["code"] in command.operation["x-error-codes"], first.text
    else:
        assert again.headers.get("Idempotent-Replayed") == "true"
        assert IdempotencyRecord.objects.filter(caller=door.name, key="same").count() == 1


@pytest.mark.parametrize("command", WITH_AUTH)
def test_without_a_token(command: Command, door: Door):
    code = "token_missing" if command.is_b2b else "bad_staff_key"
    for shown in (None, "", "Bearer nonsense", "Basic Og=="):
        response = door.send(command.body(), Authorization=shown)
        assert door.refused(response, 401, code, "/Authorization") is None
        assert response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("command", WITH_TOKEN)
def test_with_a_token_that_is_none(command: Command, door: Door):
    shown = door.authorisation()
    response = door.send(command.body(), **shown | {"Authorization": shown["Authorization"] + "x"})
    assert door.refused(response, 401, "invalid_token", "/Authorization") is None


@pytest.mark.parametrize("command", WITH_TOKEN)
def test_with_a_token_without_the_scope(command: Command, door: Door):
    shown = door.authorisation()
    door.let_in(["something_else"])
    response = door.send(command.body(), **shown)
    assert door.refused(response, 403, "scope_missing", "/Authorization") is None


@pytest.mark.parametrize("command", WITH_TOKEN)
def test_with_a_proof_that_was_used_or_is_for_another_call(command: Command, door: Door):
    shown = door.authorisation()
    door.send(command.body(), **shown)
    again = door.send(command.body(), **shown)
    assert door.refused(again, 401, "invalid_dpop_proof", "/DPoP") is None
    assert again.json()["reason"] == "proof_replayed"
    other = door.caller.headers("GET", command.address, {})
    assert door.refused(door.send(command.body(), **other), 401, "invalid_dpop_proof", "/DPoP") is None
    bare = door.send(command.body(), Authorization=shown["Authorization"])
    assert door.refused(bare, 401, "invalid_dpop_proof", "/DPoP") is None


@pytest.mark.parametrize("command", WITH_BODY)
def test_a_body_beyond_the_limit(command: Command, door: Door):
    response = door.send(b'"' + b"a" * (16 * 1024 * 1024) + b'"')
    assert response.status_code == 413
    assert response.json()["code"] == "body_too_large"


def test_every_call_of_every_listener_is_here():
    found = {one.values[0].operation["operationId"] for one in ALL}
    assert {
        "post_player",
        "sign_subscription",
        "post_activation",
        "post_receipt",
        "post_readings",
        "admit_player",
    } <= found
