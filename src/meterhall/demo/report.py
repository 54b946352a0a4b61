"""What the demo says at its end: the figures, a picture of a load curve, and where to look further."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from meterhall.demo.meters import END_DAY, FIRST_DAY
from meterhall.demo.picture import keep_picture
from meterhall.demo.registration import REQUESTER
from meterhall.demo.stage import GUEST, Stage

BARS = "▁▂▃▄▅▆▇█"


def summary(stage: Stage, console: Console) -> None:
    """The figures of the run."""
    outcome = stage.outcome
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("localised", str(outcome.localised))
    table.add_row("accepted", str(outcome.accepted))
    for code, count in sorted(outcome.refused.items()):
        table.add_row("refused", f"{count} × {code}")
    table.add_row("revoked midway", str(outcome.revoked))
    for name, count in outcome.readings.items():
        table.add_row("readings delivered", f"{count:,} · {name}")
    table.add_row("digests matched", str(outcome.digests_matched))
    for step in outcome.steps:
        table.add_row(step.name, f"{step.seconds:.1f} s")
    console.print(table)


def draw(stage: Stage, console: Console, file: Path) -> None:
    """The day of the clock change of one household, as it arrived: 25 hours; and its months as a picture in `file`."""
    office = stage.office(REQUESTER)
    line = office.all("/customers", reference=stage.operators[2].households[0].holder)[0]
    path = f"/customers/{line['id']}/readings"
    day = office.get(path, granularity="PT1H", first="2016-10-30", until="2016-10-31")
    values = [value or 0 for value in day["values"]]
    top = max(values) or 1
    bars = "".join(BARS[min(7, value * 8 // top)] for value in values)
    console.print(f"\nA Belgian household on 30 October 2016, the day of 25 hours: {bars} (at most {top} Wh an hour)")
    signer = stage.person(REQUESTER, f"signer@{REQUESTER}.invalid")
    curve = f"/customers/{line['id']}/curve?from={FIRST_DAY}&to={END_DAY}"
    console.print(f"Its load curve, September to December: {keep_picture(signer, curve, file)}")


def guide(stage: Stage, console: Console) -> None:
    """The portals, each with links by which whoever watches joins in every role: each works once."""
    console.print(
        "\n[bold]The platforms are running.[/] Each link lets one person in, once, in the role it names; the page"
    )
    console.print(
        "it leads to sets up an authenticator app first. Take a fresh browser profile, which knows the demo's own"
    )
    console.print("authority or is told to go on in spite of it:")
    console.print(f"  {stage.town.ca / 'ca.pem'}\n")
    customers = _invited_customer(stage)
    for running in stage.town.platforms.values():
        console.print(f"[bold]{running.key}[/] {running.portal}")
        guests = {email: link for email, link in running.links.items() if email.startswith(GUEST)}
        for email, link in (guests | customers.get(running.key, {})).items():
            role = email.removeprefix(GUEST).partition("@")[0]
            console.print(f"  {role:<8} {link}", soft_wrap=True)
    hall = stage.town.platforms["marketplace"].b2b
    console.print(f"\nTo join as a requester of your own, see docs/tutorial.md; the Market Place is {hall}")
    console.print("Ctrl-C stops everything.")


def _invited_customer(stage: Stage) -> dict[str, dict[str, str]]:
    """One more person for a household whose consent is running, by operator."""
    operator = stage.operators[-1]
    home = next(home for home in reversed(operator.households) if home.proof == "card")
    email = f"{GUEST}customer@{operator.key}.invalid"
    body = {"email": email, "name": "Guest Customer", "holder_reference": home.holder}
    return {operator.key: {email: stage.office(operator.key).post("/customers/invitations", body)["link"]}}
