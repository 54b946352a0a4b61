"""What a person reads where another platform refuses or does not answer: in words, with the way on."""

from __future__ import annotations

from dataclasses import asdict

import httpx
import pytest
from django.conf import settings
from django.test import Client

from meterhall.web.accounts.models import Person
from meterhall.web.accounts.session import PROOF, Proof
from meterhall.web.membership.models import Standing
from meterhall.web.messaging.models import Identity
from meterhall.web.platform import Platform

from .conftest import Clock, GridDouble

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(eso: Platform, clock: Clock) -> Client:
    person = Person.objects.create(email="staff@helios.example", name="Ada", roles=["staff"])
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    session = client.session
    session[PROOF] = asdict(Proof(clock().timestamp(), "totp", ("pwd", "otp", "mfa")))
    session.save()
    return client


@pytest.mark.parametrize(
    ("membership", "expected"),
    [
        (None, "has not admitted this organisation yet"),
        ({"player": {"status": "applied"}, "general_contract_signed": False}, "has not admitted this organisation yet"),
        (
            {"player": {"status": "admitted"}, "general_contract_signed": False},
            "The general contract is not signed yet",
        ),
    ],
)
def test_a_search_before_the_terms_are_signed_names_the_missing_step(
    staff: Client, grid: GridDouble, membership: dict[str, object] | None, expected: str
) -> None:
    Standing.objects.create(enrolment={}, idempotency_key="k", membership=membership)
    grid.refusals["/v1/offers"] = (403, "scope_missing")
    answer = staff.get("/offers")
    page = answer.content.decode()
    assert "A step is missing" in page
    assert expected in page
    assert 'href="/membership"' in page
    assert "Try again" not in page


def test_before_enrolment_the_step_is_to_apply(staff: Client, grid: GridDouble) -> None:
    Identity.objects.all().delete()
    grid.refusals["/v1/offers"] = (403, "scope_missing")
    assert b"has not applied at the Market Place yet" in staff.get("/offers").content


def test_a_refusal_with_every_step_taken_stays_what_it_is(staff: Client, grid: GridDouble) -> None:
    known = {"player": {"status": "admitted"}, "general_contract_signed": True}
    Standing.objects.create(enrolment={}, idempotency_key="k", membership=known)
    grid.refusals["/v1/offers"] = (403, "scope_missing")
    page = staff.get("/offers").content.decode()
    assert "A step is missing" not in page
    assert "The other platform refused." in page


def test_a_platform_that_does_not_answer_is_told_in_the_readers_words_with_a_way_to_try_again(
    staff: Client, eso: Platform
) -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    eso.__dict__["http"] = httpx.Client(transport=httpx.MockTransport(down))
    staff.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    answer = staff.get("/offers?country=IT")
    page = answer.content.decode()
    assert answer.status_code == 503
    assert "<h1>Die andere Plattform ist nicht erreichbar.</h1>" in page
    assert '<a class="button" href="/offers?country=IT">' in page
    assert "ConnectError" not in page


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "it"])
def test_the_menu_names_each_language_in_itself(staff: Client, language: str) -> None:
    staff.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    page = staff.get("/customers").content.decode()
    for code, name in (("en", "English"), ("de", "Deutsch"), ("es", "Español"), ("fr", "Français"), ("it", "Italiano")):
        assert f'<option value="{code}" lang="{code}"{" selected" * (code == language)}>{name}</option>' in page
