"""`meterhall marketplace …`: the Market Place's own commands."""

from __future__ import annotations

from typing import Annotated

import typer

from meterhall.cli.platform import platform_commands
from meterhall.cli.shared import HomeOption, django_ready, out, table_of
from meterhall.domain.errors import InvalidInput

marketplace = platform_commands("marketplace")


class NobodyNamed(InvalidInput):
    code = "nobody_named"
    title = "Name the access numbers to admit, or give --waiting for everybody who waits."


@marketplace.command()
def players(home: HomeOption, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the players."""
    django_ready("marketplace", home)
    from meterhall.marketplace.players.models import Player

    rows = [
        {"access_number": row.access_number, "organisation": row.organisation, "status": row.status}
        for row in Player.objects.order_by("access_number")
    ]
    out.print_json(data=rows) if as_json else out.print(table_of(rows, ("access_number", "organisation", "status")))


@marketplace.command()
def admit(
    home: HomeOption,
    access_number: Annotated[list[str] | None, typer.Argument(help="Who is admitted.")] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Everybody who waits.")] = False,
) -> None:
    """Admit players who applied."""
    if not access_number and not waiting:
        raise NobodyNamed(field="/access-number")
    django_ready("marketplace", home)
    from meterhall.marketplace.players.models import Player
    from meterhall.marketplace.players.service import admit as admit_player
    from meterhall.marketplace.players.service import rivals

    numbers = list(access_number or [])
    unclear = False
    for player in Player.objects.filter(status="applied").order_by("access_number") if waiting else ():
        others = rivals(player).exclude(status__in=("refused", "left")).values_list("access_number", flat=True)
        if others:
            same = ", ".join(others)
            out.print(f"{player.access_number} not admitted: {same} has the same legal id; admit one by number")
            unclear = True
        else:
            numbers.append(player.access_number)
    for number in numbers:
        admit_player(number, by="operator@cli")
        out.print(f"{number} admitted")
    if not numbers and not unclear:
        out.print("Nobody waits.")
    raise typer.Exit(1 if unclear else 0)
