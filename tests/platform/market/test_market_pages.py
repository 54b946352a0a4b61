"""The Market Place's pages: anyone searches, operators decide, auditors see both sides, nobody sees more."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from django.test import Client, override_settings

from meterhall.domain.protocol.canonical import commitment, new_id, new_salt
from meterhall.domain.protocol.keys import sign
from meterhall.domain.protocol.log import ProofFile
from meterhall.domain.protocol.offers import DataScope, Price
from meterhall.domain.protocol.statements import STATEMENT_TYP, Statement, StatementPosted
from meterhall.marketplace.certification.models import Certification
from meterhall.marketplace.ledger.service import post_statement
from meterhall.marketplace.ledger.tree import publish
from meterhall.marketplace.players.models import Decision, Player
from meterhall.web.accounts.models import Person
from meterhall.web.accounts.session import PROOF, Proof
from meterhall.web.platform import platform
from tests.platform.market.conftest import Actor, Make

PAGES = "meterhall.marketplace.urls_portal"
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", re.I)


class Reader:
    """Somebody at the portal; every page they see is held against the rules for pages."""

    def __init__(self, *roles: str) -> None:
        self.client = Client()
        if roles:
            person = Person.objects.create(email=f"{new_id('p')}@market.example", name="Ada", roles=list(roles))
            self.client.force_login(person)
            session = self.client.session
            session[PROOF] = asdict(Proof(platform().now().timestamp(), "totp", ("otp", "mfa")))
            session.save()

    def get(self, path: str, expect: int = 200, **query: str) -> str:
        with override_settings(ROOT_URLCONF=PAGES):
            response = self.client.get(path, query, secure=True)
        assert response.status_code == expect, response.content[:400]
        shown = response.content.decode()
        assert not INLINE.search(shown)
        assert "script-src 'self'" in response["Content-Security-Policy"]
        return shown

    def post(self, path: str, **fields: str) -> Any:
        with override_settings(ROOT_URLCONF=PAGES):
            return self.client.post(path, fields, secure=True)

    def where(self, path: str, **query: str) -> str:
        with override_settings(ROOT_URLCONF=PAGES):
            return str(self.client.get(path, query, secure=True).headers.get("Location", ""))


@pytest.fixture
def deliver(provider: Actor, requester: Actor) -> Callable[[bool], str]:
    """Both sides state a delivery, the same or not; the transaction's id."""

    def says(who: Actor, other: Actor, kind: str, subject: str, transaction: str, value: str) -> None:
        statement = Statement.model_validate(
            {
                "id": new_id("stm"), "type": kind, "environment": "regulated", "by": who.number, "subject": subject,
                "parties": (who.number, other.number), "at": platform().now(), "transaction": transaction,
                "commitments": {"manifest": value},
            }
        )  # fmt: skip
        jws = sign(statement.document(), who.transport, typ=STATEMENT_TYP)
        post_statement(StatementPosted(statement=jws, salt=new_salt()), who.number)

    def run(same: bool) -> str:
        salt, subject, transaction = new_salt(), f"{new_id('dlv')}:1", new_id("act")
        sent, got = commitment(salt, "a"), commitment(salt, "a" if same else "b")
        says(provider, requester, "delivery.published", subject, transaction, sent)
        says(requester, provider, "delivery.received", subject, transaction, got)
        return transaction

    return run


def test_anyone_finds_an_offer_by_what_it_has(provider: Actor) -> None:
    provider.published(title="Quarter hours", price=Price(amount="0.02", per="pod_month"))
    provider.published(title="Day ahead", scope=DataScope(granularities=("P1M",)), formats=("espi",))
    anyone = Reader()
    both = anyone.get("/")
    assert "Quarter hours" in both
    assert "0.02 EUR a point and month" in both
    found = anyone.get("/", format="espi", text="DAY")
    assert "Day ahead" in found
    assert "Quarter hours" not in found
    assert "No offer has all of that" in anyone.get("/", text="nothing like it")


def test_a_search_that_cannot_be_meant_is_no_fault(provider: Actor) -> None:
    provider.published()
    assert "Letture" in Reader().get("/", country="XX", page="99")


