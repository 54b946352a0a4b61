"""The ten steps as one run across a small market, and what must be true of it in the end, whatever died on the way."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.consents import ConsentStatement
from meterhall.domain.protocol.offers import DataScope
from tests.e2e.town import FIRST, KEYS, UNTIL, Streets, holder, pod, quarters, readings, sign_contract, wait_for
from tests.e2e.town import watt_hours as measured

HOUSEHOLDS = range(8)
WITHDRAWN = 3
CORRECTED, CORRECTED_DAY, MORE = 5, date(2025, 3, 20), 7
SCOPE = DataScope(granularities=("PT15M", "PT1H"), period=Period(first=FIRST, until=UNTIL))
PERIOD = {"from": str(FIRST), "until": str(UNTIL)}
STATED = Counter(
    {
        ("subscription.requested", "marketplace"): 1, ("contract.signed", "marketplace"): 2,
        ("contract.countersigned", "marketplace"): 1, ("contract.acknowledged", "grid"): 1,
        ("subscription.quit", "marketplace"): 1, ("subscription.quit.acknowledged", "grid"): 1,
        ("activation.requested", "esco"): 1, ("activation.acknowledged", "grid"): 1,
        ("provision.confirmed", "grid"): 1, ("data.requested", "esco"): 2, ("data.acknowledged", "grid"): 2,
        ("delivery.published", "grid"): 6, ("delivery.received", "esco"): 6, ("receipt.acknowledged", "grid"): 6,
        ("delivery.pushed", "grid"): 3,
    }
)  # fmt: skip
"""What is said of the one transaction: two deliveries in three versions each, one of them pushed."""


class Journey:
    """One requester's way through the ten steps."""

    def __init__(self, streets: Streets) -> None:
        self.streets = streets
        self.office, self.grid = streets.office("esco"), streets.office("grid")
        self.subscription = ""
        self.activation = 0
        self.deliveries: list[str] = []
        self.pushing = 0

    def run(self) -> None:
        """Steps 2 to 10 (1 is `settle`), a correction, a withdrawal, and the end of the contract."""
        self.find()
        self.subscribe()
        self.activate()
        for form, way in (("parquet", "pull"), ("csv", "push")):
            self.ask(form, way)
        self.collected(1)
        more = readings([CORRECTED], quarters(CORRECTED_DAY, CORRECTED_DAY + timedelta(days=1)), more=MORE)
        self.streets.upload(more)
        self.collected(2)
        customer = self.streets.customer(WITHDRAWN)
        customer.submit(customer.get("/consents"), "withdraw")
        self.collected(3)
        self.leave()

    def find(self) -> None:
        """Search, wish, localise."""
        assert len(self.office.all("/offers", country="ES", format="parquet")) == 1
        wish = {"text": "Load curves", "countries": ["ES"], "customers": 8, "scope": {"granularities": ["PT1H"]}}
        assert self.office.post("/wishes", wish)["matches"]
        lines = [{"reference": holder(one), "pod": pod(one), "country": "ES"} for one in HOUSEHOLDS]
        self.office.post("/customers", {"lines": lines})
        self.office.post("/customers/localisations", {"ids": []})
        assert {one["state"] for one in self.office.all("/customers")} == {"localised"}

    def subscribe(self) -> None:
        offer = {"offer_id": self.streets.offer["offer_id"], "offer_version": self.streets.offer["version"]}
        body = offer | {"options": ["corrections"], "repository": {"url": f"{self.streets['esco'].b2b}/repository"}}
        self.subscription = self.office.post("/subscriptions", body)["subscription_id"]
        wait_for("the signature", self._signed)
        wait_for("the contract at the requester", lambda: self._contract() == "active")
        wait_for("the contract at the provider", lambda: self._at_grid() == "active")

    def _signed(self) -> bool:
        if self._contract() == "drafted":
            sign_contract(self.streets, self.subscription)
        return bool(self._contract() != "drafted")

    def _contract(self) -> str:
        return str(self.office.get(f"/subscriptions/{self.subscription}")["state"])

    def _at_grid(self) -> str:
        found = {one["subscription_id"]: one["state"] for one in self.grid.all("/contracts")}
        return str(found.get(self.subscription, ""))

    def activate(self) -> None:
        now = datetime.now(UTC)
        items = []
        for number in HOUSEHOLDS:
            statement = ConsentStatement(
                pod=pod(number), requester=self.streets.numbers["esco"], holder_reference=holder(number), scope=SCOPE,
                purpose="Advice on a heat pump", given_at=now - timedelta(minutes=1),
                access_until=now + timedelta(days=90),
            )  # fmt: skip
            signed = self.streets.cards.signed(statement)
            items.append({"pod": pod(number), "assurance": "customer_signed", "evidence": signed})
        body = {"subscription_id": self.subscription, "scope": SCOPE.document(), "items": items}
        self.activation = self.office.post("/activations", body)["id"]
        path = f"/activations/{self.activation}"
        wait_for("the answers", lambda: self.office.get(path)["state"] == "answered")
        assert self.office.get(path)["accepted"] == len(HOUSEHOLDS)

    def ask(self, form: str, way: str) -> None:
        body = {
            "activation": self.activation, "period": PERIOD, "granularity": "PT15M", "format": form,
            "transmission": way,
        }  # fmt: skip
        self.pushing += way == "push"
        asked = self.office.post("/data-requests", body)["id"]
        answer = wait_for("the delivery", lambda: self.office.get(f"/data-requests/{asked}").get("delivery_id"))
        self.deliveries.append(str(answer))

    def collected(self, version: int) -> None:
        """Each delivery is received in this version, and both sides' statements match."""
        for delivery in self.deliveries:
            wait_for(f"version {version} of {delivery}", lambda name=delivery: self._is_collected(name, version))
        wait_for(f"version {version} in the repository", lambda: self._pushed() == version * self.pushing)

    def _pushed(self) -> int:
        """How many versions were pushed; one that a newer version overtakes would not be."""
        query = "SELECT COUNT(*) FROM provider_deliveries_pushjob WHERE pushed_at IS NOT NULL"
        [(number,)] = rows(self.streets, "grid", query)
        return int(number)

    def _is_collected(self, delivery: str, version: int) -> bool:
        known = {one["delivery_id"]: one for one in self.office.all("/deliveries")}
        one = known.get(delivery, {"version": 0})
        assert one["version"] <= version, "no version is made for nothing"
        return bool(one["version"] == version and one.get("receipted_at") and one.get("match") == "matched")

    def leave(self) -> None:
        self.office.post(f"/subscriptions/{self.subscription}/quit", {"reason": "moved on"})
        wait_for("the end at the provider", lambda: self._at_grid() == "quit")


