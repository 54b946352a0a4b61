"""Every page that links lead to, per role: fit for a phone and a desktop, for everybody, light and dark."""

from __future__ import annotations

import pytest

from tests.e2e.browser.conftest import Open
from tests.e2e.browser.hall import GRID
from tests.e2e.browser.visits import DESKTOP, PHONE, broken_links, faults_of, kind_of, walk

WALKS = [
    ("marketplace", "", 5),
    ("marketplace", "operator@hall.invalid", 15),
    ("marketplace", "auditor@hall.invalid", 6),
    (GRID, "", 1),
    (GRID, "signer@belgium.invalid", 5),
    (GRID, "staff@belgium.invalid", 12),
    (GRID, "be-holder-011@customer.invalid", 5),
    ("requester", "", 1),
    ("requester", "signer@requester.invalid", 17),
    ("requester", "staff@requester.invalid", 22),
]
"""Which portal, as whom, and how many kinds of pages there are at least."""


@pytest.fixture(scope="module")
def examined() -> set[tuple[str, str]]:
    """Portal and kind of the pages axe has seen; the pages of an account are the same everywhere."""
    return set()


@pytest.mark.parametrize(("key", "email", "least"), WALKS)
def test_every_page_is_fit_for_everybody(
    visit: Open, examined: set[tuple[str, str]], key: str, email: str, least: int
) -> None:
    window = visit(key, as_=email)
    faults: list[str] = []
    seen = 0
    for path in walk(window):
        seen += 1
        mark = ("" if path.startswith("/account") else key, kind_of(path))
        for size, looks in ((PHONE, "light"), (DESKTOP, "dark")):
            window.page.emulate_media(color_scheme=looks)
            window.page.set_viewport_size(size)  # type: ignore[arg-type]
            found = faults_of(window.page, thorough=mark not in examined)
            faults += [f"{path} at {size['width']} px: {fault}" for fault in found]
        if mark not in examined:
            faults += [f"{path}: {link}" for link in broken_links(window.page)]
        examined.add(mark)
    assert faults == []
    assert seen >= least
