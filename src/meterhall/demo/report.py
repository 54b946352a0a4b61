"""What the demo says at its end: the figures, a picture of a load curve, and where to look further."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from meterhall.demo.meters import END_DAY, FIRST_DAY
from meterhall.demo.picture import keep_picture
from meterhall.demo.registration import REQUESTER
from meterhall.demo.stage import Stage

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
    """The portals, each with a link that signs a person in once."""
    console.print("\n[bold]The platforms are running.[/] Their certificates come from the demo's own authority:")
    console.print(f"  {stage.town.ca / 'ca.pem'}\n")
    for running in stage.town.platforms.values():
        console.print(f"[bold]{running.key}[/] {running.portal}")
        for email, link in running.links.items():
            if f"{running.key}:{email}" not in stage.people:
                console.print(f"  {email}: {link}", soft_wrap=True)
    console.print("\nCtrl-C stops everything.")
