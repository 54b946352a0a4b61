"""A real Chromium before really running platforms. Without Chromium the tests are skipped and say so."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from meterhall.demo.person import Person
from meterhall.demo.stage import Stage
from tests.chromium import NAMES, find
from tests.e2e.browser.hall import open_hall
from tests.e2e.browser.visits import DESKTOP, Visit


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All in one process: they share the platforms."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


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
        homes = (running.home for running in hall.town.platforms.values())
        keys = ",".join(_fingerprint(home / "tls" / "server.pem") for home in homes)
        trust = f"--ignore-certificate-errors-spki-list={keys}"
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", trust])
        yield started
        started.close()


def _fingerprint(certificate: Path) -> str:
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    return base64.b64encode(
        hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    ).decode()


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
            _carry_over(hall.person(key, as_), context)
        visits.append(Visit(context, portal))
        return visits[-1]

    yield open_window
    for context in contexts:
        context.close()
    assert [fault for one in visits for fault in one.faults] == []


def _carry_over(person: Person, context: BrowserContext) -> None:
    """Somebody who has signed in already: the session goes to the window."""
    context.add_cookies(
        [{"name": one.name, "value": one.value or "", "url": person.portal_url} for one in person.http.cookies.jar]
    )
