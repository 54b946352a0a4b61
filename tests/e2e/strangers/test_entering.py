"""A stranger's requester enters the market: enrol, be admitted, sign the terms, search, wish, localise, subscribe."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.strangers.calls import Caller
from tests.e2e.strangers.jose import Key, fingerprint, sha256, verified
from tests.e2e.strangers.player import Feed
from tests.e2e.strangers.requester import Requester, scope
from tests.e2e.town import Streets, gln, pod

TYPO = pod(3)[:-2] + "ZZ"
UNKNOWN_OPERATOR = "IT998E00000001"


@pytest.fixture(scope="module")
def newcomer(streets: Streets) -> Requester:
    made = Requester(streets, "Newcomer", 302)
    assert made.enrol().status_code == 202
    return made


def test_an_enrolment_signed_by_another_key_or_with_a_wrong_legal_id_is_refused(streets: Streets):
    made = Requester(streets, "Impostor", 303)
    response = made.enrol(key=Key())
    assert (response.status_code, response.json()["code"], response.json()["field"]) == (401, "bad_signature", "/jws")
    wrong = made.enrolment() | {"legal_id": {"kind": "GLN", "value": gln(303)[:-1] + "x"}}
    response = made.enrol(wrong)
    assert (response.status_code, response.json()["field"]) == (422, "/jws/legal_id/value")
    assert made.enrol(made.enrolment() | {"country": "US"}).json()["field"] == "/jws/country"


def test_an_applicant_sees_its_own_standing_and_nothing_else(streets: Streets, newcomer: Requester):
    mine = newcomer.hall.ask("GET", "/v1/players/me")
    assert (mine["player"]["status"], mine["general_contract_signed"]) == ("applied", False)
    assert "attestation" not in mine
    newcomer.hall.refused(403, "scope_missing", "GET", "/v1/subscriptions")
    assert newcomer.enrol().json()["access_number"] == mine["player"]["access_number"]


def test_once_admitted_it_is_told_vouched_for_and_signs_the_terms(streets: Streets, newcomer: Requester):
    streets.admit(newcomer.number)
    newcomer.hall.authorise(again=True)
    event = Feed(newcomer.hall).wait("player.admitted", newcomer.number)
    assert event["source"] == f"urn:meterhall:{newcomer.discovery['access_number']}"
    mine = newcomer.hall.ask("GET", "/v1/players/me")
    vouched = verified(mine["attestation"], newcomer.discovery["keys"], "meterhall-attestation+jwt")
    assert (vouched["sub"], vouched["aud"], vouched["kind"]) == (newcomer.number, newcomer.number, "player")
    assert vouched["exp"] - vouched["iat"] == 7 * 86_400
    terms = newcomer.hall.ask("GET", "/v1/general-contract")
    sealed = newcomer.sign_terms()
    assert (sealed["subject"], sealed["digest"]) == ("general_contract", fingerprint(terms))
    assert newcomer.hall.ask("GET", "/v1/players/me")["general_contract_signed"] is True


def test_keys_are_replaced_with_an_overlap(newcomer: Requester):
    fresh = Key()
    keys = {"transport": [fresh.jwk], "contract": [newcomer.contract.jwk]}
    body = {"jws": newcomer.transport.sign(keys, "meterhall-keys+jws")}
    newcomer.hall.refused(422, "keys_without_overlap", "PUT", "/v1/players/me/keys", body)
    keys["transport"].append(newcomer.transport.jwk)
    body = {"jws": newcomer.transport.sign(keys, "meterhall-keys+jws")}
    newcomer.hall.ask("PUT", "/v1/players/me/keys", body)
    by_fresh_key = Caller(newcomer.hall_url, newcomer.number, fresh, newcomer.http)
    assert by_fresh_key.ask("GET", "/v1/players/me")["player"]["keys"]["transport"] != [newcomer.transport.jwk]


def test_search(streets: Streets, stranger: Requester):
    mine = streets.offer["offer_id"]
    for wanted in ({"text": "curvas"}, {"country": "ES", "format": "espi"}, {"granularity": "P1D"}):
        found = stranger.hall.all("/v1/offers", **wanted)
        assert mine in [one["offer_id"] for one in found]
        assert all(one["digest"] == fingerprint(one["offer"]) for one in found)
    assert stranger.hall.all("/v1/offers", country="FI") == []
    assert stranger.hall.refused(422, "parameter_unknown", "GET", "/v1/offers", colour="green")["field"] == "/colour"
    assert stranger.http.get(stranger.hall_url + "/v1/offers").json()["items"]
    assert streets.numbers["grid"] in [one["access_number"] for one in stranger.hall.all("/v1/providers", country="ES")]


def test_wish(streets: Streets, stranger: Requester):
    wanted = {
        "text": "Quarter hours",
        "countries": ["ES"],
        "customers": 40,
        "scope": scope("PT15M"),
        "formats": ["csv"],
    }
    made = stranger.hall.ask("POST", "/v1/wishes", wanted)
    assert any(one["fits"] and one["offer_id"] == streets.offer["offer_id"] for one in made["matches"])
    narrow = wanted | {"scope": scope("PT15M") | {"directions": ["export"]}}
    poor = stranger.hall.ask("POST", "/v1/wishes", narrow)
    assert all(not one["fits"] and one["reasons"] for one in poor["matches"])
    assert stranger.hall.ask("DELETE", f"/v1/wishes/{poor['wish_id']}")["status"] == "closed"
    assert [one["wish_id"] for one in stranger.hall.all("/v1/wishes")] == [made["wish_id"], poor["wish_id"]]


def localised(stranger: Requester, *items: dict[str, Any]) -> list[dict[str, Any]]:
    reply = stranger.hall.ask("POST", "/v1/localisations", {"items": list(items)})
    assert reply["resolved"] + reply["unresolved"] == len(items)
    return list(reply["answers"])


def test_localise(streets: Streets, stranger: Requester):
    found = localised(
        stranger,
        {"ref": "bill", "pod": pod(3)},
        {"ref": "part", "scheme": "ES", "operator_part": "9999"},
        {"ref": "place", "country": "ES", "postcode": "28001", "municipality": "Madrid"},
        {"ref": "typo", "pod": TYPO, "country": "ES"},
        {"ref": "strange", "pod": UNKNOWN_OPERATOR},
        {"ref": "nonsense", "pod": "no pod at all"},
    )
    by_ref = {one["ref"]: one for one in found}
    for ref in ("bill", "part"):
        first = by_ref[ref]["candidates"][0]
        assert (first["provider"], first["reason"]) == (streets.numbers["grid"], "coverage"), by_ref[ref]
        assert streets.offer["offer_id"] in first["offers"]
    assert not by_ref["place"]["candidates"]
    assert by_ref["place"]["code"]
    assert (by_ref["typo"]["candidates"], by_ref["typo"]["code"]) == ([], "pod_check_failed")
    assert by_ref["strange"]["level"] in {"scheme", "none"}
    assert not any(one.get("provider") for one in by_ref["strange"]["candidates"])
    assert by_ref["nonsense"]["level"] == "none"
    assert pod(3) not in str(found)


def test_localising_nothing_or_two_things_at_once_is_refused(stranger: Requester):
    bad = {"items": [{"pod": pod(1)}, {"pod": pod(2), "scheme": "ES", "operator_part": "9999"}]}
    assert stranger.hall.refused(422, "invalid_input", "POST", "/v1/localisations", bad)["field"].startswith("/items/1")
    assert stranger.hall.refused(422, "invalid_input", "POST", "/v1/localisations", {"items": []})["field"] == "/items"


def test_a_contract_comes_into_force_by_both_signatures(streets: Streets, stranger: Requester, subscription: str):
    shown = stranger.hall.ask("GET", f"/v1/subscriptions/{subscription}")
    assert (shown["state"], shown["digest"]) == ("active", fingerprint(shown["contract"]))
    assert shown["contract"]["requester"]["access_number"] == stranger.number
    signed = {who: shown["signatures"][who] for who in ("requester", "provider")}
    sealed = verified(shown["signatures"]["marketplace"], stranger.discovery["keys"], "meterhall-countersignature+jws")
    assert (sealed["subject"], sealed["digest"]) == (subscription, shown["digest"])
    assert sealed["signatures"] == [sha256(one.encode()) for one in signed.values()]
    by_provider = verified(signed["provider"], stranger.grid_keys, "meterhall-signature+jws")
    assert (by_provider["digest"], by_provider["party"]) == (shown["digest"], streets.numbers["grid"])
    event = stranger.news.wait("subscription.active", subscription)
    word = verified(event["data"]["attestation"], stranger.discovery["keys"], "meterhall-attestation+jwt")
    assert (word["sub"], word["aud"], word["kind"]) == (streets.numbers["grid"], stranger.number, "subscription")
    document = stranger.hall.send("GET", f"/v1/subscriptions/{subscription}/document")
    assert shown["digest"] in document.text


def test_a_stale_or_foreign_signature_is_refused(streets: Streets, stranger: Requester, subscription: str):
    offer = streets.offer
    drafted = stranger.hall.ask(
        "POST", "/v1/subscriptions", {"offer_id": offer["offer_id"], "offer_version": offer["version"]}
    )
    path = f"/v1/subscriptions/{drafted['subscription_id']}/signatures"
    foreign = stranger.contract_signature(subscription, drafted["digest"])
    assert stranger.hall.refused(422, "signature_mismatch", "POST", path, foreign)["field"] == "/jws/subject"
    body = {"subject": drafted["subscription_id"], "digest": drafted["digest"], "party": stranger.number}
    old = body | {"signed_at": "2026-01-01T00:10:00Z"}
    stale = stranger.contract.sign(old, "meterhall-signature+jws", signer="S", auth_time=1_767_225_600, amr=["otp"])
    stranger.hall.refused(403, "signer_not_fresh", "POST", path, {"jws": stale})
    nobody = stranger.contract.sign(old, "meterhall-signature+jws")
    stranger.hall.refused(422, "signer_missing", "POST", path, {"jws": nobody})
    by_transport = {
        "jws": stranger.transport.sign(old, "meterhall-signature+jws", signer="S", auth_time=1, amr=["otp"])
    }
    stranger.hall.refused(401, "bad_signature", "POST", path, by_transport)


def test_without_a_contract_a_grid_operator_lets_nobody_in(streets: Streets, newcomer: Requester):
    caller = Caller(streets["grid"].b2b, newcomer.number, newcomer.transport, newcomer.http, newcomer.vouched)
    refused = caller.oauth("/oauth/token", {"grant_type": "client_credentials"})
    assert refused.status_code in {400, 401}
    assert refused.json()["code"] == "no_contract"
