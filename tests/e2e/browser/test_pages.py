"""Every page that links lead to, per role: fit for a phone and a desktop, for everybody, light and dark."""

from __future__ import annotations

import pytest

from meterhall.demo.stage import Stage
from tests.e2e.browser.conftest import Open
from tests.e2e.browser.hall import GRID
from tests.e2e.browser.visits import DESKTOP, PHONE, faults_of, walk

WALKS = [
    ("marketplace", "", 5),
    ("marketplace", "operator@hall.invalid", 15),
    (GRID, "", 1),
    (GRID, "signer@belgium.invalid", 12),
    (GRID, "be-holder-011@customer.invalid", 5),
    ("requester", "", 1),
    ("requester", "signer@requester.invalid", 20),
]
"""Which portal, as whom, and how many kinds of pages there are at least."""


@pytest.mark.parametrize(("key", "email", "least"), WALKS)
def test_every_page_is_fit_for_everybody(visit: Open, hall: Stage, key: str, email: str, least: int) -> None:
    window = visit(key, as_=email)
    faults: list[str] = []
    seen = 0
    for path in walk(window):
        seen += 1
        dark = seen % 2 == 0
        window.page.emulate_media(color_scheme="dark" if dark else "light")
        for size in (PHONE, DESKTOP):
            window.page.set_viewport_size(size)  # type: ignore[arg-type]
            faults += [f"{path} at {size['width']} px: {fault}" for fault in faults_of(window.page)]
    assert faults == []
    assert seen >= least