def check(journey: Journey) -> None:
    """Nothing waits, nothing was laid aside, nothing is there twice, and everything says the same on all sides."""
    streets = journey.streets
    for key in KEYS:
        wait_for(f"{key} to be done", lambda key=key: sum(waiting(streets, key).values()) == 0)
        assert dead(streets, key) == {}
    said = stated(journey)
    assert said == STATED, f"said too often: {said - STATED}; never said: {STATED - said}"
    matched = rows(streets, "marketplace", "SELECT matched FROM mp_ledger_match")
    assert [bool(one) for (one,) in matched] == [True] * 6, "every version of every delivery, and nothing else"
    check_log(streets)
    check_values(journey)
    mine = f"subscription_id = '{journey.subscription}'"
    for key, table in (("grid", "provider_activations_activation"), ("esco", "requester_activations_activation")):
        assert rows(streets, key, f"SELECT COUNT(*) FROM {table} WHERE {mine}") == [(1,)], table
    assert rows(streets, "grid", f"SELECT COUNT(*) FROM provider_contracts_contract WHERE {mine}") == [(1,)]
    ours = [one for one in journey.grid.all("/deliveries") if one["requester"] == streets.numbers["esco"]]
    ended = {one["delivery_id"]: (one["version"], one["outcome"]) for one in ours}
    assert ended == dict.fromkeys(journey.deliveries, (3, "received"))
    check_files(journey)


