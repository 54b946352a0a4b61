"""Many who append and sign at the same moment: no gap, no number twice, every pair met once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from meterhall.domain.protocol.canonical import new_id
from meterhall.domain.protocol.statements import LogReceipt, StatementPosted
from meterhall.domain.transparency.merkle import root
from meterhall.marketplace.ledger.models import LogEntry, Match, PublishedCheckpoint
from meterhall.marketplace.ledger.service import post_statement
from meterhall.marketplace.ledger.tree import hashes, publish, size
from meterhall.web.home import Home
from tests.platform.ledger.conftest import Market, enrolled

THREADS = 4


@pytest.fixture
def market(transactional_db: None, market_home: Home):
    if connection.vendor == "sqlite":
        pytest.skip("the test database of SQLite is in memory and its one writer waits for nobody")
    yield from enrolled(market_home, __name__)


urlpatterns: list[object] = []


def at_once(work: list[tuple[StatementPosted, str]]) -> list[LogReceipt]:
    def one(given: tuple[StatementPosted, str]) -> LogReceipt:
        try:
            publish()
            return post_statement(*given)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, work))


def test_numbers_have_no_gap(market: Market):
    one, other = market.provider, market.requester
    work = [(one.says("data.acknowledged", other, market.clock()), one.number) for _ in range(40)]
    receipts = at_once(work + work[:10])
    assert sorted({receipt.seq for receipt in receipts}) == list(range(40))
    assert receipts[:10] == receipts[40:]
    assert LogEntry.objects.count() == size() == 40
    for checkpoint in PublishedCheckpoint.objects.exclude(size=0):
        assert root(hashes, checkpoint.size) == bytes(checkpoint.root)


def test_sides_that_arrive_together_meet_once(market: Market):
    work = []
    for _ in range(20):
        _, sent, got = market.deliver(subject=f"{new_id('dlv')}:1")
        work += [(sent, market.provider.number), (got, market.requester.number)]
    at_once(work)
    assert Match.objects.count() == 20
