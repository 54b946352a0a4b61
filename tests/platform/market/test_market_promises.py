"""What an offer promises of times is held against the statements of both sides, and shown with the offer."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from meterhall.domain.protocol.canonical import commitment, new_id, new_salt
from meterhall.domain.protocol.keys import sign
from meterhall.domain.protocol.offers import OfferView, ServiceLevel
from meterhall.domain.protocol.statements import STATEMENT_TYP, Statement, StatementPosted
from meterhall.marketplace.agreements.kept import kept
from meterhall.marketplace.ledger.service import post_statement
from meterhall.marketplace.players.models import Player
from meterhall.web.platform import platform
from tests.platform.market.conftest import Actor
from tests.platform.market.test_market_pages import Reader

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Deal:
    """A contract whose two sides state what happens under it."""

    def __init__(self, provider: Actor, requester: Actor) -> None:
        level = ServiceLevel(answer_within_s=3600, delivery_within_s=7200)
        self.provider, self.requester = provider, requester
        self.offer: OfferView = provider.published(service_level=level)
        self.contract = requester.subscribe(self.offer).subscription_id
        self.now = platform().now()
        Player.objects.update(applied_at=self.now - 365 * DAY)

    def says(self, who: Actor, kind: str, subject: str, at: datetime) -> None:
        body = {
            "id": new_id("stm"), "type": kind, "environment": "regulated", "by": who.number, "subject": subject,
            "parties": (who.number, (self.requester if who is self.provider else self.provider).number), "at": at,
            "transaction": self.contract,
            "commitments": {"manifest": commitment(new_salt(), "a")} if kind == "delivery.published" else {},
        }  # fmt: skip
        jws = sign(Statement.model_validate(body).document(), who.transport, typ=STATEMENT_TYP)
        post_statement(StatementPosted(statement=jws, salt=new_salt()), who.number)

    def delivery(self, ago: timedelta, after: timedelta | None) -> None:
        """A request `ago`, and its delivery as long after, if ever."""
        subject = new_id("dlv")
        self.says(self.requester, "data.requested", subject, self.now - ago)
        if after is not None:
            self.says(self.provider, "delivery.published", f"{subject}:1", self.now - ago + after)
            self.says(self.provider, "delivery.published", f"{subject}:2", self.now - ago + after + 9 * HOUR)

    def answer(self, ago: timedelta, *after: timedelta) -> None:
        subject = new_id("act")
        self.says(self.provider, "activation.acknowledged", subject, self.now - ago)
        for one in after:
            self.says(self.provider, "provision.confirmed", subject, self.now - ago + one)

    def shares(self) -> dict[str, float | None]:
        return {one.promise: one.share for one in kept(self.offer.offer_id, self.now)}


@pytest.fixture
def deal(provider: Actor, requester: Actor) -> Deal:
    return Deal(provider, requester)


def test_nothing_asked_is_nothing_measured(deal: Deal) -> None:
    assert deal.shares() == {"answer": None, "delivery": None}
    assert "not measured" in Reader().get(f"/offers/{deal.offer.offer_id}")


def test_late_and_never_are_broken_and_what_is_not_due_does_not_count(deal: Deal) -> None:
    deal.delivery(DAY, HOUR)  # in time; version 2, a correction, is none of its matter
    deal.delivery(DAY, 2 * HOUR)  # at the last moment
    deal.delivery(DAY, 2 * HOUR + timedelta(seconds=1))
    deal.delivery(DAY, None)
    deal.delivery(HOUR, None)  # still time
    deal.delivery(91 * DAY, None)  # long ago
    deal.answer(DAY, timedelta(minutes=30), 5 * HOUR)
    assert deal.shares() == {"answer": 1.0, "delivery": 0.5}


def test_an_offer_shows_what_was_kept_and_gives_it_as_a_file(deal: Deal) -> None:
    deal.delivery(DAY, HOUR)
    deal.answer(DAY, 2 * HOUR)
    page = Reader().get(f"/offers/{deal.offer.offer_id}")
    assert "1 of 2 promises broken." in page
    lines = Reader().get(f"/offers/{deal.offer.offer_id}", export="csv").splitlines()
    assert lines == [
        "Promise,Kept,Promised,Result",
        "Answers within 1 hour,0 %,100 %,broken",
        "Delivers within 2 hours,100 %,100 %,held",
    ]


def test_another_offer_has_its_own_record(deal: Deal, provider: Actor) -> None:
    deal.delivery(DAY, None)
    other = provider.published()
    assert [one.share for one in kept(other.offer_id, deal.now)] == [None, None]


def test_a_long_transaction_is_summed_up_and_comes_in_pages_with_its_proofs_folded(deal: Deal) -> None:
    for _ in range(10):
        deal.delivery(DAY, HOUR)
    auditor = Reader("auditor")
    page = auditor.get(f"/transactions/{deal.contract}")
    assert re.search(r"\d+ statements by .*Sun Coop.*, from .* to .*\. Each has a proof\.", page)
    assert page.count("<details><summary>Details and proof") == 25
    assert "Page 1 of 2" in page
    second = auditor.get(f"/transactions/{deal.contract}", page="2")
    proofs = [set(re.findall(r"/log/proofs/\d+", one)) for one in (page, second)]
    assert len(proofs[0]) == 25
    assert proofs[1]
    assert not proofs[0] & proofs[1]
