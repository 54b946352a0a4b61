"""What holds for every test: each begins in the language of the source, whatever a page before it was read in.

Those that share running platforms run on one worker, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import translation
from xdist.scheduler import LoadScopeScheduling

from tests.engines import Server, served

TOGETHER = ("tests/e2e/browser/", "tests/e2e/", "tests/faults/")
"""Folders whose tests share running platforms; the first that fits."""
APART = ("tests/e2e/test_bad_input.py", "tests/faults/test_lake_killed.py")
"""Tests there that run none."""


class Together(LoadScopeScheduling):
    """The tests of a folder that shares platforms on one worker, every other test on whichever is free."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(APART):
            return nodeid
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    return Together(config, log)


@pytest.fixture
def sail() -> Iterator[Server]:
    """A distributed engine of the test's own, which it may kill."""
    yield from served("sail")


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield
