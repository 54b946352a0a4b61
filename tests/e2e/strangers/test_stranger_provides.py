"""A stranger's grid operator, a server of the standard library, is certified, offers and delivers to Meterhall's
requester; receipts come back and both sides' statements match."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import rfc8785

from meterhall.demo.launch import free_ports
from meterhall.web.home import issue_certificate
from tests.e2e.strangers.player import new_id, now
from tests.e2e.strangers.provider import Provider, reading
from tests.e2e.strangers.requester import scope
from tests.e2e.town import MADRID, Streets, cups, gln, offer, sign_contract, wait_for

PERIOD = {"from": "2025-03-28", "until": "2025-04-01"}
PODS = [cups(27_182_800 + number) for number in range(3)]
SANDBOX = cups(90_000_777)


@pytest.fixture(scope="module")
def provider(streets: Streets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder: Path = tmp_path_factory.mktemp("stranger")
    issue_certificate(streets.town.ca, folder)
    [port] = free_ports(1)
    made = Provider(streets["marketplace"].b2b, streets.http, gln(401), port, folder)
    try:
        made.enter(streets.admit)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def certified(provider: Provider) -> dict[str, Any]:
    profile = {"sandbox_pods": [SANDBOX], "period": PERIOD, "granularity": "PT1H", "format": "csv"}
    started = provider.hall.ask("POST", "/v1/certifications", profile)

    def look() -> dict[str, Any] | None:
        found = provider.hall.ask("GET", f"/v1/certifications/{started['certification_id']}")
        return found if found["status"] not in {"pending", "running"} else None

    return wait_for("the certification", look)


@pytest.fixture(scope="module")
def offered(provider: Provider, certified: dict[str, Any]) -> dict[str, Any]:
    document = offer("Horas extrañas", "9998", ["csv"])
    document["scope"] = {"granularities": ["PT1H"], "period": PERIOD}
    document["transmission"] = ["pull"]
    document["options"] = []
    draft = provider.hall.ask("POST", "/v1/offers", document)
    return dict(provider.hall.ask("POST", f"/v1/offers/{draft['offer_id']}/publication"))


@pytest.fixture(scope="module")
def subscription(streets: Streets, provider: Provider, offered: dict[str, Any]) -> str:
    """The contract of Meterhall's requester with the stranger, signed by its signer on the page."""
    office = streets.office("esco")
    name = str(
        office.post("/subscriptions", {"offer_id": offered["offer_id"], "offer_version": offered["version"]})[
            "subscription_id"
        ]
    )
    sign_contract(streets, name)
    wait_for("the contract", lambda: office.get(f"/subscriptions/{name}")["state"] == "active")
    return name


def test_it_passes_the_certifiers_run(certified: dict[str, Any]):
    failed = [check for check in certified["checks"] if not check["passed"]]
    assert (certified["status"], failed) == ("passed", [])


def test_its_offer_is_in_the_catalogue_and_found_by_pod(streets: Streets, provider: Provider, offered: dict[str, Any]):
    assert offered["status"] == "published"
    assert streets.office("esco").all("/offers", text="extrañas")[0]["offer_id"] == offered["offer_id"]
    question = {"items": [{"scheme": "ES", "operator_part": "9998"}]}
    [answer] = provider.hall.ask("POST", "/v1/localisations", question)["answers"]
    assert [one["provider"] for one in answer["candidates"]] == [provider.number]


