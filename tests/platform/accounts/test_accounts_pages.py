"""The pages under the strict policy, in the person's language, and behind the ASGI listener."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.test import override_settings

from meterhall.demo.person import Person as Visitor
from meterhall.web.accounts.models import Person
from meterhall.web.accounts.service import invite, one_time_link
from meterhall.web.platform import platform

pytestmark = pytest.mark.urls("tests.platform.accounts.urls")
Browser = Callable[[], Visitor]
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", re.I)
PAGES = [
    "/account/sign-in", "/account/factors/app", "/account/factors/passkey", "/account", "/account/password",
    "/account/confirmation", "/account/recovery-codes",
]  # fmt: skip


def test_nothing_is_inline_and_nothing_is_kept(browser: Browser) -> None:
    visitor = browser()
    link = visitor.get(invite("ada@example.org", "Ada", "operator"))
    pages = [link, visitor.submit(link, "link-form"), visitor.get("/account/sign-in")]
    visitor.seed = pages[1].texts("//*[@id='totp-seed']")[0]
    pages.append(visitor.submit(pages[1], "code", {"code": visitor.code()}))
    pages += [visitor.get(path) for path in PAGES[1:]]
    for page in pages:
        assert page.status == 200, page.path
        assert not INLINE.search(page.text), page.path
        assert "no-store" in page.response.headers["Cache-Control"], page.path
        assert len(page.document.xpath("//h1")) == 1, page.path
        labels = set(page.document.xpath("//label/@for"))
        assert labels >= set(page.document.xpath("//main//input[@type!='hidden']/@id")), page.path


def test_a_language_chosen_once_comes_along(browser: Browser) -> None:
    visitor = browser()
    visitor.redeem(invite("ada@example.org", "Ada", "operator"))
    visitor.get("/account")
    page = visitor.post("/preferences", {"language": "de", "next": "/account"})
    assert page.document.get("lang") == "de"
    assert Person.objects.get().language == "de"
    other = browser()
    other.seed, other._last_step = visitor.seed, visitor._last_step
    other.redeem(one_time_link(Person.objects.get()))
    assert other.get("/account").document.get("lang") == "de"


def test_a_page_of_htmx_is_sent_on_by_its_header(browser: Browser) -> None:
    visitor = browser()
    response = visitor.http.get(platform().portal_url + "/desk", headers={"HX-Request": "true"})
    assert (response.status_code, response.headers["HX-Redirect"]) == (204, "/account/sign-in?next=%2Fdesk")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("listener", "status"), [("portal", 200), ("b2b", 404)])
def test_the_portal_listener_serves_the_pages_and_the_other_does_not(listener: str, status: int) -> None:
    import asyncio

    handler = ASGIHandler()

    async def listening(scope, receive, send):  # type: ignore[no-untyped-def]
        await handler({**scope, "meterhall_listener": listener}, receive, send)

    async def look(link: str) -> tuple[int, str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(listening)) as client:
            page = await client.get(link)
            if page.status_code != 200:
                return page.status_code, ""
            token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.text)
            assert token is not None
            sent = await client.post(link, data={"csrfmiddlewaretoken": token[1]}, headers={"Referer": link})
            return page.status_code, sent.headers["Location"]

    urls = {"portal": "tests.platform.accounts.urls", "b2b": "tests.platform.accounts.urls_b2b"}
    with override_settings(METERHALL_URLS=urls, ROOT_URLCONF=settings.ROOT_URLCONF):
        link = invite("ada@example.org", "Ada", "operator")
        found = asyncio.run(look(link))
    assert found == (status, "/account/second-factor" if status == 200 else "")
