"""Two ways to use a page, as one interface: by keyboard alone, and by touch. Neither needs a script."""

from __future__ import annotations

from typing import Protocol

import pytest
from playwright.sync_api import Locator, Page

from tests.e2e.browser.visits import Visit

NAME = """() => {
    const one = document.activeElement;
    const name = one.labels?.length ? one.labels[0].innerText : one.getAttribute("aria-label") || one.innerText || "";
    const style = getComputedStyle(one);
    return [name.trim(), style.outlineStyle !== "none" || style.boxShadow !== "none"];
}"""
MOST_STEPS = 400


class Hands(Protocol):
    """What a person does on a page. Each names a control as the page does."""

    def follow(self, name: str) -> None:
        """A link, and what it leads to."""

    def press(self, name: str) -> None:
        """A button, and what it leads to."""

    def write(self, name: str, text: str) -> None:
        """Into a field."""

    def choose(self, name: str) -> None:
        """Tick a box."""


class Keyboard:
    """Tab until the control has the focus, which must show; then type, Space or Enter."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit

    @property
    def page(self) -> Page:
        return self.visit.page

    def reach(self, name: str) -> None:
        """Have the focus on the control of this name."""
        for _ in range(MOST_STEPS):
            self.page.keyboard.press("Tab")
            found, shows = self.page.evaluate(NAME)
            if found == name or found.startswith((name + "\n", name + " (")):
                assert shows, f"the focus on {name} does not show"
                return
        pytest.fail(f"no way by keyboard to {name} on {self.page.url}")

    def follow(self, name: str) -> None:
        self.reach(name)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    press = follow

    def write(self, name: str, text: str) -> None:
        self.reach(name)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def choose(self, name: str) -> None:
        self.reach(name)
        self.page.keyboard.press("Space")


class Finger:
    """Tap what is seen; a menu that is closed is opened first."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit

    @property
    def page(self) -> Page:
        return self.visit.page

    def follow(self, name: str) -> None:
        link = self.page.get_by_role("link", name=name, exact=True, include_hidden=True).first
        if not link.is_visible():
            self.page.locator("nav summary, header summary").first.click()
        self._go(link)

    def press(self, name: str) -> None:
        self._go(self.page.get_by_role("button", name=name, exact=True).first)

    def write(self, name: str, text: str) -> None:
        self.page.get_by_label(name).first.fill(text)

    def choose(self, name: str) -> None:
        self.page.get_by_label(name).first.check()

    def _go(self, control: Locator) -> None:
        with self.page.expect_navigation():
            control.click()
