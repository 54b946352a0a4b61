"""What stands in a block of the documentation is true: code runs, commands exist, messages fit the interface."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import shlex
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from tests.unit.docs.pages import ROOT, Block, HttpMessage, blocks, commands, message, pages

import meterhall.domain.protocol

HOSTS = {"hall.example": "marketplace", "grid.example": "provider", "advisor.example": "requester"}
ELSEWHERE = {
    ("POST", "/oauth/token"), ("POST", "/oauth/par"), ("GET", "/oauth/authorize"), ("GET", "/oauth/jwks"),
    ("GET", "/.well-known/oauth-authorization-server"), ("GET", "/consents/callback"), ("GET", "/health/ready"),
}  # fmt: skip
"""Addresses that are no calls of an OpenAPI document: OAuth's, and pages."""


def of_kind(kind: str) -> list[Block]:
    return [block for page in pages() for block in blocks(page, kind)]


def test_every_block_is_of_a_known_kind() -> None:
    known = {"python", "console", "http", "json", "text", "toml", "mermaid", "ini", "csv"}
    assert [block.place for block in of_kind("") if block.kind not in known] == []
    marks = {word for block in of_kind("console") for word in block.words}
    assert marks <= {"parsed", "town"}
    assert {word for block in of_kind("python") for word in block.words} <= {"town"}


