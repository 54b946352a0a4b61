"""A consent from the pushed request to the grant: the platform's side of it, with the SDK on the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from meterhall.client.consents import Asking, WrongIssuer, ask_consent, redeem_code
from meterhall.client.errors import TokenRefused
from meterhall.client.tokens import TokenEndpoint
from meterhall.domain.protocol.consents import GrantedDetail, MeteringDataDetail
from meterhall.domain.protocol.offers import DataScope
from meterhall.web.oauth.models import Code, PushedRequest
from meterhall.web.oauth.service import (
    OpenRequest,
    RequestEnded,
    UnknownRequest,
    approve,
    deny,
    open_request,
    suspend_client,
)
from meterhall.web.oauth.tasks import clean

from .conftest import BASE, NUMBER, Admit, Clock

AUTHORIZE = "https://portal.example/oauth/authorize"
CALLBACK = "https://sun.example/consents/callback"
CONSENT = "con_" + "1" * 24


@pytest.fixture(autouse=True)
def _no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a provider holds details against is tested with its consents; here is no contract."""
    monkeypatch.setattr("meterhall.web.oauth.details._checks", [])


def need(name: str) -> MeteringDataDetail:
    return MeteringDataDetail(
        need=name,
        subscription_id="sub_" + "0" * 24,
        scope=DataScope(granularities=("PT15M",)),
        purpose="Check the bill.",
        access_until=datetime(2027, 1, 1, tzinfo=UTC),
    )


def ask(tokens: TokenEndpoint) -> Asking:
    return ask_consent(tokens, AUTHORIZE, NUMBER, CALLBACK, [need("bill"), need("battery")])


def look(asking: Asking) -> OpenRequest:
    """What the provider's page does with the address the customer was sent to."""
    query = parse_qs(urlsplit(asking.url).query)
    return open_request(query["client_id"][0], query["request_uri"][0])


def returned(url: str) -> dict[str, str]:
    assert url.startswith(f"{CALLBACK}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def grant(opened: OpenRequest) -> dict[str, str]:
    """The customer grants the first need for one point."""
    granted = GrantedDetail(**opened.details[0].model_dump(), points=("pt_1",))
    return returned(approve(opened, CONSENT, [granted]))


def test_a_customer_grants_part_of_what_was_asked(tokens: TokenEndpoint, admit: Admit) -> None:
    admit()
    asking = ask(tokens)
    opened = look(asking)
    assert (opened.client_id, opened.client_name, opened.redirect_uri) == (NUMBER, "Sun Coop", CALLBACK)
    assert [detail.need for detail in opened.details] == ["bill", "battery"]

    back = grant(opened)
    assert (back["state"], back["iss"]) == (asking.state, BASE)
    found = redeem_code(tokens, back["code"], back["iss"], asking.verifier, CALLBACK)
    assert found.consent_id == CONSENT
    assert [(detail.need, detail.points) for detail in found.details] == [("bill", ("pt_1",))]


def test_a_code_counts_once(tokens: TokenEndpoint, admit: Admit) -> None:
    admit()
    asking = ask(tokens)
    back = grant(look(asking))
    redeem_code(tokens, back["code"], BASE, asking.verifier, CALLBACK)
    with pytest.raises(TokenRefused, match="code_used"):
        redeem_code(tokens, back["code"], BASE, asking.verifier, CALLBACK)


def test_a_code_is_of_no_use_to_another_key_or_without_the_verifier(
    tokens: TokenEndpoint, admit: Admit, http, key
) -> None:
    admit()
    asking = ask(tokens)
    back = grant(look(asking))
    with pytest.raises(TokenRefused, match="dpop_key_mismatch"):
        redeem_code(TokenEndpoint(BASE, NUMBER, key, http=http), back["code"], BASE, asking.verifier, CALLBACK)
    with pytest.raises(TokenRefused, match="invalid_grant"):
        redeem_code(tokens, back["code"], BASE, "v" * 50, CALLBACK)
    assert redeem_code(tokens, back["code"], BASE, asking.verifier, CALLBACK).consent_id == CONSENT


def test_a_code_ends_after_a_minute(
    tokens: TokenEndpoint, admit: Admit, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit()
    asking = ask(tokens)
    back = grant(look(asking))
    clock.ahead = timedelta(seconds=61)
    monkeypatch.setattr("meterhall.client.tokens.time.time", lambda: clock().timestamp())
    with pytest.raises(TokenRefused, match="code_expired"):
        redeem_code(tokens, back["code"], BASE, asking.verifier, CALLBACK)


def test_a_code_is_not_stored_in_clear(tokens: TokenEndpoint, admit: Admit) -> None:
    admit()
    back = grant(look(ask(tokens)))
    assert not Code.objects.filter(digest=back["code"]).exists()
    assert Code.objects.count() == 1


def test_the_answer_of_another_server_is_not_followed(tokens: TokenEndpoint) -> None:
    with pytest.raises(WrongIssuer):
        redeem_code(tokens, "code", "https://other.example", "v" * 50, CALLBACK)


def test_a_customer_refuses(tokens: TokenEndpoint, admit: Admit) -> None:
    admit()
    asking = ask(tokens)
    back = returned(deny(look(asking)))
    assert (back["error"], back["state"], back["iss"]) == ("access_denied", asking.state, BASE)
    assert not Code.objects.exists()


def test_a_request_is_decided_once(tokens: TokenEndpoint, admit: Admit) -> None:
    admit()
    asking = ask(tokens)
    opened = look(asking)
    assert look(asking) == opened
    deny(opened)
    for again in (lambda: deny(opened), lambda: grant(opened), lambda: look(asking)):
        with pytest.raises(RequestEnded):
            again()
    assert not Code.objects.exists()


def test_a_request_waits_ten_minutes_to_be_opened_and_half_an_hour_to_be_decided(
    tokens: TokenEndpoint, admit: Admit, clock: Clock
) -> None:
    admit()
    left, opened_late = ask(tokens), ask(tokens)
    clock.ahead = timedelta(minutes=9)
    look(opened_late)
    clock.ahead = timedelta(minutes=10)
    with pytest.raises(RequestEnded):
        look(left)
    clock.ahead = timedelta(minutes=38)
    clean()
    opened = look(opened_late)
    clock.ahead = timedelta(minutes=40)
    with pytest.raises(RequestEnded):
        grant(opened)
    clean()
    assert not PushedRequest.objects.exists()


def test_a_request_is_its_clients_and_stops_with_it(tokens: TokenEndpoint, admit: Admit) -> None:
    admit()
    asking = ask(tokens)
    request_uri = look(asking).request_uri
    for client_id, uri in (("MH0000000206", request_uri), (NUMBER, "urn:x"), (NUMBER, "\x00")):
        with pytest.raises(UnknownRequest):
            open_request(client_id, uri)
    suspend_client(NUMBER)
    with pytest.raises(UnknownRequest):
        look(asking)


def test_an_address_with_a_query_keeps_it(tokens: TokenEndpoint, admit: Admit) -> None:
    admit(redirect_uris=["https://sun.example/back?lang=de"])
    asking = ask_consent(tokens, AUTHORIZE, NUMBER, "https://sun.example/back?lang=de", [need("bill")])
    url = deny(look(asking))
    assert url.startswith("https://sun.example/back?lang=de&error=access_denied")
