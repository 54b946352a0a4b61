"""Statements: who may post what, that nothing is taken twice, who sees what, and that both sides meet once."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import datetime, timedelta
from typing import Any

import pytest
from joserfc import jws

from meterhall.client.b2b import RemoteRefusal
from meterhall.domain.errors import MeterhallError
from meterhall.domain.market.texts import TextHoldsPod
from meterhall.domain.protocol.base import Page
from meterhall.domain.protocol.canonical import digest, new_id, new_salt
from meterhall.domain.protocol.keys import BadSignature, SigningKey, payload_of, sign
from meterhall.domain.protocol.log import LoggedStatement
from meterhall.domain.protocol.statements import STATEMENT_TYP, LogReceipt, StatementPosted
from meterhall.marketplace.agreements.models import Subscription
from meterhall.marketplace.ledger.matters import ForeignMatter, UnknownAbout, UnknownMatter
from meterhall.marketplace.ledger.models import KeptStatement, LogEntry, Match
from meterhall.marketplace.ledger.service import (
    BadStatement,
    ForeignStatement,
    StatementExists,
    UnknownParty,
    UnknownTransaction,
    WrongEnvironment,
    forget,
    post_statement,
    statements_of,
    timeline,
)
from meterhall.marketplace.players.attestations import CERTIFIER_NUMBER, certifier_view
from meterhall.marketplace.players.models import Player, PlayerKey
from meterhall.web.api import encode_cursor
from meterhall.web.messaging.models import Outbox, Peer
from meterhall.web.messaging.peers import remember_player
from meterhall.web.messaging.service import state
from tests.platform.ledger.conftest import MARKET, Market, Party

TRANSACTION = "act_" + "0" * 24


def test_receipts_are_numbered_without_a_gap(market: Market):
    receipts = [market.say(market.requester, "data.requested", market.provider) for _ in range(3)]
    assert [one.seq for one in receipts] == [0, 1, 2]
    assert [bytes(row.leaf).hex() for row in LogEntry.objects.order_by("seq")] == [one.leaf[8:] for one in receipts]


def test_a_refused_statement_takes_no_number(market: Market):
    market.say(market.requester, "data.requested", market.provider)
    with pytest.raises(UnknownParty):
        market.say(market.requester, "data.requested", Party("MH0000009999"))
    assert market.say(market.requester, "data.requested", market.provider).seq == 1


def refused(market: Market) -> dict[str, tuple[StatementPosted, type[MeterhallError], str]]:
    other, now, delivery = market.requester, market.clock(), f"{new_id('dlv')}:1"

    def says(kind: str = "data.acknowledged", to: Party = other, at: datetime = now, **more: Any) -> StatementPosted:
        return market.provider.says(kind, to, at, **more)

    unfit = sign({"note": "x"}, market.provider.key, typ=STATEMENT_TYP)
    return {
        "another key": (says(key=SigningKey.generate()), BadSignature, "/statement"),
        "by somebody else": (says(by=other.number), ForeignStatement, "/statement/by"),
        "about others": (says(parties=(other.number,)), ForeignStatement, "/statement/parties"),
        "not a player's to say": (says("certification.passed"), ForeignStatement, "/statement/type"),
        "another environment": (says(environment="unregulated"), WrongEnvironment, "/statement/environment"),
        "from the future": (says(at=now + timedelta(hours=1)), BadStatement, "/statement/at"),
        "an unknown party": (says(to=Party("MH0000009999")), UnknownParty, "/statement/parties/1"),
        "no statement": (StatementPosted(statement=unfit, salt=new_salt()), BadStatement, "/statement/id"),
        "a point as its subject": (says(subject="IT 999 E 0000 0001"), TextHoldsPod, "/statement/subject"),
        "a bare number as its subject": (says(subject="12345678901234"), TextHoldsPod, "/statement/subject"),
        "a name as its transaction": (says(transaction="Jane Doe 23 Wh"), BadStatement, "/statement/transaction"),
        "words as its subject": (says(subject="Rue X 5, 23.5 kWh"), BadStatement, "/statement/subject"),
        "a word in its header": (
            StatementPosted(statement=_noted(market, now), salt=new_salt()), BadSignature, "/statement",
        ),
        "no such contract": (says(transaction=new_id("sub")), UnknownMatter, "/statement/transaction"),
        "no such contract as its subject": (says(subject=new_id("sub")), UnknownMatter, "/statement/subject"),
        "no transaction": (says(transaction=""), BadStatement, "/statement/transaction"),
        "fewer than none": (says(counts={"items": -1}), BadStatement, "/statement/counts/items"),
        "about nothing known": (says(about=new_id("stm")), UnknownAbout, "/statement/about"),
        "no version": (says("delivery.published", subject=delivery[:-2]), BadStatement, "/statement/subject"),
        "no commitment": (
            says("delivery.published", subject=delivery), BadStatement, "/statement/commitments/manifest",
        ),
    }  # fmt: skip


def _noted(market: Market, at: datetime) -> str:
    """A sound statement whose signature has something to say besides."""
    made = market.provider.says("data.acknowledged", market.requester, at)
    return sign(payload_of(made.statement), market.provider.key, typ=STATEMENT_TYP, note="Jane Doe")


@pytest.mark.parametrize("number", range(20))
def test_what_is_refused(market: Market, number: int):
    posted, error, field = list(refused(market).values())[number]
    with pytest.raises(error) as caught:
        post_statement(posted, market.provider.number)
    assert caught.value.field == field
    assert not LogEntry.objects.exists()


@pytest.fixture
def contract(market: Market) -> str:
    """The provider's and the requester's subscription."""
    name = new_id("sub")
    Subscription.objects.create(
        subscription_id=name, requester=market.requester.number, provider=market.provider.number, offer_id="o",
        offer_version=1, contract={}, digest="d", drafted_at=market.clock(), access_until=market.clock(),
    )  # fmt: skip
    return name


@pytest.mark.parametrize("kind", ["consent.ended", "data.requested", "subscription.quit"])
@pytest.mark.parametrize("where", ["transaction", "subject"])
def test_a_contract_is_the_matter_of_its_two_parties(market: Market, contract: str, kind: str, where: str):
    named = {where: contract}
    for by, to in ((market.stranger, market.provider), (market.provider, market.stranger)):
        with pytest.raises(ForeignMatter) as caught:
            market.say(by, kind, to, **named)
        assert caught.value.field == f"/statement/{where}"
    assert not KeptStatement.objects.exists()
    maker, other = market.requester, market.provider
    if kind == "consent.ended":
        maker, other = other, maker
    market.say(maker, kind, other, **named)
    market.say(maker, kind, Party(MARKET), **named)


@pytest.mark.parametrize(
    ("kind", "side"), [("delivery.published", "provider"), ("delivery.received", "requester"),
                       ("consent.ended", "provider"), ("receipt.acknowledged", "provider")],
)  # fmt: skip
def test_each_side_states_its_own(market: Market, contract: str, kind: str, side: str):
    maker, other = market.requester, market.provider
    if side == "requester":
        maker, other = other, maker
    named = {"transaction": contract, "subject": f"{new_id('dlv')}:1", "commitments": {"manifest": digest(b"m")}}
    with pytest.raises(ForeignMatter) as caught:
        market.say(maker, kind, other, **named)
    assert caught.value.field == "/statement/type"
    market.say(other, kind, maker, **named)


def test_a_consent_is_the_matter_of_those_it_was_first_stated_between(market: Market):
    named = {"transaction": new_id("con")}
    market.say(market.provider, "consent.granted", market.requester, **named)
    with pytest.raises(ForeignMatter):
        market.say(market.stranger, "consent.ended", market.provider, **named)
    market.say(market.requester, "processing.ended", market.provider, **named)


def test_one_acknowledges_only_what_one_saw(market: Market, contract: str):
    asked = new_id("stm")
    market.say(market.requester, "data.requested", market.provider, id=asked, transaction=contract)
    with pytest.raises(UnknownAbout):
        market.say(market.stranger, "data.acknowledged", market.provider, about=asked)
    market.say(market.provider, "data.acknowledged", market.requester, about=asked, transaction=contract)


def test_a_statement_is_signed_in_its_canonical_form(market: Market):
    statement = market.provider.says("data.acknowledged", market.requester, market.clock()).statement
    header, payload, _ = statement.split(".")
    spaced = json.dumps(json.loads(urlsafe_b64decode(payload + "=="))).encode()
    signed = jws.serialize_compact(
        json.loads(urlsafe_b64decode(header + "==")), spaced, market.provider.key.jose, algorithms=["Ed25519"]
    )
    with pytest.raises(BadSignature, match="canonical"):
        post_statement(StatementPosted(statement=signed, salt=new_salt()), market.provider.number)


def test_the_certifier_makes_up_the_contract_of_its_run(market: Market):
    remember_player(certifier_view(), None)
    certifier = Party(CERTIFIER_NUMBER)
    assert market.say(market.provider, "delivery.published", certifier, transaction=new_id("sub"),
                      subject=f"{new_id('dlv')}:1", commitments={"manifest": digest(b"m")}).seq == 0  # fmt: skip


def test_a_suspended_player_states_nothing(market: Market):
    from meterhall.web.messaging.models import Peer

    Peer.objects.filter(pk=market.provider.number).update(status="suspended")
    with pytest.raises(BadSignature):
        market.say(market.provider, "data.acknowledged", market.requester)


def test_the_same_statement_again_is_the_same_entry(market: Market):
    posted = market.provider.says("data.acknowledged", market.requester, market.clock())
    first = post_statement(posted, market.provider.number)
    again = posted.model_copy(update={"salt": new_salt()})
    assert post_statement(again, market.provider.number) == first
    assert LogEntry.objects.count() == 1


def test_an_id_is_used_once(market: Market):
    one = {"id": new_id("stm")}
    market.say(market.provider, "data.acknowledged", market.requester, **one)
    with pytest.raises(StatementExists):
        market.say(market.provider, "data.acknowledged", market.requester, **one, counts={"deliveries": 2})


def test_over_http_with_token_and_idempotency_key(market: Market):
    client = market.provider.client(market.http)
    posted = market.provider.says("data.acknowledged", market.requester, market.clock())
    receipts = [client.call("POST", "/v1/statements", posted, LogReceipt, key="once") for _ in range(2)]
    assert receipts[0] == receipts[1]
    with pytest.raises(RemoteRefusal) as caught:
        market.stranger.client(market.http).call("POST", "/v1/statements", posted, LogReceipt)
    assert caught.value.remote_code == "bad_signature"
    assert LogEntry.objects.count() == 1
    assert market.http.post("https://localhost:8443/v1/statements", content=posted.canonical()).status_code == 401


def test_a_transaction_is_visible_to_its_parties_only(market: Market):
    market.say(market.requester, "data.requested", market.provider)
    market.say(market.provider, "data.acknowledged", market.requester)
    market.say(market.stranger, "data.requested", market.provider)
    path = f"/v1/transactions/{TRANSACTION}/statements"
    seen = market.requester.client(market.http).call("GET", path, None, Page[LoggedStatement], params={"limit": 1})
    assert [one.statement.type for one in seen.items] == ["data.requested"]
    rest = market.requester.client(market.http).call(
        "GET", path, None, Page[LoggedStatement], params={"after": seen.next}
    )
    assert [one.statement.type for one in rest.items] == ["data.acknowledged"]
    assert rest.next is None
    beyond = market.requester.client(market.http).send("GET", path, params={"after": encode_cursor(10**20)})
    assert beyond.json() == {"items": []}
    assert [one.by for one in timeline(TRANSACTION, market.stranger.number)] == [market.stranger.number]
    assert len(timeline(TRANSACTION)) == 3
    with pytest.raises(UnknownTransaction):
        statements_of("sub_" + "1" * 24, market.requester.number)


def test_the_timeline_shows_what_was_acknowledged(market: Market):
    asked = new_id("stm")
    market.say(market.requester, "data.requested", market.provider, id=asked)
    market.say(market.provider, "data.acknowledged", market.requester, about=asked, counts={"deliveries": 1})
    first, second = timeline(TRANSACTION, market.provider.number)
    assert first.acknowledged_at == second.at
    assert (second.about, second.counts) == (asked, {"deliveries": 1})
    assert first.by_name == f"Player {market.requester.number}"


def test_the_market_places_own_statements_go_into_its_log(market: Market):
    state("player.admitted", transaction_id="p", parties=(market.provider.number, MARKET))
    kept = KeptStatement.objects.get()
    assert (kept.by, kept.entry_id, kept.key) == (MARKET, 0, market.platform.transport_key.public.jwk())
    assert not Outbox.objects.exists()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(("received", "matched"), [("manifest", True), ("another", False)])
def test_both_sides_meet_whichever_comes_first(market: Market, order: tuple[int, int], received: str, matched: bool):
    subject, *both = market.deliver(received=received)
    posters = (market.provider.number, market.requester.number)
    post_statement(both[order[0]], posters[order[0]])
    assert not Match.objects.exists()
    market.clock.ahead += timedelta(days=3)
    post_statement(both[order[1]], posters[order[1]])
    assert Match.objects.get().matched is matched
    told = Outbox.objects.filter(kind=Outbox.Kind.EVENT)
    assert {(one.recipient, one.type, one.subject) for one in told} == {
        (number, "delivery.matched" if matched else "delivery.mismatched", subject.partition(":")[0])
        for number in posters
    }
    assert [step.matched for step in timeline(TRANSACTION)] == [matched, matched]


def test_who_got_another_number_of_readings_does_not_match(market: Market):
    _, sent, got = market.deliver(readings=95)
    post_statement(sent, market.provider.number)
    post_statement(got, market.requester.number)
    assert not Match.objects.get().matched


def test_a_pair_meets_once(market: Market):
    subject, sent, got = market.deliver()
    _, sent_again, _ = market.deliver(subject=subject)
    for posted, by in ((sent, market.provider), (got, market.requester), (got, market.requester),
                       (sent_again, market.provider)):  # fmt: skip
        post_statement(posted, by.number)
    assert Match.objects.count() == 1
    assert Outbox.objects.count() == 2


def test_versions_and_other_pairs_do_not_meet(market: Market):
    delivery = new_id("dlv")
    _, sent, _ = market.deliver(subject=f"{delivery}:1")
    _, _, got = market.deliver(subject=f"{delivery}:2")
    post_statement(sent, market.provider.number)
    post_statement(got, market.requester.number)
    commitments = {"manifest": "sha-256:" + "0" * 64}
    market.say(market.stranger, "delivery.received", market.provider, subject=f"{delivery}:1", commitments=commitments)
    market.say(market.provider, "delivery.received", market.requester, subject=f"{delivery}:1", commitments=commitments)
    assert not Match.objects.exists()


def test_forgetting_leaves_the_entry(market: Market):
    named = new_id("stm")
    market.say(market.requester, "data.requested", market.provider, id=named)
    before = list(LogEntry.objects.values_list("seq", "entry", "leaf"))
    assert forget([named, new_id("stm")]) == 1
    assert not KeptStatement.objects.exists()
    assert list(LogEntry.objects.values_list("seq", "entry", "leaf")) == before
    assert market.say(market.requester, "data.requested", market.provider).seq == 1


def rotated(market: Market, retired_at: datetime) -> SigningKey:
    """The provider has another key since `retired_at`; the one it had before."""
    before, now = market.provider.key, SigningKey.generate()
    player = Player.objects.create(
        access_number=market.provider.number, organisation="P", country="BE", legal_id_kind="GLN", legal_id="1",
        enrolment={}, enrolment_jws="", applied_at=market.clock(), status="admitted",
        is_provider=True, is_requester=False,
    )  # fmt: skip
    for key, end in ((before, retired_at), (now, None)):
        PlayerKey.objects.create(
            kid=key.kid, player=player, use="transport", jwk=key.public.jwk(), added_at=market.clock(), retired_at=end
        )
    Peer.objects.filter(pk=player.pk).update(transport_keys=[now.public.jwk()])
    return before


def test_a_statement_that_waited_while_its_key_was_replaced_is_taken_under_that_key(market: Market):
    made = market.provider.says("data.acknowledged", market.requester, market.clock())
    before = rotated(market, market.clock() + timedelta(seconds=1))
    market.clock.ahead += timedelta(days=3)
    receipt = post_statement(made, market.provider.number)
    kept = KeptStatement.objects.get(entry__seq=receipt.seq)
    assert kept.key == before.public.jwk(), "its proof file shows the key that made it"
    assert post_statement(made, market.provider.number) == receipt


def test_a_replaced_key_makes_no_new_statement(market: Market):
    rotated(market, market.clock() - timedelta(seconds=1))
    with pytest.raises(BadStatement, match="replaced"):
        market.say(market.provider, "data.acknowledged", market.requester)
    foreign = market.requester.says("data.acknowledged", market.provider, market.clock(), key=market.provider.key)
    with pytest.raises(BadSignature):
        post_statement(foreign, market.requester.number)


def test_a_statement_is_not_older_than_its_maker(market: Market):
    rotated(market, market.clock() + timedelta(seconds=1))
    made = market.provider.says("data.acknowledged", market.requester, market.clock() - timedelta(days=4000))
    with pytest.raises(BadStatement, match="before its maker") as caught:
        post_statement(made, market.provider.number)
    assert caught.value.field == "/statement/at"
