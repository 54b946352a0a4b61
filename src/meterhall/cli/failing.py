"""`letters` and `redeliver`: what fails, and having it tried again."""

from __future__ import annotations

from typing import Annotated

import typer

from meterhall.cli.shared import HomeOption, django_ready, out, table_of
from meterhall.domain.errors import InvalidInput


class NothingNamed(InvalidInput):
    code = "nothing_named"
    title = "Name what to try again by its id, or give --all for everything that was laid aside."


def failing_commands(role: str, commands: typer.Typer) -> None:
    """The commands about work that fails."""

    @commands.command()
    def letters(
        home: HomeOption,
        retrying: Annotated[bool, typer.Option("--retrying", help="What fails and is tried again by itself.")] = False,
        as_json: Annotated[bool, typer.Option("--json")] = False,
    ) -> None:
        """List what was laid aside after it failed for days."""
        django_ready(role, home)
        from meterhall.web.work.letters import letters as listed

        rows = [one.document() for one in listed("retrying" if retrying else "dead")]
        if as_json:
            out.print_json(data=rows)
            return
        out.print(table_of(rows, ("id", "type", "party", "attempts", "due_at", "error")))

    @commands.command()
    def redeliver(
        home: HomeOption,
        letter: Annotated[list[str] | None, typer.Argument(help="Ids that `letters` shows.")] = None,
        everything: Annotated[bool, typer.Option("--all", help="Everything that was laid aside.")] = False,
    ) -> None:
        """Try again what was laid aside."""
        if not letter and not everything:
            raise NothingNamed(field="/letter")
        django_ready(role, home)
        from meterhall.web.work.letters import letters as listed
        from meterhall.web.work.letters import redeliver as again

        named = [one.id for one in listed("dead")] if everything else list(letter or [])
        for one in named:
            again(one)
        out.print(f"{len(named)} on the way again.")