def test_an_offer_shows_everything_a_contract_is_made_of(provider: Actor) -> None:
    offer = provider.published()
    shown = Reader().get(f"/offers/{offer.offer_id}")
    for expected in (
        "Letture orarie di città",
        "Rete Demo",
        "free of charge",
        "1 year",
        "operator code",
        "999",
        "1 hour",
    ):
        assert expected in shown
    assert "unknown_offer" in Reader().get("/offers/off_none", expect=404)


def test_an_offer_of_a_suspended_provider_is_gone(provider: Actor) -> None:
    offer = provider.published()
    Reader("operator").post(f"/players/{provider.number}/suspend", reason="Endpoint silent.")
    Reader().get(f"/offers/{offer.offer_id}", expect=404)
    assert "Letture" not in Reader().get("/")


@pytest.mark.parametrize("path", ["/players", "/certifications", "/transactions", "/log", "/players/MH0000000202"])
def test_the_desk_is_closed_to_others(marketplace: object, path: str) -> None:
    assert Reader().where(path).startswith("/account/sign-in?next=")
    assert "role_missing" in Reader("customer", "staff", "signer").get(path, expect=403)


def test_an_operator_admits_who_waits(make: Make) -> None:
    waiting = make(name="Sun & Wind <Coop>").enrol()
    operator = Reader("operator")
    assert "Waiting for a decision" in operator.get("/players")
    page = operator.get(f"/players/{waiting.number}")
    assert "Sun &amp; Wind &lt;Coop&gt;" in page
    assert 'popovertarget="admit"' in page
    assert 'popovertarget="suspend"' not in page
    rival = make(legal_id=waiting.legal_id).enrol()
    assert "Also under this legal id" in operator.get(f"/players/{waiting.number}")
    operator.post(f"/players/{waiting.number}/admit")
    assert Player.objects.get(pk=waiting.number).status == "admitted"
    assert Decision.objects.get(player=waiting.number).by.endswith("@market.example")
    assert "Done: admitted." in operator.get(f"/players/{waiting.number}")
    late = operator.get(f"/players/{rival.number}")
    assert "It can be admitted once that one has left." in late
    assert f"/players/{rival.number}/admit" not in late
    operator.post(f"/players/{rival.number}/refuse", reason="Another is in.")
    assert "Waiting for a decision" not in operator.get("/players")


def test_a_refusal_needs_a_reason_and_an_operator(make: Make) -> None:
    waiting = make().enrol()
    assert Reader("operator").post(f"/players/{waiting.number}/refuse", reason="  ").status_code == 422
    assert Reader("auditor").post(f"/players/{waiting.number}/admit").status_code == 403
    assert Reader("operator").post(f"/players/{waiting.number}/leave", reason="x").status_code == 404
    assert Player.objects.get(pk=waiting.number).status == "applied"
    Reader("operator").post(f"/players/{waiting.number}/refuse", reason="No such register entry.")
    shown = Reader("auditor").get(f"/players/{waiting.number}")
    assert "No such register entry." in shown
    assert "popovertarget" not in shown


def test_a_decision_the_state_does_not_allow_is_refused_in_words(requester: Actor) -> None:
    response = Reader("operator").post(f"/players/{requester.number}/admit")
    assert response.status_code == 409
    assert b"wrong_state" in response.content


def test_players_are_filtered_and_exported(make: Make, requester: Actor) -> None:
    make(name="Other").enrol()
    operator = Reader("operator")
    found = operator.get("/players", text="sun coop", status="admitted")
    assert "Sun Coop" in found
    exported = operator.get("/players", export="csv", text="other")
    assert exported.splitlines()[0].startswith("Organisation,Access number,Country")
    assert len(exported.splitlines()) == 2


def test_a_certification_shows_each_check(provider: Actor) -> None:
    now = platform().now()
    checks = [{"name": "discovery", "passed": True}, {"name": "revocation", "passed": False, "detail": "Went on."}]
    row = Certification.objects.create(
        certification_id=new_id("crt"), provider=provider.number, status="failed", requested_at=now, checks=checks
    )
    auditor = Reader("auditor")
    assert "1 / 2" in auditor.get("/certifications")
    shown = auditor.get(f"/certifications/{row.pk}")
    assert "Went on." in shown
    assert "Rete Demo" in shown
    auditor.get("/certifications/crt_none", expect=404)


