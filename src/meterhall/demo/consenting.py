"""Steps 6 and 7: activation with PODs and proofs, and the consent check: by signature card, on the page, or refused."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx

from meterhall.demo.cast import PURPOSE, Household, Operator
from meterhall.demo.meters import END_DAY, FIRST_DAY
from meterhall.demo.office import wait_for
from meterhall.demo.person import Page, Person
from meterhall.demo.registration import REQUESTER
from meterhall.demo.stage import Stage, Step
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.consents import EVIDENCE_TYP, ConsentStatement
from meterhall.domain.protocol.keys import sign
from meterhall.domain.protocol.offers import DataScope
from meterhall.web.home import Home

SCOPE = DataScope(granularities=("PT1H",), period=Period(first=FIRST_DAY, until=END_DAY))
NO_CONSENT = "con_" + 24 * "0"


def activate(stage: Stage, step: Step) -> None:
    """Send each operator the list of its PODs, each with its proof."""
    for operator in stage.operators:
        items = [_item(stage, operator, home) for home in operator.households]
        body = {"subscription_id": stage.subscriptions[operator.key], "scope": SCOPE.document(), "items": items}
        stage.activations[operator.key] = stage.office(REQUESTER).post("/activations", body)["id"]
    for operator in stage.operators:
        wait_for(f"{operator.name} to take the list", partial(_is_sent, stage, operator))
    kinds = Counter(home.proof for operator in stage.operators for home in operator.households)
    stage.tell(
        step,
        f"{kinds['card']} consents signed by card, {kinds['page']} customers to be asked on the operator's page, "
        f"{kinds['word']} on the requester's word alone, {kinds['none']} without any",
    )


def _item(stage: Stage, operator: Operator, home: Household) -> dict[str, Any]:
    if home.proof == "page":
        return {"pod": home.pod}
    if home.proof == "none":
        return {"pod": home.pod, "consent_id": NO_CONSENT}
    statement = _statement(stage, home)
    if home.proof == "card":
        return {"pod": home.pod, "assurance": "customer_signed", "evidence": stage.cards.signed(statement)}
    key = Home(stage.town.platforms[REQUESTER].home).key("transport")
    evidence = sign(statement.document(), key, typ=EVIDENCE_TYP)
    return {"pod": home.pod, "assurance": "requester_stated", "evidence": evidence}


def _statement(stage: Stage, home: Household) -> ConsentStatement:
    now = datetime.now(UTC)
    return ConsentStatement(
        pod=home.pod,
        requester=stage.numbers[REQUESTER],
        holder_reference=home.holder,
        scope=SCOPE,
        purpose=PURPOSE,
        given_at=now - timedelta(minutes=1),
        access_until=now + timedelta(days=180),
    )


def _activation(stage: Stage, operator: Operator) -> Any:
    return stage.office(REQUESTER).get(f"/activations/{stage.activations[operator.key]}")


def _is_sent(stage: Stage, operator: Operator) -> bool:
    return bool(_activation(stage, operator).get("remote_id"))


def _is_answered(stage: Stage, operator: Operator) -> bool:
    return bool(_activation(stage, operator)["state"] == "answered")


def answers(stage: Stage, operator: Operator) -> list[Any]:
    """The answer for each POD of an operator's activation."""
    return stage.office(REQUESTER).all(f"/activations/{stage.activations[operator.key]}/answers")


def consent(stage: Stage, step: Step) -> None:
    """Customers allow on the operator's page; then every POD has its answer."""
    for operator in stage.operators:
        for home in operator.households:
            if home.proof == "page":
                _consent_on_page(stage, operator, home)
    for operator in stage.operators:
        wait_for(
            f"the answers of {operator.name}",
            partial(_is_answered, stage, operator),
        )
        given = answers(stage, operator)
        accepted = [one for one in given if one["state"] == "accepted"]
        stage.outcome.accepted += len(accepted)
        stage.tell(step, f"{operator.name}: {len(accepted)} of {len(given)} PODs accepted")
        for one in given:
            if one["state"] == "refused":
                stage.outcome.refused[one.get("code")] += 1
                stage.tell(step, f"refused: {one['code']}: {one['detail']}")
        shorter = [one for one in accepted if one["readings"]["from"] != str(FIRST_DAY)]
        for one in shorter:
            stage.tell(step, f"moved house: only the holder's days, from {one['readings']['from']}")


def customer_of(stage: Stage, operator: Operator, home: Household) -> Person:
    """The holder of a point at the operator's portal, joined by the operator's invitation."""
    email = f"{home.holder.lower()}@customer.invalid"
    if f"{operator.key}:{email}" in stage.people:
        return stage.people[f"{operator.key}:{email}"]
    invitation = stage.office(operator.key).post(
        "/customers/invitations", {"email": email, "name": f"Customer {home.holder}", "holder_reference": home.holder}
    )
    return stage.person(operator.key, email, invitation["link"])


def _consent_on_page(stage: Stage, operator: Operator, home: Household) -> None:
    """The customer follows the requester's link, allows on the operator's page, and comes back."""
    need = {
        "need": "advice",
        "scope": SCOPE.document(),
        "purpose": PURPOSE,
        "access_until": (datetime.now(UTC) + timedelta(days=180)).isoformat(),
    }
    asked = stage.office(REQUESTER).post(
        "/consent-requests",
        {"subscription_id": stage.subscriptions[operator.key], "reference": home.holder, "needs": [need]},
    )
    customer = customer_of(stage, operator, home)
    visitor = Person(stage.town.platforms[REQUESTER].portal, customer.http)
    away = visitor.submit(visitor.get(asked["link"]), "csrfmiddlewaretoken")
    question = customer.get(location(away))
    back = customer.submit(question, "consent", {"decision": "allow"})
    visitor.get(location(back))


def location(page: Page) -> str:
    """Where a redirect to another platform leads."""
    following: httpx.Request | None = page.response.next_request
    if following is None:
        raise LookupError(f"{page.path} (HTTP {page.status}) leads nowhere: {page.texts('//main')[:1]}")
    return str(following.url)
