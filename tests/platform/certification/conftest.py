"""The Market Place of the ledger's tests."""

from tests.platform.ledger.conftest import market, market_home

__all__ = ["market", "market_home"]
