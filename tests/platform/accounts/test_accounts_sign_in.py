"""Links, passwords and the second factor, as a person without JavaScript meets them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection

from meterhall.demo.person import Person as Visitor
from meterhall.demo.person import totp
from meterhall.web.accounts import service
from meterhall.web.accounts.models import OneTimeLink, Person
from meterhall.web.accounts.service import invite, one_time_link
from tests.platform.accounts.conftest import Clock

pytestmark = pytest.mark.urls("tests.platform.accounts.urls")
Browser = Callable[[], Visitor]
Capture = pytest.CaptureFixture[str]
PASSWORD = "a long walk home, uphill"


@pytest.fixture
def ada(browser: Browser) -> Visitor:
    """Somebody who has been here once."""
    visitor = browser()
    assert visitor.redeem(invite("Ada@Example.org", "Ada", "operator")).text == f"home of {Person.objects.get()}"
    return visitor


def again(visitor: Visitor, browser: Browser) -> Visitor:
    """The same person at another browser, with the same authenticator app."""
    other = browser()
    other.seed, other._last_step = visitor.seed, visitor._last_step
    return other


def test_a_link_leads_through_enrolment_to_the_page(ada: Visitor) -> None:
    assert len(ada.recovery_codes) == 10
    assert ada.get("/desk").text == "the desk"


def test_a_link_works_once(ada: Visitor, browser: Browser) -> None:
    link = one_time_link(Person.objects.get())
    assert again(ada, browser).redeem(link).path == "/"
    spent = browser().get(link)
    assert (spent.status, "link_spent" in spent.text) == (410, True)


def test_looking_at_a_link_does_not_use_it(browser: Browser) -> None:
    link = invite("ada@example.org", "Ada", "operator")
    for _ in range(3):
        page = browser().get(link)
        assert page.status == 200
        assert "ada@example.org" in page.text
    assert browser().redeem(link).path == "/"


def test_two_who_claim_a_link_at_the_same_moment(browser: Browser) -> None:
    link = invite("ada@example.org", "Ada", "operator")
    first, second = browser(), browser()
    pages = [first.get(link), second.get(link)]
    assert first.submit(pages[0], "csrfmiddlewaretoken").path == "/account/factors/app"
    assert second.submit(pages[1], "csrfmiddlewaretoken").status == 410


def test_a_link_looked_at_before_another_claimed_it(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    token = invite("ada@example.org", "Ada", "operator").rpartition("=")[2]
    still_good = service.look_at_link(token)
    service.claim_link(token)
    monkeypatch.setattr(service, "look_at_link", lambda _: still_good)
    with pytest.raises(service.LinkSpent):
        service.claim_link(token)


def test_a_link_runs_out(browser: Browser, clock: Clock) -> None:
    link = invite("ada@example.org", "Ada", "operator")
    clock.pass_(days=7)
    assert browser().get(link).status == 410


def test_only_a_digest_of_the_link_is_kept(browser: Browser) -> None:
    token = invite("ada@example.org", "Ada", "operator").rpartition("=")[2]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {OneTimeLink._meta.db_table}")
        assert token not in repr(cursor.fetchall())


def test_seeds_are_sealed_at_rest(ada: Visitor, browser: Browser) -> None:
    half_way = browser()
    page = half_way.submit(half_way.get(invite("bob@example.org", "Bob", "staff")), "csrfmiddlewaretoken")
    offered = page.texts("//*[@id='totp-seed']")[0]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT type, data FROM {Authenticator._meta.db_table}")
        rows = cursor.fetchall()
    assert {row[0] for row in rows} == {"totp", "recovery_codes"}
    assert ada.seed not in repr(rows)
    assert all(secret not in repr(rows) for secret in ada.recovery_codes)
    assert all(json.loads(row[1]).get("secret", "gAAAA").startswith("gAAAA") for row in rows)
    sessions = [json.dumps(session.get_decoded()) for session in Session.objects.all()]
    assert len(sessions) == 2
    assert not any(offered in session for session in sessions)


def test_a_wrong_code_is_refused(browser: Browser) -> None:
    visitor = browser()
    page = visitor.submit(visitor.get(invite("ada@example.org", "Ada", "operator")), "csrfmiddlewaretoken")
    seed = page.texts("//*[@id='totp-seed']")[0]
    page = visitor.submit(page, "code", {"code": totp("A" * 32, 1)})
    assert page.status == 422
    assert page.texts("//*[@id='totp-seed']") == [seed]
    assert not Authenticator.objects.exists()
    assert visitor.get("/desk").path == "/account/sign-in"


def test_the_second_factor_is_asked_at_every_visit(ada: Visitor, browser: Browser) -> None:
    other = browser()
    page = other.submit(other.get(one_time_link(Person.objects.get())), "csrfmiddlewaretoken")
    assert page.path == "/account/second-factor"
    assert other.get("/account/factors/app").path == "/account/second-factor", "no second app in place of the first"
    assert other.get("/desk").path == "/account/sign-in"
    wrong = other.submit(page, "code", {"code": totp("A" * 32, 1)})
    assert (wrong.status, wrong.path) == (422, "/account/second-factor")


@pytest.mark.parametrize("seconds", [0, 31, 59])
def test_a_code_seen_before_is_refused(ada: Visitor, browser: Browser, clock: Clock, seconds: int) -> None:
    """Also after its own 30 seconds, while the tolerance would still let it through; the enrolment's counts as seen."""
    seen = totp(ada.seed, ada._last_step)
    other = browser()
    page = other.submit(other.get(one_time_link(Person.objects.get())), "csrfmiddlewaretoken")
    clock.pass_(seconds=seconds - 7)
    assert other.submit(page, "code", {"code": seen}).status == 422
    assert other.submit(page, "code", {"code": totp(ada.seed, ada._last_step + 1)}).path == "/"


