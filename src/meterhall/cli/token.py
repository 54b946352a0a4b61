"""`meterhall token …`: what another language needs to make a call itself."""

from __future__ import annotations

from typing import Annotated

import typer

from meterhall.cli.client import ClientOption, JsonOption, connected
from meterhall.cli.shared import out

token = typer.Typer(no_args_is_help=True, help="Access tokens, for curl and other languages.")


@token.command()
def headers(
    method: Annotated[str, typer.Argument(help="GET, POST, …")],
    url: Annotated[str, typer.Argument(help="The whole address that will be called.")],
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """The headers that authorise one call: `curl -H @<(meterhall token headers GET URL) URL`. Good for once."""
    with connected(client, quiet=True) as hall:
        made = hall.headers(method.upper(), url)
    if as_json:
        out.print_json(data=made)
        return
    for name, value in made.items():
        typer.echo(f"{name}: {value}")
