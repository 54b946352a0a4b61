"""Strangers that have entered the market, each shared by the tests of one story."""

from __future__ import annotations

import pytest

from tests.e2e.strangers.requester import Requester
from tests.e2e.town import Streets


@pytest.fixture(scope="session")
def stranger(streets: Streets) -> Requester:
    """A requester that is admitted and has signed the terms."""
    made = Requester(streets, "Extraña Consulta", 301)
    made.enter(streets.admit)
    return made


@pytest.fixture(scope="session")
def subscription(stranger: Requester) -> str:
    """Its contract with the grid operator, in force."""
    return stranger.contract_with_grid()


@pytest.fixture(scope="session")
def activation(streets: Streets, stranger: Requester, subscription: str) -> str:
    """All households of the grid operator, each with its holder's signed consent; answered."""
    items = [stranger.evidence(number) for number in range(60)]
    made = stranger.activate(subscription, items)
    stranger.answers(made)
    return made