def test_an_auditor_finds_a_transaction_by_any_id_and_takes_its_proof(deliver: Callable[[bool], str]) -> None:
    transaction = deliver(False)
    auditor = Reader("auditor")
    page = auditor.get(f"/transactions/{transaction}")
    assert page.index("Delivery published") < page.index("Delivery received")
    assert "The two sides do not state the same about a delivery." in page
    for given in re.findall(r'data-copy="((?:stm|dlv)_[^"]+)"', page):
        assert auditor.where("/transactions", id=given) == f"/transactions/{transaction}"
        assert auditor.where("/transactions", id=given.partition(":")[0]) == f"/transactions/{transaction}"
    seq = re.search(r"/log/proofs/(\d+)", page)
    assert seq
    publish()
    proof = ProofFile.model_validate_json(auditor.get(f"/log/proofs/{seq[1]}"))
    assert proof.seq == int(seq[1])
    assert "the filter hides" in auditor.get("/transactions", id="stm_none")


def test_an_operator_does_not_see_what_two_players_state_to_each_other(deliver: Callable[[bool], str]) -> None:
    transaction = deliver(True)
    operator = Reader("operator")
    assert transaction not in operator.get("/transactions")
    listed = Reader("auditor").get("/transactions", export="csv")
    assert f'{transaction},"Rete Demo, Sun Coop",2,' in listed
    assert transaction in Reader("auditor").get("/transactions")
    operator.get(f"/transactions/{transaction}", expect=404)
    page = Reader("auditor").get(f"/transactions/{transaction}")
    seq = re.search(r"/log/proofs/(\d+)", page)
    assert seq
    operator.get(f"/log/proofs/{seq[1]}", expect=404)


def test_an_operator_sees_what_the_market_place_is_a_party_to(requester: Actor) -> None:
    page = Reader("operator").get(f"/transactions/{requester.number}")
    assert "Admitted" in page
    assert "General contract signed" in page


def test_the_log_shows_its_state_and_differences_to_the_auditor_only(deliver: Callable[[bool], str]) -> None:
    transaction = deliver(False)
    publish()
    auditor, operator = Reader("auditor").get("/log"), Reader("operator").get("/log")
    assert transaction in auditor
    assert transaction not in operator
    for page in (auditor, operator):
        assert "no witness has cosigned it yet" in page
        assert "localhost:8443" in page


def test_the_navigation_is_that_of_the_person_s_roles(marketplace: object) -> None:
    nav = {role: re.findall(r'<li><a href="(/[^"]*)"', Reader(role).get("/")) for role in ("operator", "customer")}
    assert {"/players", "/certifications", "/transactions", "/log"} <= set(nav["operator"])
    assert set(nav["customer"]) == {"/", "/providers"}


def test_the_providers_are_listed_for_anyone(provider: Actor) -> None:
    provider.published()
    shown = Reader().get("/providers")
    assert "Rete Demo" in shown
    assert provider.number in shown


def test_the_start_page_is_light(provider: Actor) -> None:
    provider.published()
    anyone = Reader()
    page = anyone.get("/")
    total = len(page)
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        with override_settings(ROOT_URLCONF=PAGES):
            total += len(anyone.client.get(address, secure=True, headers={"Accept-Encoding": "gzip"}).content)
    assert total < 100_000


def test_an_auditor_reads_every_contract_and_an_operator_none(provider: Actor, requester: Actor) -> None:
    offer = provider.published()
    drafted, signed = requester.subscribe(offer), requester.subscribe(offer)
    requester.sign(signed)
    auditor = Reader("auditor")
    listed = auditor.get("/contracts")
    assert drafted.subscription_id in listed
    assert signed.subscription_id in listed
    assert drafted.subscription_id not in auditor.get("/contracts", state="requester_signed")
    assert signed.subscription_id in auditor.get("/contracts", id=requester.number.lower())
    assert "the filter hides all 2 there are." in auditor.get("/contracts", id="sub_nothing")
    page = auditor.get(f"/contracts/{signed.subscription_id}")
    assert signed.digest in page
    assert page.count("not yet") == 1, "the provider's signature"
    auditor.get("/contracts/sub_nothing", expect=404)
    for path in ("/contracts", f"/contracts/{signed.subscription_id}"):
        Reader("operator").get(path, expect=403)
