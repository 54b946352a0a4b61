"""Players: enrolment and its refusals, admission and suspension, keys, attestations, and what others see."""

from __future__ import annotations

import sys
from typing import Any

import httpx
import pytest
from django.test import Client as Browser
from django.test import override_settings
from typer.testing import CliRunner

from meterhall.cli.marketplace import marketplace as marketplace_commands
from meterhall.client.b2b import RemoteRefusal
from meterhall.domain.market import WrongState
from meterhall.domain.protocol.base import Signed
from meterhall.domain.protocol.keys import SigningKey, sign, verify
from meterhall.domain.protocol.players import (
    ATTESTATION_TYP,
    ENDPOINTS_TYP,
    KEYS_TYP,
    Attestation,
    AttestationRequest,
    Attested,
    Endpoints,
    KeySet,
    LegalIdentifier,
    PlayerView,
)
from meterhall.marketplace.ledger.models import KeptStatement
from meterhall.marketplace.players import service
from meterhall.marketplace.players.models import Decision, Player
from meterhall.web.home import Home
from meterhall.web.messaging.peers import peer, transport_keys
from meterhall.web.platform import Platform
from meterhall.web.staff.service import create_staff_key
from tests.platform.market.conftest import Actor, Make, jwk, refusal, send

pytestmark = pytest.mark.django_db


def code_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    found = answer.json()
    return answer.status_code, found["code"], found.get("field")


def test_an_applicant_sees_its_standing_and_nothing_else(make: Make) -> None:
    actor = make().enrol()
    standing = actor.membership()
    assert (standing.player.status, standing.attestation, standing.general_contract_signed) == ("applied", None, False)
    assert refusal(send, actor, "GET", "/v1/subscriptions")[:2] == (403, "scope_missing")


def test_a_token_from_before_admission_is_renewed_for_the_new_right(make: Make) -> None:
    actor = make().enrol()
    client = actor.client
    client.call("GET", "/v1/players/me")
    actor.admitted()
    client.call("GET", "/v1/subscriptions")


def test_admission_opens_the_market_and_vouches_for_the_player(marketplace: Platform, make: Make) -> None:
    actor = make().admitted()
    standing = actor.membership()
    claims = verify(standing.attestation or "", [marketplace.transport_key.public], typ=ATTESTATION_TYP).document
    attestation = Attestation.model_validate(claims)
    assert (attestation.sub, attestation.aud, attestation.kind) == (actor.number, actor.number, "player")
    assert attestation.exp - attestation.iat == 7 * 86_400
    assert [news["player"]["status"] for news in actor.told("player.admitted")] == ["admitted"]
    types = (
        KeptStatement.objects.filter(transaction_id=actor.number).order_by("entry_id").values_list("type", flat=True)
    )
    assert list(types) == ["player.applied", "player.admitted"]
    assert Decision.objects.get().by == "tests"


def test_the_same_enrolment_is_the_same_player(make: Make) -> None:
    actor = make()
    first = actor.post_enrolment(key="once").json()
    replayed = actor.post_enrolment(key="once")
    assert (replayed.json(), replayed.headers["Idempotent-Replayed"]) == (first, "true")
    assert actor.post_enrolment(key="twice").json() == first
    assert Player.objects.count() == 1


def test_another_key_set_does_not_get_hold_of_a_legal_id(make: Make) -> None:
    actor = make().admitted()
    thief = make(legal_id=actor.legal_id)
    assert code_of(thief.post_enrolment()) == (409, "legal_id_taken", "/jws/legal_id/value")


def test_of_two_that_apply_under_one_legal_id_one_is_admitted(make: Make) -> None:
    squatter = make().enrol()
    rightful = make(legal_id=squatter.legal_id).enrol()
    service.admit(rightful.number, by="tests")
    with pytest.raises(service.LegalIdTaken):
        service.admit(squatter.number, by="tests")
    assert (squatter.membership().player.status, rightful.membership().player.status) == ("applied", "admitted")