def check_log(streets: Streets) -> None:
    """The log has each number once, without a gap, and every player that witnesses it found it to go on."""
    numbers = [seq for (seq,) in rows(streets, "marketplace", "SELECT seq FROM mp_ledger_logentry ORDER BY seq")]
    assert numbers == list(range(len(numbers)))
    twice = "SELECT statement_id FROM mp_ledger_keptstatement GROUP BY statement_id HAVING COUNT(*) > 1"
    assert rows(streets, "marketplace", twice) == []
    for key in ("grid", "esco"):
        assert rows(streets, key, "SELECT kind FROM web_membership_logfinding") == []
    for key in KEYS:
        log = (streets[key].home / "serve.log").read_text(errors="replace")
        assert "log.inconsistent" not in log


def check_values(journey: Journey) -> None:
    """Each household's curve at the requester is what its meter measured, corrected once."""
    day = {"first": str(CORRECTED_DAY), "until": str(CORRECTED_DAY + timedelta(days=1)), "granularity": "PT15M"}
    starts = quarters(CORRECTED_DAY, CORRECTED_DAY + timedelta(days=1))
    names = {
        one["pod"]: one.get("pseudonym") for one in journey.office.all(f"/activations/{journey.activation}/answers")
    }
    for number in HOUSEHOLDS:
        if number == WITHDRAWN:
            continue
        shown = journey.office.get(f"/readings/{names[pod(number)]}", **day)
        more = MORE if number == CORRECTED else 0
        expected = [measured(number, start) + more for start in starts]
        assert shown["values"] == expected, number


def check_files(journey: Journey) -> None:
    """Nothing of what was delivered is left in a file: not where it was collected, nor, an hour after the contract's
    end at the latest, where it was made."""
    streets = journey.streets
    assert left(streets["esco"].home / "files" / "collected") == []
    made = streets["grid"].home / "files" / "deliveries"
    states = "SELECT delivery_id, state FROM provider_deliveries_delivery"
    ended = {(delivery, "ended") for delivery in journey.deliveries}
    wait_for("the deliveries to end", lambda: ended <= set(rows(streets, "grid", states)))
    hourly = "meterhall.provider.deliveries.tasks.retention"
    assert rows(streets, "grid", f"DELETE FROM web_work_schedule WHERE name = '{hourly}' RETURNING name")  # due at once
    wait_for("the files to go", lambda: not any(left(made / delivery) for delivery in journey.deliveries))


def left(folder: Path) -> list[Path]:
    """The files in a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def stated(journey: Journey) -> Counter[tuple[str, str]]:
    """The statements of the transaction by type and maker."""
    names = {number: key for key, number in journey.streets.numbers.items()}
    sql = f"SELECT type, by FROM mp_ledger_keptstatement WHERE transaction_id = '{journey.subscription}'"
    return Counter((kind, names.get(by, "marketplace")) for kind, by in rows(journey.streets, "marketplace", sql))


def rows(streets: Streets, key: str, sql: str) -> list[tuple[Any, ...]]:
    """What a platform's database answers."""
    url = streets.town.environment.get(key)
    if url:
        with psycopg.connect(url) as connection:
            return connection.execute(sql.encode()).fetchall()
    with sqlite3.connect(Path(streets[key].home) / "db.sqlite3", timeout=30) as lite:
        return lite.execute(sql).fetchall()


def figures(streets: Streets, key: str, name: str) -> dict[str, float]:
    """A figure of a platform's `/metrics` by its label."""
    with httpx.Client(verify=streets.town.tls, timeout=30) as client:
        text = wait_for("the figures", lambda: _scraped(client, streets[key].portal))
    found = re.findall(rf'^{name}{{\w+="([^"]*)"}} (\S+)$', text, re.M)
    return {label: float(value) for label, value in found}


def _scraped(client: httpx.Client, portal: str) -> str:
    try:
        return client.get(portal + "/metrics").text
    except httpx.TransportError:
        return ""


def waiting(streets: Streets, key: str) -> dict[str, float]:
    """What waits in each queue."""
    return {queue: number for queue, number in figures(streets, key, "meterhall_work_waiting").items() if number}


def dead(streets: Streets, key: str) -> dict[str, float]:
    """What was laid aside in each queue."""
    return {queue: number for queue, number in figures(streets, key, "meterhall_work_dead").items() if number}
