"""Agreements: whose signature counts and when, standing acceptances, refusing, quitting, expiry, who sees what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from meterhall.domain.protocol.agreements import (
    COUNTERSIGNATURE_TYP,
    QUIT_TYP,
    Countersignature,
    Countersigned,
    GeneralContract,
    Quit,
    Repository,
)
from meterhall.domain.protocol.base import Signed
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.keys import SigningKey, sign, verify
from meterhall.domain.protocol.offers import ServiceOption
from meterhall.marketplace.agreements.api import RefusalReason
from meterhall.marketplace.agreements.models import GeneralSignature, Subscription
from meterhall.marketplace.agreements.tasks import expire_subscriptions
from meterhall.marketplace.ledger.models import KeptStatement
from meterhall.marketplace.players import service as players
from meterhall.web.platform import Platform
from tests.platform.market.conftest import BASE, Actor, Clock, Make, refusal, send

pytestmark = pytest.mark.django_db

PUSH = Repository(url="https://sun.example/repository/")


def test_anyone_reads_the_general_contract(marketplace: Platform, http: httpx.Client) -> None:
    terms = GeneralContract.model_validate_json(http.get(f"{BASE}/v1/general-contract").content)
    assert (terms.version, terms.environment, terms.marketplace) == (1, "regulated", "Test Market Place")
    assert {"Liability", "Quitting", "Law and disputes"} <= {article.heading for article in terms.articles}


def test_the_general_contract_is_signed_once_and_countersigned(marketplace: Platform, make: Make) -> None:
    actor = make().admitted()
    first, second = actor.sign_terms(), actor.sign_terms()
    assert first == second
    row = GeneralSignature.objects.get()
    signed = verify(first.countersignature, [marketplace.transport_key.public], typ=COUNTERSIGNATURE_TYP)
    seal = Countersignature.model_validate(signed.document)
    assert (seal.subject, seal.signatures) == ("general_contract", (digest(row.jws.encode()),))
    assert actor.membership().general_contract_signed
    assert KeptStatement.objects.filter(type="general_contract.signed").count() == 1


BAD_SIGNATURES: list[tuple[dict[str, Any], str]] = [
    ({"signer": None}, "signer_missing"),
    ({"signer": " "}, "signer_missing"),
    ({"signer": "A" * 5000}, "signer_invalid"),
    ({"signer": "Ada \u202e"}, "signer_invalid"),
    ({"auth_time": None}, "signer_missing"),
    ({"auth_time": True}, "signer_missing"),
    ({"amr": None}, "signer_missing"),
    ({"amr": ["pwd"]}, "signer_missing"),
    ({"auth_time": 1_700_000_000}, "signer_not_fresh"),
    ({"auth_time": 4_000_000_000}, "signer_not_fresh"),
    ({"key": SigningKey.generate()}, "bad_signature"),
]


@pytest.mark.parametrize(("wrong", "code"), BAD_SIGNATURES)
def test_a_signature_names_a_person_with_a_fresh_second_factor(make: Make, wrong: dict[str, Any], code: str) -> None:
    actor = make().admitted()
    terms = actor.client.call("GET", "/v1/general-contract", None, GeneralContract)
    jws = actor.signature("general_contract", terms.fingerprint(), **wrong)
    assert refusal(actor.client.call, "POST", "/v1/general-contract/signatures", Signed(jws=jws))[1] == code
    assert not GeneralSignature.objects.exists()


def test_a_signature_is_neither_older_than_its_contract_nor_than_two_weeks(
    make: Make, requester: Actor, provider: Actor
):
    actor = make().admitted()
    terms = actor.client.call("GET", "/v1/general-contract", None, GeneralContract)
    old = actor.signature("general_contract", terms.fingerprint(), ago=timedelta(days=15))
    answer = refusal(actor.client.call, "POST", "/v1/general-contract/signatures", Signed(jws=old))
    assert answer[1:] == ("signer_not_fresh", "/jws/signed_at")
    week = actor.signature("general_contract", terms.fingerprint(), ago=timedelta(days=7))
    actor.client.call("POST", "/v1/general-contract/signatures", Signed(jws=week), Countersigned)

    drafted = requester.subscribe(provider.published())
    before = requester.signature(drafted.subscription_id, drafted.digest, ago=timedelta(days=7))
    path = f"/v1/subscriptions/{drafted.subscription_id}/signatures"
    assert refusal(requester.client.call, "POST", path, Signed(jws=before))[1:] == (
        "signer_not_fresh",
        "/jws/signed_at",
    )


def test_a_signature_over_something_else_does_not_count(make: Make, requester: Actor) -> None:
    actor = make().admitted()
    terms = actor.client.call("GET", "/v1/general-contract", None, GeneralContract)

    def post(jws: str) -> tuple[int, str, str | None]:
        return refusal(actor.client.call, "POST", "/v1/general-contract/signatures", Signed(jws=jws))

    assert post(actor.signature("general_contract", "sha-256:" + "0" * 64))[1:] == ("signature_mismatch", "/jws/digest")
    assert post(actor.signature("another", terms.fingerprint()))[1:] == ("signature_mismatch", "/jws/subject")
    number, actor.number = actor.number, requester.number
    foreign = actor.signature("general_contract", terms.fingerprint())
    actor.number = number
    assert post(foreign)[1:] == ("signature_mismatch", "/jws/party")
    transport = actor.signature("general_contract", terms.fingerprint(), key=actor.transport)
    assert post(transport)[1] == "bad_signature"


def test_no_service_contract_without_the_general_one(make: Make, provider: Actor) -> None:
    unsigned = make().admitted()
    assert refusal(unsigned.subscribe, provider.published())[:2] == (409, "general_contract_unsigned")
    assert not Subscription.objects.exists()


def test_what_is_chosen_fits_the_offer(make: Make, provider: Actor, requester: Actor) -> None:
    option = ServiceOption(code="weekly_report", title="Weekly report")
    pull = provider.published(options=(option,))
    assert requester.subscribe(pull, options=("weekly_report",)).contract.options == ("weekly_report",)
    assert refusal(requester.subscribe, pull, options=("weekly_report", "x"))[1:] == ("option_unknown", "/options/1")
    assert refusal(requester.subscribe, pull, options=("weekly_report",) * 2)[1:] == ("option_unknown", "/options/1")
    assert refusal(requester.subscribe, pull, repository=PUSH)[1:] == ("repository_unusable", "/repository")
    for url in ("https://169.254.169.254/latest", "https://localhost:99999", BASE, "https://sun.example/../x",
                "https://sun.example/%2e%2e/x"):  # fmt: skip
        there = Repository(kind="https", url=url)
        refused = refusal(requester.subscribe, push := provider.published(transmission=("push",)), repository=there)
        assert refused[1:] == ("address_invalid", "/repository/url"), url
    assert refusal(requester.subscribe, push)[1:] == ("repository_needed", "/repository")
    assert requester.subscribe(push, repository=PUSH).contract.repository == PUSH
    with pytest.raises(ValidationError) as misfit:
        Repository.model_validate({"kind": "sftp", "url": "sftp://sun.example/../x"})
    assert misfit.value.errors()[0]["loc"] == ("url",)
    nowhere = pull.model_copy(update={"offer_id": "off_" + "0" * 24})
    assert refusal(requester.subscribe, nowhere)[1:] == ("offer_unavailable", "/offer_id")
    assert refusal(requester.subscribe, provider.offer())[1:] == ("offer_unavailable", "/offer_id")
    both = make(roles=("provider", "requester"), activity="dso").member().certified()
    assert refusal(both.subscribe, both.published())[1:] == ("own_offer", "/offer_id")
    assert refusal(provider.subscribe, pull)[1] == "not_a_requester"


def test_access_lasts_as_long_as_offered_from_now(provider: Actor, requester: Actor) -> None:
    contract = requester.subscribe(provider.published(duration="P2M")).contract
    months = (contract.access_until.year - contract.access_from.year) * 12
    assert months + contract.access_until.month - contract.access_from.month == 2


def test_the_order_of_signatures_is_requester_then_provider_once_each(provider: Actor, requester: Actor) -> None:
    drafted = requester.subscribe(provider.published())
    assert refusal(provider.sign, drafted)[:2] == (404, "unknown_subscription")
    requester.sign(drafted)
    assert refusal(requester.sign, drafted)[:2] == (409, "wrong_state")
    provider.sign(drafted)
    assert refusal(provider.sign, drafted)[:2] == (409, "wrong_state")


def test_a_signature_of_the_wrong_party_or_contract_changes_nothing(provider: Actor, requester: Actor) -> None:
    offer = provider.published()
    drafted, other = requester.subscribe(offer), requester.subscribe(offer)
    jws = requester.signature(drafted.subscription_id, other.digest)
    assert refusal(requester.sign, drafted, jws)[1:] == ("signature_mismatch", "/jws/digest")
    requester.sign(drafted)
    forged = provider.signature(drafted.subscription_id, drafted.digest, key=provider.transport)
    assert refusal(provider.sign, drafted, forged)[1] == "bad_signature"
    assert Subscription.objects.get(subscription_id=drafted.subscription_id).state == "requester_signed"


def under(actor: Actor, subscription_id: str, contract_digest: str, acceptance: str, key: SigningKey) -> str:
    return actor.signature(
        subscription_id, contract_digest, key=key, acceptance=acceptance, signer=None, auth_time=None, amr=None
    )


def test_a_standing_acceptance_lets_the_transport_key_sign(provider: Actor, requester: Actor) -> None:
    offer = provider.published()
    acceptance = provider.accept((f"{offer.offer_id}:1",), most=1)
    first, second = requester.subscribe(offer), requester.subscribe(offer)
    for drafted in (first, second):
        requester.sign(drafted)
    jws = under(provider, first.subscription_id, first.digest, acceptance, provider.transport)
    assert provider.sign(first, jws).state == "active"
    jws = under(provider, second.subscription_id, second.digest, acceptance, provider.transport)
    assert refusal(provider.sign, second, jws)[:2] == (409, "acceptance_used_up")
    requester.quit(first.subscription_id)
    assert provider.sign(second, jws).state == "active"


def test_a_standing_acceptance_covers_what_it_names_and_no_more(
    clock: Clock, provider: Actor, requester: Actor
) -> None:
    named, other = provider.published(), provider.published(title="Another")
    acceptance = provider.accept((f"{named.offer_id}:1",), until=clock() + timedelta(seconds=20))
    drafted, beyond = requester.subscribe(named), requester.subscribe(other)
    for one in (drafted, beyond):
        requester.sign(one)

    def attempt(one: Any, quoted: str = acceptance, key: SigningKey = provider.transport) -> str:
        return refusal(provider.sign, one, under(provider, one.subscription_id, one.digest, quoted, key))[1]

    assert attempt(beyond) == "acceptance_does_not_cover"
    assert attempt(drafted, quoted="sha-256:" + "0" * 64) == "acceptance_does_not_cover"
    assert attempt(drafted, key=SigningKey.generate()) == "bad_signature"
    clock.ahead = timedelta(seconds=30)
    assert attempt(drafted) == "acceptance_does_not_cover"


def test_a_standing_acceptance_is_about_own_offers_a_present_key_and_the_future(
    clock: Clock, provider: Actor, requester: Actor, make: Make
) -> None:
    offer = provider.published()
    own = (f"{offer.offer_id}:1",)
    assert refusal(provider.accept, (*own, f"{offer.offer_id}:2"))[1:] == ("acceptance_offer_unknown", "/jws/offers/1")
    unknown = refusal(provider.accept, own, transport_kid="unknown")
    assert unknown[1:] == ("acceptance_key_unknown", "/jws/transport_kid")
    assert refusal(provider.accept, own, until=clock() - timedelta(days=1))[1:] == ("acceptance_over", "/jws/until")
    assert refusal(provider.accept, own, party=requester.number)[1:] == ("signature_mismatch", "/jws/party")
    assert refusal(requester.accept, own)[1] == "not_a_provider"
    other = make(roles=("provider",), activity="dso").member()
    assert refusal(other.accept, own)[1:] == ("acceptance_offer_unknown", "/jws/offers/0")


def test_a_provider_may_refuse_with_its_reason(provider: Actor, requester: Actor) -> None:
    drafted = requester.subscribe(provider.published())
    path = f"/v1/subscriptions/{drafted.subscription_id}/refusal"
    reason = RefusalReason(reason="The legal form is unclear.")
    assert refusal(send, provider, "POST", path, reason)[1] == "unknown_subscription"
    requester.sign(drafted)
    assert refusal(send, requester, "POST", path, reason)[1] == "not_your_command"
    assert send(provider, "POST", path, reason)["state"] == "refused"
    [news] = requester.told("subscription.quit")
    assert news["subscription_id"] == drafted.subscription_id


def test_quitting_ends_it_and_tells_a_provider_that_knows_of_it(provider: Actor, requester: Actor) -> None:
    offer = provider.published()
    unsigned, active = requester.subscribe(offer), requester.subscribe(offer)
    requester.sign(active)
    provider.sign(active)
    assert requester.quit(unsigned.subscription_id).state == "quit"
    assert provider.told("subscription.quit") == []
    ended = requester.quit(active.subscription_id, reason="Moved to another offer.")
    assert (ended.state, ended.ended_at is not None) == ("quit", True)
    [news] = provider.told("subscription.quit")
    stated = KeptStatement.objects.get(type="subscription.quit", transaction_id=active.subscription_id)
    assert (news["subscription_id"], news["statement_id"]) == (active.subscription_id, stated.statement_id)
    assert refusal(requester.quit, active.subscription_id)[:2] == (409, "wrong_state")


def test_only_the_requester_quits_and_only_what_it_signs(provider: Actor, requester: Actor) -> None:
    offer = provider.published()
    mine, other = requester.subscribe(offer), requester.subscribe(offer)
    requester.sign(mine)
    assert refusal(provider.quit, mine.subscription_id)[1] == "not_your_command"
    forged = Signed(jws=sign({"subscription_id": mine.subscription_id}, SigningKey.generate(), typ=QUIT_TYP))
    path = f"/v1/subscriptions/{mine.subscription_id}/quit"
    assert refusal(send, requester, "POST", path, forged)[1] == "bad_signature"
    assert refusal(requester.quit, mine.subscription_id, party=provider.number)[1] == "signature_mismatch"
    wrong = Quit(subscription_id=other.subscription_id, party=requester.number, quit_at=mine.contract.drafted_at)
    signed = Signed(jws=sign(wrong.document(), requester.transport, typ=QUIT_TYP))
    assert refusal(send, requester, "POST", path, signed)[1] == "signature_mismatch"


def test_a_contract_is_for_its_two_parties(provider: Actor, requester: Actor, make: Make) -> None:
    drafted = requester.subscribe(provider.published())
    third = make().member()
    for path in ("", "/document"):
        url = f"/v1/subscriptions/{drafted.subscription_id}{path}"
        assert refusal(send, third, "GET", url)[:2] == (404, "unknown_subscription")
        assert refusal(send, provider, "GET", url)[:2] == (404, "unknown_subscription")
    assert refusal(third.sign, drafted)[1] == "unknown_subscription"
    requester.sign(drafted)
    for party in (provider, requester):
        listed = send(party, "GET", "/v1/subscriptions")["items"]
        assert [one["subscription_id"] for one in listed] == [drafted.subscription_id]
    assert send(provider, "GET", "/v1/subscriptions", state="active")["items"] == []


def test_nothing_is_signed_with_a_suspended_party(provider: Actor, requester: Actor) -> None:
    offer = provider.published()
    drafted, signed = requester.subscribe(offer), requester.subscribe(offer)
    requester.sign(signed)
    players.suspend(provider.number, by="tests", reason="Test.")
    assert refusal(requester.sign, drafted)[1] == "party_not_admitted"
    players.reinstate(provider.number, by="tests")
    players.suspend(requester.number, by="tests", reason="Test.")
    assert refusal(provider.sign, signed)[1] == "party_not_admitted"


def test_what_has_run_out_expires(clock: Clock, provider: Actor, requester: Actor) -> None:
    offer = provider.published(duration="P2M")
    drafted, active = requester.subscribe(offer), requester.subscribe(offer)
    requester.sign(active)
    provider.sign(active)

    def states() -> list[str]:
        expire_subscriptions()
        names = [drafted.subscription_id, active.subscription_id]
        rows = Subscription.objects.in_bulk(names, field_name="subscription_id")
        return [rows[name].state for name in names]

    assert states() == ["drafted", "active"]
    clock.ahead = timedelta(days=31)
    assert states() == ["expired", "active"]
    clock.ahead = timedelta(days=63)
    assert states() == ["expired", "expired"]