def test_who_waits_is_admitted_but_none_of_two_under_one_legal_id(
    make: Make, homes: dict[str, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["meterhall.cli.marketplace"], "django_ready", lambda *words: None)
    first = make().enrol()
    second, third = make(legal_id=first.legal_id).enrol(), make().enrol()
    run = CliRunner().invoke(marketplace_commands, ["admit", "--home", str(homes["regulated"].path), "--waiting"])
    assert run.exit_code == 1
    assert f"{first.number} not admitted: {second.number} has the same legal id" in run.stdout
    assert f"{third.number} admitted" in run.stdout
    assert {one.membership().player.status for one in (first, second)} == {"applied"}
    run = CliRunner().invoke(marketplace_commands, ["admit", "--home", str(homes["regulated"].path), second.number])
    assert (run.exit_code, second.membership().player.status) == (0, "admitted")


def test_a_refused_application_blocks_neither_the_rightful_organisation_nor_a_second_try(make: Make) -> None:
    squatter = make().enrol()
    service.refuse(squatter.number, by="tests", reason="Not the organisation it says.")
    assert squatter.membership().reason == "Not the organisation it says."
    rightful = make(legal_id=squatter.legal_id).enrol()
    assert rightful.number != squatter.number
    service.refuse(rightful.number, by="tests", reason="A document is missing.")
    again = rightful.post_enrolment()
    assert (again.json()["access_number"], again.json()["status"]) == (rightful.number, "applied")


def test_a_key_belongs_to_one_player(make: Make) -> None:
    actor = make().enrol()
    assert code_of(make(transport=actor.transport).post_enrolment())[:2] == (409, "key_taken")


WRONG: list[tuple[dict[str, Any], dict[str, Any], tuple[int, str, str]]] = [
    ({"country": "US"}, {}, (422, "country_not_eea", "/jws/country")),
    (
        {},
        {"legal_id": LegalIdentifier(kind="GLN", value="9520000000012")},
        (422, "legal_id_invalid", "/jws/legal_id/value"),
    ),
    ({"roles": ("provider",), "activity": "esco"}, {}, (403, "provider_not_regulated", "/jws/activity")),
    ({}, {"contact": "meter IT001E12345678"}, (422, "text_holds_pod", "/jws/contact")),
]


@pytest.mark.parametrize(("traits", "changes", "answer"), WRONG)
def test_who_cannot_take_part_is_told_why(
    make: Make, traits: dict[str, Any], changes: dict[str, Any], answer: tuple[int, str, str]
) -> None:
    assert code_of(make(**traits).post_enrolment(**changes)) == answer
    assert not Player.objects.exists()


UNUSABLE = [
    ("https://localhost:999999", "b2b"),
    ("https://localhost:0", "b2b"),
    ("https://[::1", "b2b"),
    ("https://[zz]", "b2b"),
    ("https://:8443", "b2b"),
    ("https://-a.example", "b2b"),
    ("https://u:p@a.example", "b2b"),
    ("https://a.example/?x=1", "b2b"),
    ("https://a.example/\a", "portal"),
    ("https://a.example/v1/inbox?x=1", "inbox"),
    ("https://169.254.169.254/latest/meta-data", "inbox"),
]


@pytest.mark.parametrize(("address", "name"), UNUSABLE)
def test_an_address_nobody_could_call_is_refused(make: Make, address: str, name: str) -> None:
    endpoints = Endpoints.model_validate({"b2b": "https://a.example"} | {name: address})
    answer = make().post_enrolment(endpoints=endpoints)
    assert code_of(answer) == (422, "address_invalid", f"/jws/endpoints/{name}")
    assert not Player.objects.exists()


def test_addresses_that_can_be_called_are_taken(make: Make) -> None:
    endpoints = Endpoints(
        b2b="https://[::1]:8443/meterhall", portal="https://xn--mnchen-3ya.example",
        redirect_uris=("https://a.example/back?from=meter",),
    )  # fmt: skip
    make().enrol(endpoints=endpoints)
    wrong = endpoints.model_copy(update={"redirect_uris": ("https://a.example", "https://u@a.example")})
    answer = make().post_enrolment(endpoints=wrong)
    assert code_of(answer) == (422, "address_invalid", "/jws/endpoints/redirect_uris/1")


@pytest.mark.parametrize("name", ["organisation", "contact", "description"])
@pytest.mark.parametrize("character", ["\a", "\u202e", "\u2066", "\u200b"])
def test_characters_that_are_not_seen_are_refused(make: Make, name: str, character: str) -> None:
    answer = make().post_enrolment(**{name: f"Sun{character}Coop"})
    assert code_of(answer) == (422, "text_unseen", f"/jws/{name}")
    assert not Player.objects.exists()


def test_a_description_has_lines(make: Make) -> None:
    make().enrol(description="Two lines,\n\tone indented: Ελλάδα, България, Düsseldorf.")


def test_an_enrolment_is_signed_with_the_key_it_declares(make: Make) -> None:
    assert code_of(make().post_enrolment(signer=SigningKey.generate()))[:2] == (401, "bad_signature")


def test_a_key_that_is_none_or_named_wrongly_is_refused(make: Make) -> None:
    actor, other = make(), SigningKey.generate()
    misnamed = jwk(actor.transport).model_copy(update={"kid": other.kid})
    keys = KeySet(transport=(misnamed,), contract=(jwk(actor.contract),))
    assert code_of(actor.post_enrolment(keys=keys)) == (422, "key_invalid", "/jws/keys/transport/0/kid")
    twice = KeySet(transport=(jwk(actor.transport),), contract=(jwk(actor.transport),))
    assert code_of(actor.post_enrolment(keys=twice)) == (422, "key_twice", "/jws/keys/contract/0")


def test_in_the_unregulated_environment_regulated_actors_provide_nothing(
    homes: dict[str, Home], marketplace: Platform, make: Make
) -> None:
    with override_settings(METERHALL=Platform(homes["unregulated"])):
        dso = make(roles=("provider",), activity="dso")
        assert code_of(dso.post_enrolment()) == (403, "provider_regulated", "/jws/activity")
        assert make(roles=("provider", "requester"), activity="esco").post_enrolment().status_code == 202
        assert make(activity="dso").post_enrolment().status_code == 202


def test_suspension_stops_a_player_and_its_contracts_and_tells_its_partners(provider: Actor, requester: Actor) -> None:
    drafted = requester.subscribe(provider.published())
    requester.sign(drafted)
    provider.sign(drafted)
    client = requester.client
    client.call("GET", "/v1/subscriptions")

    service.suspend(requester.number, by="tests", reason="Readings were passed on.")
    with pytest.raises(RemoteRefusal) as caught:
        client.call("GET", "/v1/subscriptions")
    assert caught.value.remote_code == "scope_missing"
    assert requester.membership().reason == "Readings were passed on."
    assert [news["player"]["status"] for news in provider.told("player.suspended")] == ["suspended"]
    assert len(requester.told("player.suspended")) == 1
    assert transport_keys(requester.number) == []
    path = f"/v1/subscriptions/{drafted.subscription_id}"
    assert send(provider, "GET", path)["state"] == "suspended"

    service.suspend(provider.number, by="tests", reason="Its certificate was forged.")
    service.reinstate(requester.number, by="tests")
    assert send(requester, "GET", path)["state"] == "suspended"
    service.reinstate(provider.number, by="tests")
    assert send(requester, "GET", path)["state"] == "active"
    assert [news["player"]["access_number"] for news in provider.told("player.admitted")][1:] == [
        requester.number, provider.number,
    ]  # fmt: skip


def test_a_decision_out_of_turn_is_refused_and_leaves_no_trace(make: Make) -> None:
    actor = make().admitted()
    with pytest.raises(WrongState) as caught:
        service.admit(actor.number, by="tests")
    assert caught.value.members == {"state": "admitted", "allowed": ["suspend", "leave"]}
    assert Decision.objects.count() == 1
    with pytest.raises(service.UnknownPlayer):
        service.admit("MH0000009990", by="tests")


def change_keys(
    actor: Actor, transport: list[SigningKey], contract: list[SigningKey], signer: SigningKey
) -> PlayerView:
    keys = KeySet(transport=tuple(map(jwk, transport)), contract=tuple(map(jwk, contract)))
    signed = Signed(jws=sign(keys.document(), signer, typ=KEYS_TYP))
    return actor.client.call("PUT", "/v1/players/me/keys", signed, PlayerView)


def test_new_keys_overlap_and_reach_partners_and_tokens(provider: Actor, requester: Actor) -> None:
    requester.sign(requester.subscribe(provider.published()))
    old, new = requester.transport, SigningKey.generate()
    change_keys(requester, [old, new], [requester.contract], old)
    assert {key.kid for key in transport_keys(requester.number)} == {old.kid, new.kid}
    requester.transport = new
    change_keys(requester, [new], [requester.contract], new)
    assert [key.kid for key in transport_keys(requester.number)] == [new.kid]
    assert len(provider.told("player.keys_changed")) == 2
    requester.transport = old
    with pytest.raises(Exception, match="client"):
        requester.membership()
    requester.transport = new
    assert refusal(change_keys, requester, [new, old], [requester.contract], new)[1] == "key_taken"


def test_new_addresses_reach_partners(provider: Actor, requester: Actor) -> None:
    requester.sign(requester.subscribe(provider.published()))

    def put(jws: str) -> PlayerView:
        return requester.client.call("PUT", "/v1/players/me/endpoints", Signed(jws=jws), PlayerView)

    there = Endpoints(b2b="https://moved.example", redirect_uris=("https://moved.example/back",))
    signed = sign(there.document(), requester.transport, typ=ENDPOINTS_TYP)
    assert put(signed).endpoints == there
    assert put(signed).endpoints == requester.membership().player.endpoints == there
    assert (peer(requester.number).b2b_url, peer(requester.number).inbox_url) == (there.b2b, "")
    [told] = provider.told("player.endpoints_changed")
    assert Endpoints.model_validate(told["player"]["endpoints"]) == there
    assert requester.post_enrolment().json()["endpoints"]["b2b"] == there.b2b, (
        "the same enrolment again changes nothing"
    )

    unusable = sign(there.document() | {"inbox": "https://169.254.0.1"}, requester.transport, typ=ENDPOINTS_TYP)
    assert refusal(put, unusable)[1:] == ("address_invalid", "/jws/inbox")
    by_contract_key = sign(there.document(), requester.contract, typ=ENDPOINTS_TYP)
    assert refusal(put, by_contract_key)[1:] == ("bad_signature", "/jws")


def test_a_stolen_transport_key_does_not_get_a_contract_key(requester: Actor) -> None:
    transport, contract, new = requester.transport, requester.contract, SigningKey.generate()
    assert refusal(change_keys, requester, [transport], [contract, new], transport)[1] == "contract_key_needed"
    shown = change_keys(requester, [transport], [contract, new], contract)
    assert {key.kid for key in shown.keys.contract} == {contract.kid, new.kid}
    assert refusal(change_keys, requester, [new], [contract], transport)[1:] == (
        "keys_without_overlap",
        "/jws/transport",
    )
    assert refusal(change_keys, requester, [transport], [contract], SigningKey.generate())[1] == "bad_signature"


def test_an_attestation_is_for_one_admitted_audience(
    marketplace: Platform, make: Make, requester: Actor, provider: Actor
) -> None:
    answer = requester.client.call("POST", "/v1/attestations", AttestationRequest(audience=provider.number), Attested)
    signed = verify(answer.attestation, [marketplace.transport_key.public], typ=ATTESTATION_TYP)
    claims = Attestation.model_validate(signed.document)
    assert (claims.sub, claims.aud, claims.iss) == (requester.number, provider.number, marketplace.base_url)
    applicant = make().enrol()
    asked = AttestationRequest(audience=applicant.number)
    assert refusal(requester.client.call, "POST", "/v1/attestations", asked)[1:] == ("audience_unknown", "/audience")


def test_the_certifier_is_vouched_for_one_run_only(marketplace: Platform, provider: Actor) -> None:
    jws = service.sandbox_attestation(provider.number, "crt_" + "0" * 24)
    claims = Attestation.model_validate(verify(jws, [marketplace.transport_key.public], typ=ATTESTATION_TYP).document)
    assert (claims.kind, claims.aud, claims.player.roles) == ("sandbox", provider.number, ("requester",))
    assert claims.player.organisation == "Test Market Place certifier"
    assert claims.player.keys.transport[0].x == service.certifier_key().public.x
    assert claims.sandbox is not None
    assert claims.sandbox.certification_id == "crt_" + "0" * 24
    assert send(provider, "GET", f"/v1/players/{claims.sub}")["organisation"] == "Test Market Place certifier"


def test_players_see_each_other_but_not_applicants(make: Make, requester: Actor, provider: Actor) -> None:
    assert send(requester, "GET", f"/v1/players/{provider.number}")["organisation"] == "Rete Demo"
    applicant = make().enrol()
    assert refusal(send, requester, "GET", f"/v1/players/{applicant.number}")[1] == "unknown_player"


def test_the_operators_machine_decides_by_its_own_interface(make: Make) -> None:
    actor, browser = make().enrol(), Browser()
    key = create_staff_key("desk")

    def post(path: str, body: dict[str, str], key: str = key) -> Any:
        return browser.post(
            f"/api/players/{actor.number}/{path}", body, content_type="application/json",
            headers={"Authorization": f"Bearer {key}", "Idempotency-Key": path},
        )  # fmt: skip

    with override_settings(ROOT_URLCONF="meterhall.marketplace.urls_portal"):
        assert post("admission", {}, "mhk_wrong").status_code == 401
        assert post("admission", {}).json()["status"] == "admitted"
        assert post("suspension", {}).json()["field"] == "/reason"
        assert post("suspension", {"reason": "Warned twice."}).json()["status"] == "suspended"
        listed = browser.get("/api/players?status=suspended", headers={"Authorization": f"Bearer {key}"}).json()
    assert [one["access_number"] for one in listed["items"]] == [actor.number]
    assert list(Decision.objects.values_list("by", flat=True)) == ["staff:desk", "staff:desk"]
