"""A real Chromium before really running platforms. Without Chromium the tests are skipped and say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from meterhall.demo.stage import Stage
from tests.chromium import NAMES, find
from tests.e2e.browser.hall import open_hall
from tests.e2e.browser.visits import DESKTOP, Visit, carry_over, launch


@pytest.fixture(scope="package")
def chromium() -> str:
    """Where Chromium is."""
    found = find()
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    return found


@pytest.fixture(scope="package")
def hall(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The platforms, with the past of `open_hall`. Every test of this folder shares them."""
    stage = open_hall(tmp_path_factory.mktemp("hall"))
    yield stage
    stage.town.stop()


@pytest.fixture(scope="package")
def browser(chromium: str, hall: Stage) -> Iterator[Browser]:
    """Chromium, which knows the keys of these platforms; any other certificate must be as good as anywhere."""
    with sync_playwright() as playwright:
        started = launch(playwright, chromium, [running.home for running in hall.town.platforms.values()])
        yield started
        started.close()


Open = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, hall: Stage) -> Iterator[Open]:
    """Open a window: `visit("belgium", as_="staff@…")`. At the end no window may have met a fault."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_window(key: str, *, as_: str = "", size: dict[str, int] = DESKTOP, script: bool = True) -> Visit:
        context = browser.new_context(viewport=size, java_script_enabled=script, locale="en-GB")  # type: ignore[arg-type]
        contexts.append(context)
        portal = hall.town.platforms[key].portal
        if as_:
            carry_over(hall.person(key, as_), context)
        visits.append(Visit(context, portal))
        return visits[-1]

    yield open_window
    for context in contexts:
        context.close()
    assert [fault for one in visits for fault in one.faults] == []
