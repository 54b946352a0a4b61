"""Roles, signers and invitations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from meterhall.demo.person import Person as Visitor
from meterhall.web.accounts.models import OneTimeLink, Person
from meterhall.web.accounts.service import (
    BadEmail,
    HolderReferenceMissing,
    OtherHolder,
    UnknownRole,
    invite,
    one_time_link,
    reset_second_factor,
)
from meterhall.web.accounts.session import PROOF
from meterhall.web.accounts.tasks import forget
from meterhall.web.platform import platform
from tests.people import show_second_factor, signed_in
from tests.platform.accounts.conftest import Clock

pytestmark = [pytest.mark.urls("tests.platform.accounts.urls"), pytest.mark.django_db]
Browser = Callable[[], Visitor]


@pytest.fixture
def sam(browser: Browser) -> Visitor:
    visitor = browser()
    visitor.redeem(invite("sam@example.org", "Sam", "signer"))
    return visitor


def test_a_page_of_another_role_is_refused(sam: Visitor) -> None:
    refused = sam.get("/desk")
    assert (refused.status, "role_missing" in refused.text) == (403, True)
    assert "Sam" in refused.text, "as a page of the portal"


def test_a_fresh_signer_signs(sam: Visitor, clock: Clock) -> None:
    page = sam.get("/sign")
    assert page.response.json() == {"name": "Sam", "amr": ["otp", "mfa"], "at": clock.now.timestamp()}


def test_a_stale_signer_shows_the_second_factor_and_comes_back(sam: Visitor, clock: Clock) -> None:
    clock.pass_(seconds=301)
    asked = sam.get("/sign?contract=7")
    assert asked.path == "/account/confirmation"
    refused = sam.get("/sign-bare")
    assert (refused.status, "signer_not_fresh" in refused.text) == (403, True)
    page = sam.submit(asked, "code", {"code": sam.code()})
    assert str(page.response.url).endswith("/sign?contract=7")
    assert page.response.json()["at"] == clock.now.timestamp()


def test_a_stale_signer_who_posts_comes_back_to_the_form(sam: Visitor, clock: Clock) -> None:
    sam.get("/account/recovery-codes")
    clock.pass_(seconds=301)
    asked = sam.post("/sign", {})
    assert asked.path == "/account/confirmation"
    assert sam.submit(asked, "code", {"code": sam.code()}).path == "/account/recovery-codes"


def test_a_recovery_code_signs_nothing(sam: Visitor, browser: Browser) -> None:
    other = browser()
    page = other.submit(other.get(one_time_link(Person.objects.get())), "csrfmiddlewaretoken")
    assert other.submit(page, "code", {"code": sam.recovery_codes[0]}).path == "/"
    assert other.get("/sign-bare").status == 403
    asked = other.get("/sign")
    assert asked.path == "/account/confirmation"
    assert other.submit(asked, "code", {"code": sam.recovery_codes[1]}).status == 422


def test_a_password_counts_among_the_methods(sam: Visitor, browser: Browser, clock: Clock) -> None:
    sam.set_password("a long walk home, uphill")
    other = browser()
    other.seed, other._last_step = sam.seed, sam._last_step
    other.sign_in("sam@example.org", "a long walk home, uphill")
    clock.pass_(minutes=10)
    other.confirm()
    assert other.get("/sign").response.json()["amr"] == ["pwd", "otp", "mfa"]


def test_nobody_signs_without_the_role(browser: Browser) -> None:
    assert browser().get("/sign").path == "/account/sign-in"
    assert browser().get("/sign-bare").status == 401
    staff = browser()
    staff.redeem(invite("tom@example.org", "Tom", "staff"))
    assert staff.get("/sign").status == 403
    assert staff.get("/sign-bare").status == 403


def test_changing_factors_needs_one_just_shown(sam: Visitor, clock: Clock) -> None:
    clock.pass_(minutes=6)
    for path in ("/account/password", "/account/factors/app", "/account/factors/passkey"):
        assert sam.get(path).path == "/account/confirmation"
    assert sam.post("/account/recovery-codes/new", {}).path == "/account/confirmation"


def test_an_app_is_replaced_and_the_last_factor_stays(sam: Visitor) -> None:
    old = sam.seed
    page = sam.get("/account/factors/app")
    sam.seed = page.texts("//*[@id='totp-seed']")[0]
    assert sam.submit(page, "code", {"code": sam.code()}).path == "/account"
    assert sam.seed != old
    assert sam.confirm().path == "/"
    factor = Person.objects.get().authenticator_set.get(type="totp")
    assert sam.post(f"/account/factors/{factor.pk}/removal", {}).status == 409


def test_new_recovery_codes_end_the_old(sam: Visitor) -> None:
    shown_again = sam.get("/account/recovery-codes")
    assert not any(code in shown_again.text for code in sam.recovery_codes)
    fresh = sam.post("/account/recovery-codes/new", {}).texts("//*[@id='recovery-codes']//li")
    assert len(fresh) == 10
    assert not set(fresh) & set(sam.recovery_codes)


def test_who_lost_every_factor_enrols_again(sam: Visitor, browser: Browser) -> None:
    other = browser()
    other.redeem(reset_second_factor("sam@example.org"))
    assert other.seed != sam.seed
    assert other.get("/sign").status == 200


def test_an_invitation_adds_a_role() -> None:
    link = invite("Ada@Example.org", "Ada", "operator")
    assert link.startswith(platform().portal_url + "/account/link?token=")
    invite("ada@example.org", "", "signer")
    invite("ada@example.org", "", "signer")
    person = Person.objects.get()
    assert (person.email, person.name, person.roles) == ("ada@example.org", "Ada", ["operator", "signer"])


def test_a_customer_is_bound_to_one_holder() -> None:
    with pytest.raises(HolderReferenceMissing):
        invite("cleo@example.org", "Cleo", "customer")
    invite("cleo@example.org", "Cleo", "customer", "H-1")
    with pytest.raises(OtherHolder):
        invite("cleo@example.org", "Cleo", "customer", "H-2")
    assert Person.objects.get().holder_reference == "H-1"


def test_bad_invitations_name_the_field() -> None:
    with pytest.raises(UnknownRole) as role:
        invite("ada@example.org", "Ada", "king")
    with pytest.raises(BadEmail) as email:
        invite("ada", "Ada", "staff")
    assert (role.value.field, email.value.field) == ("/role", "/email")
    assert not Person.objects.exists()


def test_what_is_over_is_forgotten(sam: Visitor, clock: Clock) -> None:
    invite("ada@example.org", "Ada", "staff")
    forget()
    assert [link.person.name for link in OneTimeLink.objects.all()] == ["Ada"]
    clock.pass_(days=7)
    forget()
    assert not OneTimeLink.objects.exists()


def test_a_session_without_a_second_factor_opens_nothing(client: Client, clock: Clock) -> None:
    person = signed_in(client, "staff", "signer")
    assert client.get("/desk", secure=True).content == b"the desk"
    clock.pass_(minutes=6)
    assert client.get("/sign", secure=True).status_code == 302
    show_second_factor(client)
    assert client.get("/sign", secure=True).status_code == 200
    client.force_login(person)
    session = client.session
    del session[PROOF]
    session.save()
    assert client.get("/desk", secure=True).status_code == 302
