"""The two long journeys: a requester's first hour, an auditor's look at one transaction. At a desk by keyboard alone,
on a phone by touch; a script runs in neither."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from meterhall.demo import trading
from meterhall.demo.launch import COMMAND
from meterhall.demo.stage import Stage
from tests.e2e.browser.conftest import Open
from tests.e2e.browser.hall import GRID, wait
from tests.e2e.browser.hands import Finger, Hands, Keyboard
from tests.e2e.browser.visits import DESKTOP, PHONE, Visit

WAYS = pytest.mark.parametrize(("size", "by"), [(DESKTOP, Keyboard), (PHONE, Finger)], ids=["keyboard", "phone"])


@WAYS
def test_the_requesters_first_hour(visit: Open, hall: Stage, size: dict[str, int], by: type[Keyboard | Finger]) -> None:
    window = visit("requester", as_="staff@requester.invalid", size=size, script=False)
    hands = by(window)
    window.go("/")
    contract = _subscribe(window, hands, hall)
    _sign(visit("requester", as_="signer@requester.invalid", size=size, script=False), by, hall, contract)
    trading._countersign(hall, hall.operators[0], contract)
    wait("the contract", lambda: hall.office("requester").get(f"/subscriptions/{contract}")["state"] == "active")

    home, other = hall.operators[0].households[0], hall.operators[0].households[1]
    reference = f"{home.holder}-{by.__name__}"
    _hand_in(window, hands, f"{reference}; {home.pod}; BE\n{reference}-typo; ", other.pod)
    window.go(f"/contracts/{contract}")
    hands.follow("Activate points")
    hands.choose(f"{reference} · {home.pod}")
    hands.press("Activate")
    activation = window.page.url.rpartition("/")[2]
    wait("the answer", lambda: hall.office("requester").get(f"/activations/{activation}")["accepted"] == 1)
    window.go(window.page.url)
    hands.follow("Request data")
    hands.press("Request")
    wait("the delivery", lambda: _came(hall, int(activation)))
    window.go(f"/activations/{activation}")
    hands.follow(home.pod)
    assert window.page.locator("figure.chart svg").count() >= 1


def _subscribe(window: Visit, hands: Hands, hall: Stage) -> str:
    """From the start to a contract drawn up; its number."""
    hands.follow("Offers")
    hands.write("Words", hall.operators[0].name.split()[0])
    hands.press("Search")
    title = window.page.locator(".offer h2 a").first.inner_text()
    hands.follow(title)
    hands.press("Draft the contract")
    assert "drafted" in window.page.get_by_role("status").inner_text()
    return window.page.url.rpartition("/")[2]


def _sign(window: Visit, by: type[Keyboard | Finger], hall: Stage, contract: str) -> None:
    """The signer reads the contract and signs it."""
    hands = by(window)
    window.go(f"/contracts/{contract}")
    hands.follow("Read and sign the contract")
    window.show_code(hall.person("requester", "signer@requester.invalid"))
    hands.press("Sign the contract")
    assert "Signed." in window.page.get_by_role("status").inner_text()


def _hand_in(window: Visit, hands: Hands, lines: str, pod: str) -> None:
    """A list whose last line has a typo, which is named and mended in place."""
    hands.follow("Customers")
    hands.follow("Add customers")
    mistyped = pod[:-1] + str((int(pod[-1]) + 1) % 10)
    hands.write("Customers and their points of delivery", f"{lines}{mistyped}; BE")
    hands.press("Find out who holds them")
    assert "1 point needs a look." in window.page.locator("main").inner_text()
    hands.follow(mistyped)
    hands.write("Point of delivery", pod)
    hands.press("Correct it and look again")
    assert "1 point was found." in window.page.get_by_role("status").inner_text()


def _came(hall: Stage, activation: int) -> bool:
    asked = [one for one in hall.office("requester").all("/deliveries") if one.get("activation") == activation]
    return bool(asked and asked[-1].get("receipted_at"))


@WAYS
def test_an_auditor_finds_a_transaction_and_verifies_it_offline(
    visit: Open, hall: Stage, size: dict[str, int], by: type[Keyboard | Finger], tmp_path: Path
) -> None:
    window = visit("marketplace", as_="auditor@hall.invalid", size=size, script=False)
    hands = by(window)
    window.go("/")
    hands.follow("Transactions")
    delivery = hall.deliveries[next(iter(hall.deliveries))]
    hands.write("Any id", str(delivery))
    hands.press("Show")
    assert window.heading == hall.subscriptions[GRID]
    for folded in window.page.locator("main .timeline summary").all():
        folded.press("Enter")
    timeline = window.page.locator("main").inner_text()
    assert "What the other side states" in timeline
    proof = window.page.locator("a", has_text="proof").first
    with window.page.expect_download() as loading:
        proof.click()
    file = tmp_path / loading.value.suggested_filename
    loading.value.save_as(file)
    key = window.page.locator("main code").last.inner_text().split("--log-key ")[1].strip().strip("'")
    done = subprocess.run([*COMMAND, "verify", str(file), "--log-key", key, "--json"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
