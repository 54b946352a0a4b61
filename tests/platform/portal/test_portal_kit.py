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
