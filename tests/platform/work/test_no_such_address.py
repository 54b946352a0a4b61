"""An address nobody serves, or not by this method, is refused to programs as everything else: by a problem document."""

from __future__ import annotations

import json

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseNotFound
from django.test import Client, RequestFactory, override_settings

from meterhall.web.middleware import ListenerMiddleware

PAGE = HttpResponseNotFound("<!doctype html>")


def answered(listener: str, path: str, answer: HttpResponse) -> HttpResponse:
    request: HttpRequest = RequestFactory().get(path)
    request.scope = {"meterhall_listener": listener}  # type: ignore[attr-defined]
    with override_settings(METERHALL_URLS={"b2b": "b2b", "portal": "portal"}):
        found = ListenerMiddleware(lambda _: answer)(request)
    assert isinstance(found, HttpResponse)
    return found


@pytest.mark.parametrize(("listener", "path"), [("b2b", "/v1/nope"), ("b2b", "/"), ("portal", "/api/nope")])
def test_a_program_is_told_in_a_problem_document(listener: str, path: str) -> None:
    nowhere = answered(listener, path, PAGE)
    assert (nowhere.status_code, nowhere["Content-Type"]) == (404, "application/problem+json")
    assert json.loads(nowhere.content)["code"] == "not_found"
    method = answered(listener, path, HttpResponseNotAllowed(["GET"], "Method not allowed"))
    assert (method.status_code, method["Allow"]) == (405, "GET")
    assert json.loads(method.content)["code"] == "method_not_allowed"


def test_a_person_is_shown_a_page_and_what_says_more_stays() -> None:
    assert answered("portal", "/nope", PAGE) is PAGE
    said = HttpResponse(b"{}", status=404, content_type="application/problem+json")
    assert answered("b2b", "/v1/players/MH0000000008", said) is said


@pytest.mark.django_db
def test_the_back_office_refuses_another_method_so(client: Client) -> None:
    answer = client.patch("/api/nope", secure=True)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
