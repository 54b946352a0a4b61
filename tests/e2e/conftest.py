"""One running set of platforms for all end-to-end tests, on one worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.town import Streets, running, settle

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs platforms is on one worker; the demo's five come and go before the shared ones start."""
    for item in items:
        if HERE in item.path.parents and "browser" not in item.path.parts and item.path.name != "test_bad_input.py":
            item.add_marker(pytest.mark.xdist_group("platforms"))
    items.sort(key=lambda item: item.path.name != "test_ten_steps.py")


@pytest.fixture(scope="session")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streets]:
    """The Market Place, a grid operator and a requester, running and settled."""
    with running(tmp_path_factory.mktemp("town")) as made:
        settle(made)
        yield made
