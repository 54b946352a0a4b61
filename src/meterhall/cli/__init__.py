"""`meterhall …`: make, run and look after a platform, a client without one, and the demo. A platform is imported when a
command needs it; without the extra `platform` its commands say so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from meterhall import __version__
from meterhall.cli import client_data as client_data
from meterhall.cli.client import client
from meterhall.cli.failing import failing_commands
from meterhall.cli.keeping import keeping_commands
from meterhall.cli.marketplace import marketplace
from meterhall.cli.platform import platform_commands, player_commands
from meterhall.cli.provider import provider
from meterhall.cli.shared import UnusableFile, err, out
from meterhall.cli.token import token
from meterhall.cli.verify import verify
from meterhall.domain.errors import MeterhallError, Unavailable

OF_PLATFORMS = frozenset(
    {
        "allauth", "authlib", "deltalake", "django", "django_htmx", "duckdb", "filelock", "granian", "isal", "ninja",
        "prometheus_client", "psycopg", "pyarrow", "pydantic_settings", "qrcode", "structlog", "trustme",
    }
)  # fmt: skip
"""Modules that only the extra `platform` brings."""


class PlatformsMissing(Unavailable):
    code = "platforms_missing"
    title = "This command needs the platforms: pip install 'meterhall[platform]'."


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The open EU market hall for smart-metering data.",
    pretty_exceptions_enable=False,
)
ca = typer.Typer(no_args_is_help=True, help="A local certificate authority, for machines without one.")
requester = platform_commands("requester")
player_commands("requester", requester)
for role, commands in (("marketplace", marketplace), ("provider", provider), ("requester", requester)):
    failing_commands(role, commands)
    keeping_commands(role, commands)
app.command()(verify)
app.add_typer(client, name="client")
app.add_typer(token, name="token")
app.add_typer(ca, name="ca")
app.add_typer(marketplace, name="marketplace")
app.add_typer(provider, name="provider")
app.add_typer(requester, name="requester")


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        out.print(__version__)
        raise typer.Exit


@ca.command("init")
def ca_init(folder: Annotated[Path, typer.Argument(help="Where the authority's key and certificate go.")]) -> None:
    """Make a certificate authority; one that is there stays as it is."""
    from meterhall.web.home import create_ca

    out.print(f"Certificate authority: {create_ca(folder)}", markup=False)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when the steps are done.")] = False,
    home: Annotated[Path | None, typer.Option(help="Where the demo's platforms live; empty: a fresh folder.")] = None,
    result: Annotated[Path | None, typer.Option("--json", help="Also write what happened to this file.")] = None,
) -> None:
    """The ten steps on real meters, on this machine. `meterhall demo-customers` writes its households as your own."""
    from meterhall.demo.run import run_demo

    raise typer.Exit(run_demo(once=once, home=home, result=result))


@app.command("demo-customers")
def demo_customers(
    access_number: Annotated[str, typer.Argument(help="Yours, at the demo's Market Place.")],
    home: Annotated[Path, typer.Option(help="The folder the demo runs in.")],
    country: Annotated[str, typer.Option(help="Whose grid operator's households: BE, ES or IT.")] = "BE",
    into: Annotated[Path, typer.Option("--out", help="Where the two files go.")] = Path(),
) -> None:
    """Write the demo's households as your customers: customers.csv, and consents.csv signed for you."""
    from meterhall.demo.customers import write_customers

    out.print(f"{write_customers(home, access_number, country, into)} customers in {into}", markup=False)


def main(run: Callable[[], Any] = app) -> None:
    """The console entry: a refusal is one sentence and exit code 2, and so is a file that can't be read or written."""
    try:
        run()
    except MeterhallError as refusal:
        _refuse(refusal)
    except ModuleNotFoundError as fault:
        if (fault.name or "").partition(".")[0] not in OF_PLATFORMS:
            raise
        _refuse(PlatformsMissing())
    except OSError as fault:
        if fault.filename is None:
            raise
        _refuse(UnusableFile(f"{fault.filename}: {fault.strerror}."))


def _refuse(refusal: MeterhallError) -> None:
    code = getattr(refusal, "remote_code", refusal.code)
    said = getattr(refusal, "remote_detail", refusal.detail)
    err.print(f"[red]{code}[/]: {escape(said)}")
    if advice := getattr(refusal, "advice", ""):
        err.print(escape(advice))
    sys.exit(2)