def test_wrong_codes_are_limited(ada: Visitor, browser: Browser) -> None:
    other = again(ada, browser)
    page = other.submit(other.get(one_time_link(Person.objects.get())), "csrfmiddlewaretoken")
    assert [other.submit(page, "code", {"code": "000000"}).status for _ in range(5)] == [422] * 5
    refused = other.submit(page, "code", {"code": other.code()})
    assert (refused.status, refused.response.headers["Retry-After"]) == (429, "300")


def test_a_right_code_forgets_the_wrong_ones(ada: Visitor, browser: Browser) -> None:
    for _ in range(2):
        other = again(ada, browser)
        page = other.submit(other.get(one_time_link(Person.objects.get())), "csrfmiddlewaretoken")
        assert [other.submit(page, "code", {"code": "000000"}).status for _ in range(4)] == [422] * 4
        assert other.submit(page, "code", {"code": other.code()}).path == "/"
        ada._last_step = other._last_step


def test_a_session_gets_a_new_key_at_each_step(browser: Browser) -> None:
    visitor, seen = browser(), []
    page = visitor.get("/account/sign-in?next=/desk")
    for holding in ("", "link-form", "code-form"):
        if holding:
            data = {"code": visitor.code()} if holding == "code-form" else {}
            page = visitor.submit(page, holding, data)
            visitor.seed = "".join(page.texts("//*[@id='totp-seed']"))
        else:
            page = visitor.get(invite("ada@example.org", "Ada", "operator"))
        seen.append(visitor.http.cookies[settings.SESSION_COOKIE_NAME])
    assert len(set(seen)) == 3


def test_a_recovery_code_works_once(ada: Visitor, browser: Browser) -> None:
    def use(code: str) -> int:
        other = browser()
        page = other.submit(other.get(one_time_link(Person.objects.get())), "csrfmiddlewaretoken")
        return other.submit(page, "code", {"code": code}).status

    assert [use(ada.recovery_codes[3]), use(ada.recovery_codes[3]), use(ada.recovery_codes[4])] == [200, 422, 200]


def test_a_password_needs_the_second_factor(ada: Visitor, browser: Browser) -> None:
    assert ada.set_password("short").status == 422
    assert ada.set_password(PASSWORD).path == "/account"
    other = again(ada, browser)
    assert other.sign_in("ADA@example.org", PASSWORD).path == "/"
    assert again(ada, browser).sign_in("ada@example.org", "another").status == 422
    half_way = browser()
    fields = {"email": "ada@example.org", "password": PASSWORD}
    assert half_way.submit(half_way.get("/account/sign-in"), "password", fields).path == "/account/second-factor"
    assert half_way.get("/desk").path == "/account/sign-in"


def test_wrong_passwords_are_limited_per_person(ada: Visitor, browser: Browser) -> None:
    ada.set_password(PASSWORD)
    other = again(ada, browser)
    assert [other.sign_in("ada@example.org", "wrong").status for _ in range(5)] == [422] * 5
    assert other.sign_in("ada@example.org", PASSWORD).status == 429
    assert other.sign_in("bob@example.org", "wrong").status == 422


def test_half_way_lasts_a_quarter_of_an_hour(ada: Visitor, browser: Browser, clock: Clock) -> None:
    other = again(ada, browser)
    page = other.submit(other.get(one_time_link(Person.objects.get())), "csrfmiddlewaretoken")
    clock.pass_(minutes=16)
    assert other.submit(page, "code", {"code": other.code()}).path == "/account/sign-in"


def test_somebody_suspended_is_out_at_once(ada: Visitor, browser: Browser) -> None:
    link = one_time_link(Person.objects.get())
    Person.objects.update(is_active=False)
    assert ada.get("/desk").path == "/account/sign-in"
    assert browser().get(link).status == 410


def test_signing_out_ends_the_session(ada: Visitor) -> None:
    assert ada.sign_out().path == "/account/sign-in"
    assert ada.get("/desk").path == "/account/sign-in"


def test_after_signing_in_the_page_that_was_wanted(browser: Browser) -> None:
    visitor = browser()
    assert visitor.get("/desk").path == "/account/sign-in"
    assert visitor.redeem(invite("ada@example.org", "Ada", "operator")).path == "/desk"


@pytest.mark.parametrize("evil", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_no_way_leads_off_the_portal(ada: Visitor, evil: str) -> None:
    page = ada.get("/account/confirmation?next=" + evil)
    assert ada.submit(page, "code", {"code": ada.code()}).path == "/"


def test_a_form_without_its_token_is_refused(browser: Browser) -> None:
    link = invite("ada@example.org", "Ada", "operator")
    visitor = browser()
    page = visitor.get(link)
    assert visitor.submit(page, "csrfmiddlewaretoken", {"csrfmiddlewaretoken": "x" * 64}).status == 403
    assert OneTimeLink.objects.get().used_at is None


def test_logs_hold_no_token_and_no_name(browser: Browser, caplog: pytest.LogCaptureFixture, capsys: Capture) -> None:
    link = invite("ada@example.org", "Ada", "operator")
    visitor = browser()
    page = visitor.get(link)
    visitor.submit(page, "csrfmiddlewaretoken", {"csrfmiddlewaretoken": "x" * 64})
    visitor.redeem(link)
    visitor.get(link)
    said = "".join(capsys.readouterr()) + caplog.text
    assert "accounts.second_factor" in said
    assert "call='POST /account/link'" in said
    assert not [word for word in (link.rpartition("=")[2], "Ada", "ada@example.org") if word in said]
