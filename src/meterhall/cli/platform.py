"""The commands every platform has, and those of a player towards the Market Place."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.markup import escape

from meterhall.cli.shared import HomeOption, django_ready, load_project, migrate, out
from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.players import Activity

Part = StrEnum("Part", ["b2b", "portal", "worker"])
PartOption = Annotated[list[Part] | None, typer.Option("--part", help="Only this part: b2b, portal or worker.")]
EngineOption = Annotated[str, typer.Option("--engine", help="What calculates: embedded, or sc://HOST:PORT.")]
SERVE = "Serve the B2B listener, the portal and the worker; Ctrl-C stops."
MARKS = {"ok": "[green]ok[/]  ", "bad": "[red]bad[/] ", "todo": "[yellow]todo[/]", "note": "[blue]note[/]"}


class BadInvitation(InvalidInput):
    code = "bad_invitation"
    title = "A person is invited as ROLE:EMAIL:NAME, for example signer:sam@grid.example:Sam Signer."


class BadSettingArgument(InvalidInput):
    code = "bad_setting_argument"
    title = "A setting is given as NAME=VALUE, for example zone=Europe/Brussels."


def platform_commands(role: str) -> typer.Typer:
    """The commands every platform has."""
    commands = typer.Typer(no_args_is_help=True, help=f"Make, run and look after a {role}.")
    _making(role, commands)
    _running(role, commands)
    _people(role, commands)
    return commands


def _making(role: str, commands: typer.Typer) -> None:
    """`init`."""

    @commands.command()
    def init(
        home: HomeOption,
        name: Annotated[str, typer.Option(help="The organisation's name.")],
        country: Annotated[str, typer.Option(help="ISO 3166 country code.")] = "BE",
        ca: Annotated[Path | None, typer.Option(help="Folder of a local authority to issue certificates.")] = None,
        trust: Annotated[list[Path] | None, typer.Option(help="Further authorities to trust (PEM).")] = None,
        marketplace: Annotated[str, typer.Option(help="Base URL of the Market Place (players).")] = "",
        environment: Annotated[str, typer.Option(help="regulated or unregulated.")] = "regulated",
        b2b_port: Annotated[int, typer.Option(help="Port of the B2B listener.")] = 8443,
        portal_port: Annotated[int, typer.Option(help="Port of the portal listener.")] = 8444,
        setting: Annotated[list[str] | None, typer.Option("--set", help="Any setting, NAME=VALUE.")] = None,
        person: Annotated[
            list[str] | None, typer.Option("--invite", help="A person to invite, ROLE:EMAIL:NAME; repeatable.")
        ] = None,
        machine: Annotated[str, typer.Option("--staff-key", help="Make a back-office key for this machine.")] = "",
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    ) -> None:
        """Make a platform's home: settings, keys, certificates, an empty database and the first people."""
        from meterhall.web.home import Home

        settings: dict[str, object] = {
            "role": role, "name": name, "country": country, "environment": environment,
            "b2b_port": b2b_port, "portal_port": portal_port,
        }  # fmt: skip
        if marketplace:
            settings["marketplace_url"] = marketplace
        settings |= dict(_setting(text) for text in setting or [])
        people = [_invitation(text) for text in person or []]
        new = Home.create(home, settings, ca, tuple(trust or ()))
        try:
            django_ready(role, home, new=True)
            migrate()
            _initialise(role)
            made = _first_people(home, people, machine)
        except BaseException:
            new.discard()
            raise
        if as_json:
            out.print_json(data=made)
            return
        _print_made(made, machine)
        said = f"{role.capitalize()} {name} is ready in {home}. Next: meterhall {role} serve --home {home}"
        out.print(said, markup=False)


def _running(role: str, commands: typer.Typer) -> None:
    """`serve` and `check`."""

    if role == "provider":

        @commands.command("serve", help=SERVE)
        def serve_calculating(home: HomeOption, part: PartOption = None, engine: EngineOption = "") -> None:
            if engine:
                os.environ["METERHALL_ENGINE"] = engine
            _serve(role, home, part)

    else:

        @commands.command("serve", help=SERVE)
        def serve(home: HomeOption, part: PartOption = None) -> None:
            _serve(role, home, part)

    @commands.command()
    def check(home: HomeOption) -> None:
        """Say what is wrong with the platform, and what is missing before it can go live."""
        load_project(role, home)
        from meterhall.web.check import run_checks

        results = run_checks()
        for result in results:
            out.print(f"{MARKS[result.state]} {escape(f'{result.name}: {result.detail}')}")
        raise typer.Exit(0 if all(result.state in ("ok", "note") for result in results) else 1)


