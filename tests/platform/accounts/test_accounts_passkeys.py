"""Passkeys with a device made of software; the browser's half is left to the browser tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from meterhall.demo.person import Page
from meterhall.demo.person import Person as Visitor
from meterhall.web.accounts.models import Person
from meterhall.web.accounts.service import invite, one_time_link
from meterhall.web.platform import platform
from tests.platform.accounts.conftest import Clock
from tests.platform.accounts.passkeys import Passkey

pytestmark = pytest.mark.urls("tests.platform.accounts.urls")
Browser = Callable[[], Visitor]


def asked(page: Page) -> Any:
    return json.loads(page.document.xpath("//@data-options")[0])


def make(visitor: Visitor, key: Passkey, link: str) -> Page:
    """A first visit that makes a passkey instead of setting up an app."""
    visitor.submit(visitor.get(link), "link-form")
    page = visitor.get("/account/factors/passkey")
    return visitor.submit(page, "passkey-form", {"name": "Phone", "credential": key.create(asked(page))})


@pytest.fixture
def key() -> Passkey:
    return Passkey(platform().portal_url)


@pytest.fixture
def sam(browser: Browser, key: Passkey) -> Visitor:
    visitor = browser()
    assert make(visitor, key, invite("sam@example.org", "Sam", "signer")).path == "/account/recovery-codes"
    return visitor


def sign_in(visitor: Visitor, key: Passkey) -> Page:
    options = visitor.get("/account/sign-in/passkey").response.json()
    page = visitor.get("/account/sign-in")
    return visitor.submit(page, "passkey-form", {"credential": key.get(options)})


def test_a_passkey_alone_signs_in(sam: Visitor, browser: Browser, key: Passkey) -> None:
    other = browser()
    assert sign_in(other, key).path == "/"
    assert other.get("/sign").response.json()["amr"] == ["hwk", "mfa"]


def test_a_passkey_is_the_second_factor_after_a_link(sam: Visitor, browser: Browser, key: Passkey) -> None:
    other = browser()
    page = other.submit(other.get(one_time_link(Person.objects.get())), "link-form")
    assert other.submit(page, "passkey-form", {"credential": key.get(asked(page))}).path == "/"


def test_a_passkey_renews_the_proof_of_a_signer(sam: Visitor, key: Passkey, clock: Clock) -> None:
    clock.pass_(minutes=6)
    page = sam.get("/sign")
    assert page.path == "/account/confirmation"
    assert not page.document.xpath("//*[@id='code-form']"), "who has no app is asked for no code"
    page = sam.submit(page, "passkey-form", {"credential": key.get(asked(page))})
    assert page.response.json()["at"] == clock.now.timestamp()


def test_a_passkey_not_opened_by_its_person_is_refused(sam: Visitor, browser: Browser, key: Passkey) -> None:
    key.verified = False
    other = browser()
    page = other.submit(other.get(one_time_link(Person.objects.get())), "link-form")
    assert other.submit(page, "passkey-form", {"credential": key.get(asked(page))}).status == 422


def test_the_device_is_asked_for_a_passkey_that_is_found_without_a_name(sam: Visitor) -> None:
    chosen = asked(sam.get("/account/factors/passkey"))["publicKey"]["authenticatorSelection"]
    assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")


def test_an_answer_does_not_work_twice(sam: Visitor, browser: Browser, key: Passkey) -> None:
    other = browser()
    page = other.submit(other.get(one_time_link(Person.objects.get())), "link-form")
    answer = key.get(asked(page))
    assert other.submit(page, "passkey-form", {"credential": answer}).path == "/"
    page = other.get("/account/confirmation")
    refused = other.submit(page, "passkey-form", {"credential": answer})
    assert (refused.status, refused.path) == (422, "/account/confirmation")


@pytest.mark.parametrize("wrong", ["", "[]", "{}", '{"response": 3}', "null", '"x"'])
def test_nonsense_is_refused(sam: Visitor, browser: Browser, wrong: str) -> None:
    other = browser()
    other.get("/account/sign-in/passkey")
    assert other.submit(other.get("/account/sign-in"), "passkey-form", {"credential": wrong}).status == 422
    page = other.submit(other.get(invite("new@example.org", "New", "staff")), "link-form")
    page = other.get("/account/factors/passkey")
    assert other.submit(page, "passkey-form", {"credential": wrong}).status == 422


def test_another_persons_passkey_is_refused(sam: Visitor, browser: Browser) -> None:
    stranger = Passkey(platform().portal_url)
    make(browser(), stranger, invite("eve@example.org", "Eve", "staff"))
    other = browser()
    page = other.submit(other.get(one_time_link(Person.objects.get(name="Sam"))), "link-form")
    assert other.submit(page, "passkey-form", {"credential": stranger.get(asked(page))}).status == 422
    stranger.user = str(Person.objects.get(name="Sam").pk).encode()
    assert sign_in(browser(), stranger).status == 422


@pytest.mark.parametrize(
    "bad", [Passkey("https://evil.example"), Passkey("https://localhost", verified=False)], ids=["origin", "unopened"]
)
def test_a_passkey_made_elsewhere_or_not_opened_is_refused(browser: Browser, bad: Passkey) -> None:
    assert make(browser(), bad, invite("sam@example.org", "Sam", "signer")).status == 422
    assert not Person.objects.get().authenticator_set.exists()


def test_one_suspended_does_not_get_in_by_passkey(sam: Visitor, browser: Browser, key: Passkey) -> None:
    Person.objects.update(is_active=False)
    assert sign_in(browser(), key).status == 422


def test_one_of_two_factors_is_removed(sam: Visitor, clock: Clock) -> None:
    clock.pass_(seconds=30)
    page = sam.get("/account/factors/app")
    sam.seed = page.texts("//*[@id='totp-seed']")[0]
    sam.submit(page, "code", {"code": sam.code()})
    passkey, app = Person.objects.get().authenticator_set.exclude(type="recovery_codes").order_by("created_at")
    assert sam.post(f"/account/factors/{passkey.pk}/removal", {}).path == "/account"
    assert sam.post(f"/account/factors/{app.pk}/removal", {}).status == 409
    left = Person.objects.get().authenticator_set.values_list("type", flat=True)
    assert set(left) == {"recovery_codes", "totp"}
