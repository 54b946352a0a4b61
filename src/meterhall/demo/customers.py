"""`meterhall demo-customers`: the demo's households as a requester's own customers, with consents signed for it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meterhall.demo.cards import CardAuthority
from meterhall.demo.cast import PURPOSE, Household, operators
from meterhall.demo.consenting import SCOPE
from meterhall.domain.errors import NotFound
from meterhall.domain.identifiers import check_access_number
from meterhall.domain.protocol.consents import ConsentStatement


class NoDemo(NotFound):
    code = "no_demo"
    title = "No demo runs in this folder; start one with `meterhall demo --home FOLDER`."


class NoDemoOperator(NotFound):
    code = "no_demo_operator"
    title = "No grid operator of the demo is in this country; there are BE, ES and IT."


def write_customers(home: Path, number: str, country: str, into: Path) -> int:
    """Write `customers.csv` (pod) and `consents.csv` (pod, jws) for the requester of this access number; how many.

    Raises `NoDemo`, `NoDemoOperator`, `InvalidAccessNumber`.
    """
    requester = check_access_number(number, field="/access-number")
    operator = next((one for one in operators() if one.country == country), None)
    if operator is None:
        raise NoDemoOperator(field="/country")
    cards = CardAuthority.load(home)
    if cards is None:
        raise NoDemo(f"No demo runs in {home}; start one with `meterhall demo --home {home}`.")
    chosen = [one for one in operator.households if one.proof == "card"]
    into.mkdir(parents=True, exist_ok=True)
    _write(into / "customers.csv", ("pod", "country"), ((one.pod, operator.country) for one in chosen))
    _write(into / "consents.csv", ("pod", "jws"), ((one.pod, _consent(cards, one, requester)) for one in chosen))
    return len(chosen)


CONSENTED = SCOPE.model_copy(update={"granularities": ("PT1H", "P1D", "P1M")})
"""All that the operators offer: what a customer of yours would be asked for."""


def _consent(cards: CardAuthority, one: Household, requester: str) -> str:
    now = datetime.now(UTC)
    return cards.signed(
        ConsentStatement(
            pod=one.pod,
            requester=requester,
            holder_reference=one.holder,
            scope=CONSENTED,
            purpose=PURPOSE,
            given_at=now - timedelta(minutes=1),
            access_until=now + timedelta(days=180),
        )
    )


def _write(path: Path, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(head)
        writer.writerows(rows)