def _serve(role: str, home: Path, part: list[Part] | None) -> None:
    """Run the parts until told to stop. Raises `SparkMissing` and `StorageMissing` where a setting needs what is not
    installed."""
    from meterhall.web.config import EMBEDDED
    from meterhall.web.home import Home
    from meterhall.web.serve import PARTS, Supervisor

    config = Home(home).config
    if config.engine != EMBEDDED:
        from meterhall.lake.spark import require_client

        require_client()
    if config.drop_folder.startswith(("sftp://", "s3://")):
        from meterhall.web.storage import require_libraries

        require_libraries()
    django_ready(role, home)
    migrate()
    raise typer.Exit(Supervisor(role, home.resolve(), tuple(one.value for one in part) if part else PARTS).run())


def _people(role: str, commands: typer.Typer) -> None:
    """Who may come in: people and machines."""

    @commands.command("staff-key")
    def staff_key(home: HomeOption, name: Annotated[str, typer.Argument(help="Which machine will use it.")]) -> None:
        """Make a key for the back-office API; it is shown this once."""
        django_ready(role, home)
        from meterhall.web.staff.service import create_staff_key

        out.print(create_staff_key(name), markup=False)

    @commands.command()
    def invite(
        home: HomeOption,
        email: Annotated[str, typer.Argument(help="The person's address.")],
        name: Annotated[str, typer.Option(help="How the person is called.")],
        role_name: Annotated[str, typer.Option("--role", help="operator, staff, signer, auditor or customer.")],
        holder: Annotated[str, typer.Option("--holder", help="The reference a customer's meters are held under.")] = "",
    ) -> None:
        """Invite a person; prints a link that works once."""
        django_ready(role, home)
        from meterhall.web.accounts.service import invite as make

        out.print(make(email=email, name=name, role=role_name, holder_reference=holder), markup=False)


def _print_made(made: dict[str, Any], machine: str) -> None:
    for email, link in made["links"].items():
        out.print(f"{email}: {link}", markup=False)
    if machine:
        out.print(f"staff key {machine}: {made['staff_key']}", markup=False)


def _invitation(text: str) -> tuple[str, str, str]:
    """The role, address and name in `ROLE:EMAIL:NAME`. Raises `BadInvitation`."""
    role, _, rest = text.partition(":")
    email, _, name = rest.partition(":")
    if not (role and email):
        raise BadInvitation(field="/invite")
    return role, email, name or email


def _first_people(home: Path, invited: list[tuple[str, str, str]], machine: str) -> dict[str, Any]:
    """Invite people, each by a link that works once, and make a staff key."""
    from meterhall.web.accounts.service import invite
    from meterhall.web.staff.service import create_staff_key

    links = {email: invite(email=email, name=name, role=role) for role, email, name in invited}
    return {"home": str(home), "links": links, "staff_key": create_staff_key(machine) if machine else None}


def _setting(text: str) -> tuple[str, object]:
    name, found, value = text.partition("=")
    if not (name and found):
        raise BadSettingArgument(field="/set")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _initialise(role: str) -> None:
    if role == "marketplace":
        from meterhall.marketplace.players.service import initialise

        initialise()


def player_commands(role: str, commands: typer.Typer) -> None:
    """The commands of a provider or a requester towards the Market Place."""

    @commands.command()
    def enrol(
        home: HomeOption,
        legal_id: Annotated[str, typer.Option(help="KIND:VALUE with KIND one of EIC, LEI, VAT, GLN.")],
        activity: Annotated[Activity, typer.Option(help=f"What the organisation is: {', '.join(get_args(Activity))}.")],
    ) -> None:
        """Apply at the Market Place; prints the access number."""
        from meterhall.client.enrolling import legal_id_of

        legal = legal_id_of(legal_id)
        django_ready(role, home)
        from meterhall.web.membership.service import enrol as apply

        view = apply(legal, (role,), activity)  # type: ignore[arg-type]
        out.print(f"{view.access_number} ({view.status})", markup=False)

    @commands.command("declare-addresses")
    def declare_addresses(home: HomeOption) -> None:
        """Tell the Market Place, and by it our partners, the addresses that are set now."""
        django_ready(role, home)
        from meterhall.web.membership.service import declare_endpoints

        there = declare_endpoints().player.endpoints
        out.print(f"The Market Place names {there.b2b}, portal {there.portal}.", markup=False)
