"""The platforms the browser visits, really running: a Market Place, a grid operator and a requester, with some past.

Some things are left open for the browser to do: an applicant waits for admission, a contract for its signatures, a
customer for the question.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from meterhall.demo import consenting, delivering, registration, trading
from meterhall.demo.cards import CardAuthority
from meterhall.demo.cast import PURPOSE, Operator, operators
from meterhall.demo.launch import COMMAND, Plan, Town
from meterhall.demo.meters import END_DAY, FIRST_DAY
from meterhall.demo.office import wait_for
from meterhall.demo.run import plans
from meterhall.demo.stage import Stage, Step
from meterhall.domain.identifiers import demonstration_gln
from meterhall.domain.protocol.base import Period
from meterhall.domain.protocol.offers import DataScope

GRID = "belgium"
REQUESTER = registration.REQUESTER
APPLICANT = "Newcomer Flexibility (fictitious)"
CLOCK_CHANGE = "2016-10-30"


def cast() -> tuple[Operator, ...]:
    """One grid operator with its households; one of them misses a day of readings."""
    grid = next(one for one in operators() if one.key == GRID)
    homes = list(grid.households)
    homes[2] = replace(homes[2], is_missing_a_day=True)
    return (replace(grid, households=tuple(homes), standing=False),)


def open_hall(folder: Path, say: Callable[[str], None] = lambda _: None) -> Stage:
    """Make and start the platforms and let them do the ten steps once. The caller stops `stage.town`."""
    stage = Stage(Town(folder), cast(), CardAuthority.create(), say)
    try:
        stage.town.create(with_staff(plan) for plan in plans(stage.operators))
        stage.cards.trust(stage.town.platforms[GRID].home / "trust" / "consent")
        stage.town.start()
        _play(stage)
    except BaseException:
        stage.town.stop()
        raise
    return stage


def with_staff(plan: Plan) -> Plan:
    """Somebody of the back office, or an auditor, beside the people of the demo."""
    more = ("staff", f"staff@{plan.key}.invalid", f"Sasha Staff ({plan.key})")
    if plan.role == "marketplace":
        more = ("auditor", "auditor@hall.invalid", "Ada Auditor")
    return replace(plan, people=(*plan.people, more))


def _play(stage: Stage) -> None:
    step = Step("before the browser")
    registration.register(stage, step)
    trading.wish(stage, step)
    trading.localise(stage, step)
    trading.subscribe(stage, step)
    consenting.activate(stage, step)
    consenting.consent(stage, step)
    delivering.ask(stage, GRID, "csv", "pull")
    delivering.ask(stage, "group", "csv", "pull", key=GRID, group=True)
    delivering.collect_answers(stage, step)
    for name in stage.deliveries:
        delivering.settled(stage, name, 1)
    newcomer(stage)


def newcomer(stage: Stage) -> None:
    """One more organisation applies at the Market Place and waits for the operator."""
    hall = stage.town.platforms["marketplace"]
    plan = Plan("requester", "newcomer", APPLICANT, "DE", (9443, 9444), (), {}, hall.b2b)
    home = stage.town._init(plan).home
    words = ["requester", "enrol", "--home", str(home), "--legal-id", f"GLN:{demonstration_gln(31).value}"]
    done = subprocess.run(
        [*COMMAND, *words, "--activity", "aggregator"], env=dict(os.environ), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def new_contract(stage: Stage) -> str:
    """A further contract drawn up, which nobody has signed yet; its number."""
    return trading.draft(stage, stage.operators[0])


def consent_link(stage: Stage, reference: str, *needs: str) -> str:
    """The link a requester sends to a customer, asking for each of `needs` separately."""
    until = (datetime.now(UTC) + timedelta(days=180)).isoformat()
    wanted: dict[str, DataScope] = {
        "advice": DataScope(granularities=("PT1H",), period=Period(first=FIRST_DAY, until=END_DAY)),
        "comparison": DataScope(granularities=("P1M",), period=Period(first=FIRST_DAY, until=END_DAY)),
    }
    purposes = {"advice": PURPOSE, "comparison": "Comparing your months with homes like yours"}
    asked: Any = stage.office(REQUESTER).post(
        "/consent-requests",
        {
            "subscription_id": stage.subscriptions[GRID],
            "reference": reference,
            "needs": [
                {"need": name, "scope": wanted[name].document(), "purpose": purposes[name], "access_until": until}
                for name in needs
            ],
        },
    )
    return str(asked["link"])


def invite_customer(stage: Stage, holder: str, email: str) -> str:
    """The grid operator's invitation to the holder of a point: a link that works once."""
    body = {"email": email, "name": "Carla Customer", "holder_reference": holder}
    return str(stage.office(GRID).post("/customers/invitations", body)["link"])


def wait(what: str, look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it does."""
    return wait_for(what, look)
