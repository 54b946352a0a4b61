"""How people get in: by a link that works once, an authenticator app or a passkey; without a script, by keyboard."""

from __future__ import annotations

import time

import httpx
import pytest
from playwright.sync_api import Page

from meterhall.demo.person import STEP_S, totp
from meterhall.demo.stage import Stage
from tests.e2e.browser.conftest import Open
from tests.e2e.browser.hall import GRID
from tests.e2e.browser.visits import PHONE, Visit

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
"""A phone or laptop that keeps passkeys and whose person is there to open it."""


def join(window: Visit, link: str) -> None:
    """Use a link and enrol an app, as far as the recovery codes."""
    window.go(link)
    window.press("Continue")
    seed = window.page.locator("#totp-seed").inner_text()
    window.page.get_by_label("The six digits the app shows now").fill(totp(seed, int(time.time()) // STEP_S))
    window.press("Continue")


def test_a_link_an_app_and_recovery_codes_without_a_script(visit: Open, hall: Stage) -> None:
    link = hall.town.platforms["marketplace"].links["guest.auditor@hall.invalid"]
    window = visit("marketplace", size=PHONE, script=False)
    join(window, link)
    assert window.page.locator("#recovery-codes li").count() == 10
    window.page.get_by_role("link", name="I have kept them").click()
    assert window.heading == "What is on offer"
    assert window.page.get_by_role("link", name="Guest Auditor").is_visible()
    assert httpx.get(link, verify=hall.town.tls).status_code == 410


def test_a_passkey_is_made_and_signs_in(visit: Open, hall: Stage) -> None:
    window = visit(GRID)
    device = window.page.context.new_cdp_session(window.page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    window.go(hall.town.platforms[GRID].links["guest.staff@belgium.invalid"])
    window.press("Continue")
    window.page.get_by_role("link", name="Use a passkey instead").click()
    window.press("Make a passkey")
    window.page.get_by_role("link", name="I have kept them").click()
    assert window.heading == "Today"
    window.press("Sign out")
    window.press("Sign in with a passkey")
    assert window.heading == "Today"


def reach(page: Page, name: str) -> None:
    """Press Tab until the control with this name has the focus, and see that the focus shows."""
    for _ in range(60):
        page.keyboard.press("Tab")
        text, outline = page.evaluate(
            "[document.activeElement.innerText, getComputedStyle(document.activeElement).outlineStyle]"
        )
        if text == name:
            assert outline == "solid"
            return
    pytest.fail(f"no way by keyboard to {name}")


def test_the_operator_admits_an_applicant_by_keyboard(visit: Open) -> None:
    page = visit("marketplace", as_="operator@hall.invalid").go("/players")
    reach(page, "Newcomer Flexibility (fictitious)")
    page.keyboard.press("Enter")
    page.wait_for_url("**/players/MH*")
    reach(page, "Admit")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.is_visible()
    page.keyboard.press("Escape")
    assert dialog.is_hidden()
    page.keyboard.press("Enter")
    assert dialog.get_by_role("button", name="Admit").evaluate("one => one === document.activeElement")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator("h1 .badge").inner_text().endswith("admitted")


def test_language_and_looks_are_kept_without_a_script(visit: Open) -> None:
    window = visit("marketplace", size=PHONE, script=False)
    page = window.go("/")
    page.get_by_label("Language").select_option("de")
    page.get_by_label("Light or dark").select_option("dark")
    window.press("Set")
    window.go("/providers")
    root = page.locator("html")
    assert root.get_attribute("lang") == "de"
    assert root.get_attribute("data-theme") == "dark"
