"""What is photographed: every page links lead to, for each kind of person, and those only a journey leads to."""

from __future__ import annotations

import time
from datetime import timedelta
from urllib.parse import urlsplit

from tests.e2e.browser import hall
from tests.e2e.browser.visits import PHONE, Visit, walk
from tools.pictures.routes import components
from tools.pictures.studio import Studio

from meterhall.demo.cast import MISSING_DAY, operators
from meterhall.demo.person import STEP_S, totp

GRID = hall.GRID
SIGNER = f"signer@{GRID}.invalid"
STAFF = f"staff@{GRID}.invalid"
HOLDER = "be-holder-011@customer.invalid"
ANALYST = "staff@requester.invalid"
BUYER = "signer@requester.invalid"
OPERATOR = "operator@hall.invalid"
AUDITOR = "guest.auditor@hall.invalid"
GAP = "ES-HOLDER-006"
"""The customer of the demo whose meter was silent for a day."""
GAP_GRID = next(one.name for one in operators() if one.country == GAP[:2])
PASSWORD = "a lantern by the river"

WALKS = (
    ("marketplace", ""), ("marketplace", OPERATOR), ("marketplace", AUDITOR), (GRID, STAFF), (GRID, SIGNER),
    (GRID, HOLDER), ("requester", BUYER), ("requester", ANALYST),
)  # fmt: skip
DARK = frozenset(
    {
        "marketplace-start", "provider-today", "provider-oauth-authorize", "provider-consents",
        "requester-start", "requester-curves-one",
    }
)  # fmt: skip
"""Pages with a picture of their dark side as well."""


def joining(studio: Studio) -> None:
    """A link, an app, recovery codes, a password, signing in again."""
    window = studio.window("marketplace")
    window.go(studio.stage.town.platforms["marketplace"].links["guest.operator@hall.invalid"])
    studio.shoot(window, "account-link")
    window.press("Continue")
    studio.shoot(window, "account-factors-app")
    seed = window.page.locator("#totp-seed").inner_text()
    window.page.get_by_label("The six digits the app shows now").fill(totp(seed, int(time.time()) // STEP_S))
    window.press("Continue")
    studio.shoot(window, "account-recovery-codes")
    window.go("/account/factors/passkey")
    studio.shoot(window, "account-factors-passkey")
    window.go("/account/confirmation")
    studio.shoot(window, "account-confirmation")
    window.go("/account/password")
    studio.shoot(window, "account-password")
    for field in ("password", "again"):
        window.page.locator(f"[name={field}]").fill(PASSWORD)
    window.page.locator("main form button").first.click()
    window.page.wait_for_url("**/account")
    window.press("Sign out")
    studio.shoot(window, "account-sign-in")
    window.page.locator("[name=email]").fill("guest.operator@hall.invalid")
    window.page.locator("[name=password]").fill(PASSWORD)
    window.press("Continue" if window.page.get_by_role("button", name="Continue").count() else "Sign in")
    studio.shoot(window, "account-second-factor")
    studio.windows.pop(("marketplace", ""))


def walks(studio: Studio) -> None:
    """Every page that links lead to; the first of each kind."""
    for key, email in WALKS:
        window = studio.window(key, email)
        for _ in walk(window):
            name = studio.route(key, urlsplit(window.page.url).path)
            if name not in studio.camera.taken:
                studio.shoot(window, name)


def consent(studio: Studio) -> None:
    """A customer follows the requester's link, decides at the grid operator and comes back."""
    stage = studio.stage
    window = studio.window(GRID, HOLDER)
    window.go(hall.consent_link(stage, HOLDER.split("@")[0].upper(), "advice", "comparison"))
    studio.shoot(window, "requester-consents-start-one")
    window.page.locator("main form button").first.click()
    window.page.wait_for_url("**/oauth/authorize*")
    studio.shoot(window, "provider-oauth-authorize")
    window.page.get_by_label("Energy advice from your own load curve").check()
    window.press("Allow")
    studio.shoot(window, "requester-consents-callback")


def contract(studio: Studio) -> None:
    """The signer reads a contract that waits for a signature, and what its organisation has signed once."""
    number = hall.new_contract(studio.stage)
    window = studio.window("requester", BUYER)
    for path in (f"/contracts/{number}/sign", "/membership/general-contract"):
        window.go(path)
        window.show_code(studio.stage.person("requester", BUYER))
        studio.shoot(window, studio.route("requester", path))
    window = studio.window(GRID, SIGNER)
    window.go("/standing-acceptances")
    window.show_code(studio.stage.person(GRID, SIGNER))
    studio.shoot(window, "provider-standing-acceptances")


def audit(studio: Studio) -> None:
    """An auditor finds a contract by its id and sees what both sides stated about it."""
    window = studio.window("marketplace", AUDITOR)
    window.go(f"/transactions?id={studio.stage.subscriptions[GRID]}")
    studio.shoot(window, "marketplace-transactions-one")


def curves(studio: Studio) -> None:
    """The load curve of one household in a week of which a day is missing."""
    window = studio.window("requester", ANALYST)
    window.go(f"/curves?text={GAP}")
    window.page.get_by_role("link", name=GAP).click()
    begin = MISSING_DAY - timedelta(days=3)
    window.go(f"{window.page.url.split('?')[0]}?from={begin}&to={begin + timedelta(days=7)}")
    studio.shoot(window, "requester-curves-one")


def gaps(studio: Studio) -> None:
    """What is missing of the activation with the household of which a day is missing."""
    window = studio.window("requester", ANALYST)
    window.go("/lateness")
    row = window.page.get_by_role("row").filter(has_text=GAP_GRID).filter(has_text="What is missing")
    row.get_by_role("link", name="What is missing").click()
    window.page.wait_for_url("**/gaps")
    studio.shoot(window, "requester-activations-one-gaps")


def refusals(studio: Studio) -> None:
    """The page for what is not there."""
    window = studio.window("marketplace")
    window.page.goto(window.portal + "/nowhere")
    studio.shoot(window, "refusal")


PLACES = {"nav_list": ".side-list", "preferences": ".preferences", "messages": ".toasts"}
"""Components that every page has: where they are."""
WIDE = {"nav_list": 1280, "chart": 1280}
"""In which width of a window a component is taken, if not in that of the text."""


def kit(studio: Studio) -> None:
    """Each component in each of its states, on the gallery; the table on a phone, the dialog open."""
    window = studio.window("marketplace")
    window.go("/kit")
    for name in components():
        studio.camera.part(window.page, PLACES.get(name, f"#kit-{name}"), name, width=WIDE.get(name, 760))
    studio.camera.part(window.page, "#kit-data_table", "data_table+phone", width=390)
    window.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    window.page.locator(".side-menu summary").click()
    studio.camera.part(window.page, ".side-menu", "nav_list+phone", width=390)
    _open_dialog(window)
    studio.camera.part(window.page, ".dialog", "confirm+open")


def _open_dialog(window: Visit) -> None:
    window.page.locator("#kit-confirm button[popovertarget]").first.click()
    window.page.locator(".dialog").wait_for()


SCENES = (joining, walks, consent, contract, audit, curves, gaps, refusals)
