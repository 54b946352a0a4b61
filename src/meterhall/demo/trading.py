"""Steps 2 to 5: search, wish, localise, subscribe. The requester's back office asks; its signer signs on the page."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from meterhall.demo.cast import STRANGE_POD, TYPO_POD, Operator
from meterhall.demo.meters import END_DAY, FIRST_DAY
from meterhall.demo.office import wait_for
from meterhall.demo.registration import REQUESTER
from meterhall.demo.stage import Stage, Step
from meterhall.domain.protocol.agreements import Repository, SubscriptionRequest
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope, Wish


def search(stage: Stage, step: Step) -> None:
    """Search the catalogue by text, country, type, granularity and format."""
    office = stage.office(REQUESTER)
    hourly = office.all("/offers", text="load curves", service_type="metering_data", granularity="PT1H")
    found = {country: office.all("/offers", country=country, format="espi") for country in ("IT", "ES", "BE")}
    if len(hourly) != len(stage.operators) or any(len(offers) != 1 for offers in found.values()):
        raise LookupError(f"found {len(hourly)} hourly offers and {found}")
    stage.tell(step, f"{len(hourly)} offers of hourly load curves; one each in Italy, Spain and Belgium")


def wish(stage: Stage, step: Step) -> None:
    """Say what is needed; the Market Place answers with what fits."""
    wanted = DataScope(granularities=("PT1H",), period=Period(first=FIRST_DAY, until=END_DAY))
    body = Wish(text="Hourly load curves", countries=("IT", "ES", "BE"), customers=30, scope=wanted, formats=("csv",))
    view = stage.office(REQUESTER).post("/wishes", body)
    fitting = [match for match in view["matches"] if match["fits"]]
    stage.tell(step, f"the wish is kept open; {len(fitting)} of {len(view['matches'])} offers fit wholly")


def localise(stage: Stage, step: Step) -> None:
    """Ask who holds each POD of the customers' bills; a typo and a strange operator are among them."""
    office = stage.office(REQUESTER)
    lines = [
        {"reference": home.holder, "pod": home.pod, "country": operator.country}
        for operator in stage.operators
        for home in operator.households
    ]
    lines += [
        {"reference": "ES-TYPO", "pod": TYPO_POD, "country": "ES"},
        {"reference": "IT-STRANGE", "pod": STRANGE_POD, "country": "IT"},
    ]
    office.post("/customers", {"lines": lines})
    stage.outcome.localised = office.post("/customers/localisations", {"ids": []})["resolved"]
    states = office.all("/customers")
    held = Counter(line.get("operator") for line in states if line["state"] == "localised")
    stage.tell(
        step, f"{stage.outcome.localised} of {len(lines)}: " + ", ".join(f"{n} × {who}" for who, n in held.items())
    )
    for line in states:
        if line["state"] != "localised":
            stage.outcome.refused[line.get("code")] += 1
            stage.tell(step, f"{line['reference']}: {line['code']}: {line['detail']}")


def subscribe(stage: Stage, step: Step) -> None:
    """Draw up the service contracts, have both sides sign them, and wait until they are in force."""
    for operator in stage.operators:
        if operator.standing:
            _accept_standing(stage, operator)
    for operator in stage.operators:
        stage.subscriptions[operator.key] = draft(stage, operator)
    signer = stage.person(REQUESTER, f"signer@{REQUESTER}.invalid")
    for operator in stage.operators:
        subscription = stage.subscriptions[operator.key]
        signer.get(f"/contracts/{subscription}/sign")
        signer.post(f"/contracts/{subscription}/sign", {})
        if not operator.standing:
            _countersign(stage, operator, subscription)
    for operator in stage.operators:
        wait_for(f"the contract with {operator.name}", partial(_in_force, stage, operator))
    stage.tell(step, "three contracts in force: two signed by the operators' signers, one under a standing acceptance")


def _accept_standing(stage: Stage, operator: Operator) -> None:
    offer = stage.offers[operator.key]
    signer = stage.person(operator.key, f"signer@{operator.key}.invalid")
    until = datetime.now(UTC) + timedelta(days=90)
    signer.submit(
        signer.get("/standing-acceptances"),
        "offers",
        {"offers": f"{offer['offer_id']}:{offer['version']}", "most": "10", "until": until.strftime("%Y-%m-%d")},
    )


def draft(stage: Stage, operator: Operator) -> str:
    """A contract drawn up from the operator's offer, for both to sign; its number."""
    offer = stage.offers[operator.key]
    repository = None
    if operator.transmission == "push":
        repository = Repository(url=f"{stage.town.platforms[REQUESTER].b2b}/repository")
    body = SubscriptionRequest(
        offer_id=offer["offer_id"], offer_version=offer["version"], options=("corrections",), repository=repository
    )
    return str(stage.office(REQUESTER).post("/subscriptions", body)["subscription_id"])


def _countersign(stage: Stage, operator: Operator, subscription: str) -> None:
    office = stage.office(operator.key)
    wait_for(f"the contract to reach {operator.name}", lambda: _contract(office.all("/contracts"), subscription))
    signer = stage.person(operator.key, f"signer@{operator.key}.invalid")
    signer.submit(signer.get(f"/contracts/{subscription}"), "sign")


def _contract(contracts: list[dict[str, Any]], subscription: str) -> bool:
    return any(one["subscription_id"] == subscription for one in contracts)


def _in_force(stage: Stage, operator: Operator) -> bool:
    """In force for the requester, and for the operator, which has then opened its door."""
    subscription = stage.subscriptions[operator.key]
    ours = stage.office(REQUESTER).get(f"/subscriptions/{subscription}")["state"] == "active"
    theirs = [one for one in stage.office(operator.key).all("/contracts") if one["subscription_id"] == subscription]
    return bool(ours and theirs and theirs[0]["state"] == "active")