@pytest.mark.parametrize("page", [page for page in pages() if any(blocks(page, "python"))], ids=lambda page: page.stem)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "docs"}
    for block in blocks(page, "python"):
        code = compile("\n" * block.line + block.body, str(page), "exec")
        if "town" not in block.words:
            exec(code, namespace)


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which `meterhall` is the program of this checkout and nothing else is set."""
    program = tmp_path / "bin" / "meterhall"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m meterhall.cli "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("METERHALL", "DATABASE", "DJANGO"))
    }
    return clean | {
        "PATH": f"{program.parent}:{clean['PATH']}", "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200", "NO_COLOR": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    "page",
    [page for page in pages() if any(not block.words for block in blocks(page, "console"))],
    ids=lambda page: page.stem,
)
def test_console_blocks_run(page: Path, tmp_path: Path, shell: dict[str, str]) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    for block in blocks(page, "console"):
        if block.words:
            continue
        for command, expected in commands(block):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=shell, capture_output=True, text=True,
                timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{block.place}: {command}\n{done.stdout}{done.stderr}"
            for line in expected:
                pattern = ".*".join(re.escape(part) for part in line.strip().split("…"))
                assert re.search(pattern, done.stdout), f"{block.place}: {line!r} not in\n{done.stdout}"


@pytest.mark.parametrize("block", of_kind("console"), ids=lambda block: block.place)
def test_commands_exist(block: Block) -> None:
    for command, _ in commands(block):
        subprocess.run(["bash", "-n", "-c", command], check=True)
        for line in re.split(r"&&|\|\|| \| ", command.replace("\\\n", " ")):
            words = shlex.split(line, comments=True)
            while words and "=" in words[0]:
                words.pop(0)
            if words[:1] == ["meterhall"]:
                _parse(words[1:], block.place)
            elif words[:1] == ["make"]:
                targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
                assert [word for word in words[1:] if "=" not in word and word not in targets] == []


def _parse(words: list[str], place: str) -> None:
    """Read a command line as `meterhall` would, without running it."""
    from typer.main import get_command

    from meterhall.cli import app

    command: Any = get_command(app)
    context = None
    while True:
        try:
            context = command.make_context(command.name, list(words), parent=context)
        except Exception as fault:
            raise AssertionError(f"{place}: {' '.join(words)}: {fault}") from fault
        children = getattr(command, "commands", None)
        if not children:
            return
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        assert rest[0] in children, f"{place}: there is no command {rest[0]}"
        command, words = children[rest[0]], rest[1:]


@cache
def models() -> dict[str, type[BaseModel]]:
    """The models of the protocol by name."""
    folder = meterhall.domain.protocol
    modules = [
        importlib.import_module(f"{folder.__name__}.{one.name}") for one in pkgutil.iter_modules(folder.__path__)
    ]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, BaseModel)
    }


def whole(text: str) -> Any:
    """JSON with shortened values made long enough to be read."""
    return json.loads(text.replace("…", "x"))


@pytest.mark.parametrize("block", of_kind("json"), ids=lambda block: block.place)
def test_json_blocks_are_documents_of_their_model(block: Block) -> None:
    document = whole(block.body)
    if block.words:
        models()[block.words[0]].model_validate(document)


@cache
def openapi(platform: str) -> dict[str, Any]:
    return dict(json.loads((ROOT / "docs" / "reference" / f"openapi-{platform}.json").read_text()))


def operation(platform: str, method: str, path: str) -> dict[str, Any] | None:
    for template, operations in openapi(platform)["paths"].items():
        pattern = re.sub(r"\{path:[^}]*\}", ".+", template)
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", pattern)
        if re.fullmatch(pattern, path) and method.lower() in operations:
            return dict(operations[method.lower()])
    return None


def fits(platform: str, content: dict[str, Any], body: str, place: str) -> None:
    """The body fits the schema of its media type."""
    schema = content.get("application/json", {}).get("schema")
    if schema is None or not body:
        return
    validator = Draft202012Validator({**schema, "components": openapi(platform)["components"]})
    faults = [f"{place}: {fault.json_path}: {fault.message}" for fault in validator.iter_errors(whole(body))]
    assert faults == []


def exchanges() -> list[tuple[HttpMessage, HttpMessage | None]]:
    """Each request with the response that follows it on the page."""
    found: list[tuple[HttpMessage, HttpMessage | None]] = []
    for page in pages():
        for block in blocks(page, "http"):
            one = message(block)
            if not one.is_response:
                found.append((one, None))
            elif found and found[-1][1] is None:
                found[-1] = (found[-1][0], one)
            else:
                raise AssertionError(f"{one.place}: a response without its request")
    return found


@pytest.mark.parametrize("exchange", exchanges(), ids=lambda exchange: exchange[0].place)
def test_http_blocks_fit_the_interface(exchange: tuple[HttpMessage, HttpMessage | None]) -> None:
    request, response = exchange
    method, target, version = request.first
    assert version == "HTTP/1.1"
    host = request.headers["host"]
    path = urlsplit(target).path
    if (method, path) in ELSEWHERE:
        assert not request.body or method == "GET" or parse_qsl(request.body, strict_parsing=True)
        assert response is None or not response.body or whole(response.body)
        return
    platform = HOSTS[host]
    found = operation(platform, method, path)
    assert found is not None, f"{request.place}: the {platform} has no {method} {path}"
    if response is None or int(response.first[1]) < 400:
        fits(platform, found.get("requestBody", {}).get("content", {}), request.body, request.place)
    if any(one["name"] == "Idempotency-Key" for one in found.get("parameters", [])):
        assert "idempotency-key" in request.headers, f"{request.place}: a command needs its key"
    if response is not None:
        _check_response(platform, found, response)


def _check_response(platform: str, found: dict[str, Any], response: HttpMessage) -> None:
    status = response.first[1]
    if status == "206":
        return
    declared = found["responses"].get(status)
    assert declared is not None, f"{response.place}: {status} is not documented"
    if int(status) >= 400:
        problem = whole(response.body)
        assert response.headers["content-type"] == "application/problem+json"
        assert problem["code"] in found["x-error-codes"], f"{response.place}: {problem['code']}"
    elif "json" in response.headers.get("content-type", ""):
        fits(platform, declared.get("content", {}), response.body, response.place)


COMMON = {
    "token_missing", "invalid_token", "invalid_dpop_proof", "use_dpop_nonce", "scope_missing",
    "idempotency_key_missing", "idempotency_key_reused", "not_json", "unsupported_media_type",
    "body_too_large", "bad_cursor", "bad_limit", "parameter_unknown", "parameter_repeated",
    "database_unavailable", "storage_unavailable", "clock_off",
}  # fmt: skip
"""Codes of what calls share, which the pages explain once: tokens, parameters, keys of idempotency, bodies, lists."""


def test_every_call_is_shown_or_named() -> None:
    text = "\n".join(page.read_text() for page in sorted((ROOT / "docs" / "protocol").glob("*.md")))
    plain = re.sub(r"`+", "", text)
    missing = []
    for platform in HOSTS.values():
        for path, operations in openapi(platform)["paths"].items():
            for method in operations:
                pattern = re.sub(r"\\\{[^}]*\\\}", r"\\S+", re.escape(path.rstrip("/")))
                if not re.search(rf"\b{method.upper()} {pattern}(?![\w/])", plain):
                    missing.append(f"{platform} {method.upper()} {path}")
    assert missing == []


def test_every_call_names_its_codes() -> None:
    told: dict[tuple[str, str], set[str]] = {}
    for page in sorted((ROOT / "docs" / "protocol").glob("*.md")):
        for method, path, after in re.findall(r"^### `([A-Z]+) (/\S+)`\n\n(.*?)\n\n", page.read_text(), re.M | re.S):
            assert after.startswith("Auth: "), f"{page.name}: {method} {path} does not say who may call it"
            told[method, path] = set(re.findall(r"`([a-z_]+)`", after.partition("Codes:")[2]))
    wrong = []
    for platform in HOSTS.values():
        for path, operations in openapi(platform)["paths"].items():
            for method, found in operations.items():
                codes = told.get((method.upper(), path))
                own = set(found["x-error-codes"]) - COMMON
                if codes is not None and codes != own:
                    wrong.append(f"{method.upper()} {path}: {sorted(codes ^ own)}")
    assert len(told) > 45
    assert wrong == []