def test_it_delivers_to_meterhalls_requester(streets: Streets, provider: Provider, subscription: str):
    office = streets.office("esco")
    number = streets.numbers["esco"]
    items: list[dict[str, Any]] = [
        {"pod": pod, "assurance": "customer_signed", "evidence": _card(streets, number, pod)} for pod in PODS[:2]
    ]
    items.append({"pod": PODS[2]})
    made = office.post(
        "/activations",
        {"subscription_id": subscription, "scope": scope("PT1H", period=PERIOD), "items": items},
    )["id"]
    wait_for("the answers", lambda: office.get(f"/activations/{made}")["state"] == "answered")
    answers = office.all(f"/activations/{made}/answers")
    assert [(one["state"], one.get("code")) for one in answers] == [
        ("accepted", None), ("accepted", None), ("refused", "consent_missing"),
    ]  # fmt: skip
    asked = office.post(
        "/data-requests", {"activation": made, "period": PERIOD, "granularity": "PT1H", "format": "csv"}
    )["id"]
    name = wait_for("the delivery", lambda: office.get(f"/data-requests/{asked}").get("delivery_id"))
    ended = wait_for("both statements", lambda: _matched(office, name))
    assert (ended["state"], ended["match"], ended["version"]) == ("received", "matched", 1), ended
    hours = 24 * 4 - 1
    assert (ended["readings"], ended["missing"]) == (2 * hours, 0)
    [receipt] = provider.receipts[-1:]
    assert (receipt["delivery_id"], receipt["outcome"], receipt["readings"]) == (name, "received", 2 * hours)
    curve = office.get(f"/readings/{answers[0]['pseudonym']}", first=PERIOD["from"], until=PERIOD["until"])
    start = datetime(2025, 3, 28, tzinfo=MADRID).astimezone(UTC)
    expected = [reading(PODS[0], start + timedelta(hours=hour)) for hour in range(hours)]
    assert [value * 10 ** curve["scale"] for value in curve["values"]] == expected
    kinds = {
        one["statement"]["type"]: one.get("matched")
        for one in provider.hall.all(f"/v1/transactions/{subscription}/statements")
    }
    assert (kinds["delivery.published"], kinds["delivery.received"]) == (True, True)
    assert {"contract.acknowledged", "activation.requested", "data.requested"} <= kinds.keys()


def _matched(office: Any, name: str) -> dict[str, Any] | None:
    found = [one for one in office.all("/deliveries") if one["delivery_id"] == name]
    return found[0] if found and found[0].get("match") and found[0].get("receipted_at") else None


def _card(streets: Streets, requester: str, pod: str) -> str:
    """A customer's consent to Meterhall's requester, signed with a card."""
    document = {
        "pod": pod,
        "requester": requester,
        "holder_reference": "STRANGER-1",
        "scope": scope("PT1H", period=PERIOD),
        "purpose": "Advice",
        "given_at": now(),
        "access_until": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
    }
    statement = SimpleNamespace(holder_reference="STRANGER-1", canonical=lambda: rfc8785.dumps(document))
    return streets.cards.signed(statement)  # type: ignore[arg-type]


def test_an_event_is_believed_from_its_sender_only(streets: Streets, provider: Provider, subscription: str):
    inbox = streets["esco"].b2b + "/v1/inbox"
    data = {"delivery_id": new_id("dlv"), "version": 1, "activation_id": new_id("act")}
    source, other = (f"urn:meterhall:{number}" for number in (provider.number, streets.numbers["grid"]))
    event: dict[str, Any] = {"specversion": "1.0", "id": new_id("evt"), "source": source, "time": now()}
    event |= {"type": "delivery.ready", "data": data}
    foreign = provider.post_event(inbox, event | {"source": other})
    assert (foreign.status_code, foreign.json()["code"], foreign.json()["field"]) == (403, "foreign_event", "/source")
    met = {"delivery_id": data["delivery_id"], "version": 1, "matched": True}
    forged = provider.post_event(inbox, event | {"type": "delivery.matched", "data": met})
    assert (forged.status_code, forged.json()["code"]) == (403, "foreign_event")
    short = provider.post_event(inbox, event | {"data": {"delivery_id": "dlv_short"}})
    assert (short.status_code, short.json()["field"]) == (422, "/data/delivery_id")
    key, provider.transport = provider.transport, provider.contract
    try:
        unsigned = provider.post_event(inbox, event)
    finally:
        provider.transport = key
    assert (unsigned.status_code, unsigned.json()["code"], unsigned.json()["field"]) == (
        401, "bad_signature", "/Signature",
    )  # fmt: skip
