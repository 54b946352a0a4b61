"""Every answer an API gives in the tests is held against its own OpenAPI document: status, and body by schema."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from jsonschema import Draft202012Validator
from ninja import NinjaAPI

PLATFORMS = ("marketplace", "provider", "requester")


class UndocumentedAnswer(AssertionError):
    """An API answered something its OpenAPI document does not say."""


@cache
def apis() -> dict[str, NinjaAPI]:
    """Every API of every platform by its URL namespace."""
    modules = [importlib.import_module(f"meterhall.{platform}.api") for platform in PLATFORMS]
    found = [one for module in modules for one in vars(module).values() if isinstance(one, NinjaAPI)]
    return {str(api.urls_namespace): api for api in found}


@cache
def document(namespace: str) -> dict[str, Any]:
    """The published document of an API, as JSON."""
    return json.loads(json.dumps(apis()[namespace].get_openapi_schema(path_prefix="/"), default=str))


class CheckAnswers:
    """Middleware of the test settings."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        match = request.resolver_match
        if match is not None and match.namespace in apis():
            check(match.namespace, match.route, request.method or "GET", response)
        return response


def check(namespace: str, route: str, method: str, response: HttpResponseBase) -> None:
    """Raise `UndocumentedAnswer` unless the document names this status and the body fits its schema."""
    published = document(namespace)
    operation = _operation(published, route, method)
    if operation is None:
        return
    answer = _declared(operation, response.status_code)
    if answer is None:
        raise UndocumentedAnswer(f"{method} {route} answered {response.status_code}, which is not documented")
    schema = _schema(answer)
    if schema is None or response.streaming:
        return
    if not response.headers.get("Content-Type", "").startswith(("application/json", "application/problem+json")):
        return
    faults = list(
        Draft202012Validator(schema | {"components": published["components"]}).iter_errors(
            json.loads(response.content)  # type: ignore[attr-defined]
        )
    )
    if faults:
        raise UndocumentedAnswer(f"{method} {route}: {faults[0].message} at {list(faults[0].absolute_path)}")


def _operation(published: dict[str, Any], route: str, method: str) -> dict[str, Any] | None:
    plain = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)
    ends = [path for path in published["paths"] if f"/{plain}".endswith(path)]
    return published["paths"][max(ends, key=len)].get(method.lower()) if ends else None


def _declared(operation: dict[str, Any], status: int) -> dict[str, Any] | None:
    answers = operation["responses"]
    return answers.get(str(status)) or answers.get(f"{status // 100}XX")


def _schema(answer: dict[str, Any]) -> dict[str, Any] | None:
    for content in answer.get("content", {}).values():
        return content.get("schema")
    return None
