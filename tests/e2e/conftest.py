"""One running set of platforms for all end-to-end tests, on one worker; and a stranger that has entered the market."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.strangers.requester import Requester
from tests.e2e.town import Streets, running, settle


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The demo's five platforms come and go before the shared ones start."""
    items.sort(key=lambda item: item.path.name != "test_ten_steps.py")


@pytest.fixture(scope="session")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streets]:
    """The Market Place, a grid operator and a requester, running and settled."""
    with running(tmp_path_factory.mktemp("town")) as made:
        settle(made)
        yield made


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
