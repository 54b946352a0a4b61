"""The kit's pages under the strict policy: nothing inline, everything rendered, refusals in words."""

from __future__ import annotations

import re

import pytest
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.platform.portal.urls_gallery")]
INLINE = re.compile(rb"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", re.I)
COMPONENTS = [
    "crumbs", "page-header", "badge badge-success", "summary", "answers", "data", "table-empty", "field",
    "error-summary", "tasks", "timeline", "empty", "dialog", "toast toast-success", "copy", "code-tabs",
]  # fmt: skip


@pytest.fixture
def page(client: Client) -> bytes:
    response = client.get("/kit", secure=True)
    assert response.status_code == 200
    return bytes(response.content)


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_component_is_on_the_gallery(page: bytes, name: str) -> None:
    assert re.search(rf'class="[^"]*\b{name}\b'.encode(), page), name


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(page: bytes) -> None:
    assert not INLINE.search(page)
    assert not re.findall(rb'(?:src|href)="(?:https?:)?//', page)
    assert len(page) < 260_000


def test_every_page_has_the_policy(client: Client) -> None:
    for address in ("/kit", "/nowhere", "/refusing"):
        policy = client.get(address, secure=True)["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "form-action 'self';" in policy


def test_one_page_may_send_its_form_to_another_origin(client: Client) -> None:
    policy = client.get("/leaving", secure=True)["Content-Security-Policy"]
    assert "form-action 'self' https://requester.example:8444;" in policy


def test_a_refusal_is_a_page_with_its_status_and_code(client: Client) -> None:
    response = client.get("/refusing", secure=True)
    assert response.status_code == 409
    assert b"The offer was withdrawn yesterday." in response.content
    assert b"<code>conflict</code>" in response.content


def test_faults_have_pages_too(client: Client) -> None:
    client.raise_request_exception = False
    for address, status in (("/nowhere", 404), ("/broken", 500)):
        response = client.get(address, secure=True)
        assert response.status_code == status
        assert b'class="kicker"' in response.content
        assert not INLINE.search(response.content)


def test_a_form_without_its_mark_is_refused_in_words(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post("/preferences", {"theme": "dark"}, secure=True)
    assert response.status_code == 403
    assert b"reload and try again" in response.content


def test_static_files_are_named_by_their_content_and_kept(client: Client, page: bytes) -> None:
    addresses = re.findall(rb'(?:href|src)="(/static/[^"]+)"', page)
    assert len(addresses) >= 6
    for address in addresses:
        response = client.get(address.decode(), secure=True, headers={"Accept-Encoding": "gzip"})
        assert response.status_code == 200
        assert "immutable" in response["Cache-Control"]
    name = next(address.decode() for address in addresses if b"kit." in address)
    stem, _hash, suffix = name.rsplit(".", 2)
    assert client.get(f"{stem}.{'0' * 12}.{suffix}", secure=True).status_code == 404
    assert "max-age=0" in client.get(f"{stem}.{suffix}", secure=True)["Cache-Control"]
    assert client.get("/static/portal/../../conf.py", secure=True).status_code == 404


def test_language_and_theme_are_kept_and_nobody_is_sent_elsewhere(client: Client) -> None:
    chosen = {"language": "fr", "theme": "dark", "next": "/kit"}
    response = client.post("/preferences", chosen, secure=True)
    assert response["Location"] == "/kit"
    shown = client.get("/kit", secure=True).content
    assert b'<html lang="fr"' in shown
    assert b'data-theme="dark"' in shown
    for elsewhere in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        response = client.post("/preferences", {"next": elsewhere}, secure=True)
        assert response["Location"] == "/"
