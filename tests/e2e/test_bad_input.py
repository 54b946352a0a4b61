"""Every command of every published OpenAPI document against what it must refuse: each refusal is a problem document
with a documented code and a pointer to the fault. Made from the documents, so that a new command is in it by itself."""

from __future__ import annotations

import hashlib
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
from tests.e2e.strangers.calls import Caller, Published
from tests.e2e.strangers.jose import Key
from tests.e2e.strangers.player import Player
from tests.e2e.town import gln
from tests.openapi import document

pytestmark = pytest.mark.django_db

BASE = "https://localhost:8443"
STRANGER = "MH0000000109"
SCOPES = {"marketplace": ["membership", "market"], "provider": ["data"]}
LISTENERS = [f"{role}_{side}" for role in ("marketplace", "provider", "requester") for side in ("b2b", "staff")]


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
WITH_BODY = [
    one for one in ALL if one.values[0].schema is not None and (one.values[0].takes_key or one.values[0].has_token)
]
WITH_KEY = [one for one in ALL if one.values[0].takes_key]
WITH_AUTH = [one for one in ALL if one.values[0].has_token]
NEITHER = [one for one in ALL if one not in WITH_BODY and one not in WITH_AUTH]
"""The inbox and the repository: signed over HTTP (RFC 9421)."""


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
        self.key, self.number = Key(), STRANGER
        if command.is_b2b:
            if command.role in SCOPES:
                self.number = self.enrolled() if command.role == "marketplace" else STRANGER
                self.let_in(SCOPES[command.role])
                self.caller = Caller(BASE, self.number, self.key, self.http, published=Published(command.root))
            self.name = self.number if command.has_token else "127.0.0.1"
        else:
            self.staff_key = create_staff_key("tests")
            self.name = "staff:tests"

    def enrolled(self) -> str:
        """Our access number at the Market Place, which has admitted us."""
        made = Player(BASE, self.http, "Stranger", gln(1), "provider", "dso")
        self.key = made.transport
        response = made.enrol()
        assert response.status_code == 202, response.text
        return players.admit(made.number, by="tests").access_number

    def let_in(self, scopes: list[str]) -> None:
        admit_client(
            client_id=self.number, name="Stranger", keys=[self.key.jwk], redirect_uris=[], scopes=scopes,
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
        if str(response.status_code) not in self.command.operation["responses"]:
            return f"undocumented status {response.status_code}"
        found = (response.status_code, problem["code"], problem.get("field", ""))
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


WRONG_JSON = {
    "broken": b'{"a": 1',
    "not UTF-8": b"\xff\xfe",
    "a member twice": b'{"a": 1, "a": 2}',
    "NaN": b'{"a": NaN}',
    "too large a number": b'{"a": 9007199254740993}',
    "NUL": b'{"a": "\\u0000"}',
    "too deep": b"[" * 100_000,
}
WRONG_KEYS = (None, "", "a b", "k" * 81)


def _wrong_json(door: Door) -> Iterator[tuple[str, str | None]]:
    for name, content in WRONG_JSON.items():
        yield name, door.refused(door.send(content), 400, "not_json", "")
    for content in (b"", b"[1]", b"null", b'"text"'):
        yield f"the body {content!r}", door.refused(door.send(content), 422, "invalid_input", "")
    response = door.send(b'"' + b"a" * (16 * 1024 * 1024) + b'"')
    yield "too large", door.refused(response, 413, "body_too_large", "")


def _wrong_members(door: Door) -> Iterator[tuple[str, str | None]]:
    schema, root = door.command.schema, door.command.root
    assert schema is not None
    for kind in (unknown_members, wrong_types, missing_members):
        for field, body in kind(schema, root):
            response = door.send(json.dumps(body).encode())
            yield f"{kind.__name__} {field}", door.refused(response, 422, "invalid_input", field)


def _wrong_keys(door: Door) -> Iterator[tuple[str, str | None]]:
    body = door.command.body()
    for key in WRONG_KEYS:
        response = door.send(body, Idempotency_Key=key)
        yield f"the key {key}", door.refused(response, 400, "idempotency_key_missing", "/Idempotency-Key")
    kept = hashlib.sha256(b"used").hexdigest()
    other = {"fingerprint": "0" * 64, "status": 200, "response": "{}", "created_at": platform().now()}
    IdempotencyRecord.objects.create(caller=door.name, key=kept, **other)
    response = door.send(body, Idempotency_Key="used")
    yield "a key used for another", door.refused(response, 422, "idempotency_key_reused", "/Idempotency-Key")


def _no_token(door: Door) -> Iterator[tuple[str, str | None]]:
    code = "token_missing" if door.command.is_b2b else "bad_staff_key"
    for shown in (None, "", "Bearer nonsense", "Basic Og=="):
        response = door.send(door.command.body(), Authorization=shown)
        yield f"shown {shown}", door.refused(response, 401, code, "/Authorization")
        yield "no challenge", None if response.headers.get("WWW-Authenticate") else "no WWW-Authenticate"


def _wrong_token(door: Door) -> Iterator[tuple[str, str | None]]:
    body, shown = door.command.body(), door.authorisation()
    response = door.send(body, **shown | {"Authorization": shown["Authorization"] + "x"})
    yield "no token of ours", door.refused(response, 401, "invalid_token", "/Authorization")
    response = door.send(body, Authorization=shown["Authorization"])
    yield "no proof", door.refused(response, 401, "invalid_dpop_proof", "/DPoP")
    other = door.caller.headers("GET", door.command.address, {})
    yield "a proof for another call", door.refused(door.send(body, **other), 401, "invalid_dpop_proof", "/DPoP")
    door.send(body, **shown)
    again = door.send(body, **shown)
    yield "a used proof", door.refused(again, 401, "invalid_dpop_proof", "/DPoP")
    yield "a used proof", None if again.json().get("reason") == "proof_replayed" else again.text
    shown = door.authorisation()
    door.let_in(["something_else"])
    yield "another scope", door.refused(door.send(body, **shown), 403, "scope_missing", "/Authorization")


def faults(found: Iterator[tuple[str, str | None]]) -> dict[str, str]:
    return {name: fault for name, fault in found if fault}


@pytest.mark.parametrize("command", WITH_BODY)
def test_a_wrong_body_is_refused(command: Command, door: Door):
    assert faults(_wrong_json(door)) == {}
    assert faults(_wrong_members(door)) == {}


@pytest.mark.parametrize("command", WITH_KEY)
def test_a_command_is_done_once_and_needs_its_own_key(command: Command, door: Door):
    assert faults(_wrong_keys(door)) == {}
    first, again = (door.send(command.body(), Idempotency_Key="same") for _ in range(2))
    assert (again.status_code, again.text and again.json()) == (first.status_code, first.text and first.json())
    if first.is_error:
        assert first.json()["code"] in command.operation["x-error-codes"], first.text
        assert str(first.status_code) in command.operation["responses"]
    else:
        assert again.headers.get("Idempotent-Replayed") == "true"


@pytest.mark.parametrize("command", WITH_AUTH)
def test_a_call_without_leave_is_refused(command: Command, door: Door):
    assert faults(_no_token(door)) == {}
    if command.is_b2b:
        assert faults(_wrong_token(door)) == {}


@pytest.mark.parametrize("command", NEITHER)
def test_a_body_that_is_signed_over_http_is_refused_without_its_signature(command: Command, door: Door):
    assert door.refused(door.send(b"{}"), 401, "bad_signature", "/Signature") is None


def test_every_command_of_every_listener_is_here():
    found = {one.values[0].operation["operationId"] for one in ALL}
    some = {"post_player", "sign_subscription", "post_activation", "post_receipt", "post_readings", "admit_player"}
    assert some <= found
    tried = [*WITH_BODY, *WITH_KEY, *WITH_AUTH, *NEITHER]
    assert found == {one.values[0].operation["operationId"] for one in tried}
