"""`meterhall …`: make, run and look after a platform, and the demo. A platform is imported when a command needs it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from meterhall import __version__
from meterhall.domain.errors import InvalidInput, MeterhallError, Unavailable
from meterhall.domain.protocol.players import Activity, LegalIdentifier

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The open EU market hall for smart-metering data.",
    pretty_exceptions_enable=False,
)
ca = typer.Typer(no_args_is_help=True, help="A local certificate authority, for machines without one.")
app.add_typer(ca, name="ca")

Part = StrEnum("Part", ["b2b", "portal", "worker"])
MARKS = {"ok": "[green]ok[/]  ", "bad": "[red]bad[/] ", "todo": "[yellow]todo[/]"}
HomeOption = Annotated[Path, typer.Option("--home", help="The platform's folder.", envvar="METERHALL_HOME")]


class BadLegalId(InvalidInput):
    code = "bad_legal_id_argument"
    title = "A legal id is written KIND:VALUE with KIND one of EIC, LEI, VAT, GLN: LEI:529900T8BM49AURSDO55."


class BadInvitation(InvalidInput):
    code = "bad_invitation"
    title = "A person is invited as ROLE:EMAIL:NAME, for example signer:sam@grid.example:Sam Signer."


class BadSettingArgument(InvalidInput):
    code = "bad_setting_argument"
    title = "A setting is given as NAME=VALUE, for example zone=Europe/Brussels."


class NobodyNamed(InvalidInput):
    code = "nobody_named"
    title = "Name the access numbers to admit, or give --waiting for everybody who waits."


class UnusableFile(InvalidInput):
    code = "unusable_file"
    title = "A file or folder cannot be read or written."


class DatabaseUnusable(Unavailable):
    code = "database_unusable"
    title = "The database cannot be used."


class NoLogKey(InvalidInput):
    code = "no_log_key"
    title = "Give the log's key with --log-key or --keys: a proof under a key from the file itself would prove nothing."


class UnreadableFile(InvalidInput):
    code = "unreadable_file"
    title = "A file is missing, or it is not a proof file or a list of keys."


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


def django_ready(role: str, home: Path) -> None:
    """Load the Django project of the platform in `home`, and see that its database answers."""
    load_project(role, home)
    from django.db import Error, connection

    try:
        connection.ensure_connection()
    except Error as fault:
        raise DatabaseUnusable(f"The database cannot be used: {' '.join(str(fault).split())}.") from None


def load_project(role: str, home: Path) -> None:
    """Load the Django project of the platform in `home`."""
    import django

    from meterhall.web.home import Home, NoHome
    from meterhall.web.logs import configure_logs

    config = Home(home).config
    if config.role != role:
        raise NoHome(f"{home} holds a {config.role}, not a {role}.")
    os.environ |= {"METERHALL_HOME": str(home), "DJANGO_SETTINGS_MODULE": f"meterhall.{role}.settings"}
    configure_logs(role, "cli", "ERROR", "text")
    django.setup()


def migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)


def platform_commands(role: str) -> typer.Typer:
    """The commands every platform has."""
    commands = typer.Typer(no_args_is_help=True, help=f"Make, run and look after a {role}.")

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
            django_ready(role, home)
            migrate()
            _initialise(role)
            made = _first_people(home, people, machine)
        except BaseException:
            new.discard()
            raise
        if as_json:
            out.print_json(data=made)
            return
        for email, link in made["links"].items():
            out.print(f"{email}: {link}", markup=False)
        if machine:
            out.print(f"staff key {machine}: {made['staff_key']}", markup=False)
        said = f"{role.capitalize()} {name} is ready in {home}. Next: meterhall {role} serve --home {home}"
        out.print(said, markup=False)

    @commands.command()
    def serve(
        home: HomeOption,
        part: Annotated[list[Part] | None, typer.Option(help="Only this part: b2b, portal or worker.")] = None,
    ) -> None:
        """Serve the B2B listener, the portal and the worker; Ctrl-C stops."""
        from meterhall.web.serve import PARTS, Supervisor

        django_ready(role, home)
        migrate()
        raise typer.Exit(Supervisor(role, home.resolve(), tuple(one.value for one in part) if part else PARTS).run())

    @commands.command()
    def check(home: HomeOption) -> None:
        """Say what is wrong with the platform, and what is missing before it can go live."""
        load_project(role, home)
        from meterhall.web.check import run_checks

        results = run_checks()
        for result in results:
            out.print(f"{MARKS[result.state]} {escape(f'{result.name}: {result.detail}')}")
        raise typer.Exit(0 if all(result.state == "ok" for result in results) else 1)

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

    return commands


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
        from pydantic import ValidationError

        kind, _, value = legal_id.partition(":")
        try:
            legal = LegalIdentifier.model_validate({"kind": kind.upper(), "value": value})
        except ValidationError:
            raise BadLegalId(field="/legal-id") from None
        django_ready(role, home)
        from meterhall.web.membership.service import enrol as apply

        view = apply(legal, (role,), activity)  # type: ignore[arg-type]
        out.print(f"{view.access_number} ({view.status})", markup=False)


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Table:
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(escape(str(row.get(column, ""))) for column in columns))
    return table


marketplace = platform_commands("marketplace")
provider = platform_commands("provider")
requester = platform_commands("requester")
player_commands("provider", provider)
player_commands("requester", requester)
app.add_typer(marketplace, name="marketplace")
app.add_typer(provider, name="provider")
app.add_typer(requester, name="requester")


@marketplace.command()
def players(home: HomeOption, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the players."""
    django_ready("marketplace", home)
    from meterhall.marketplace.players.models import Player

    rows = [
        {"access_number": row.access_number, "organisation": row.organisation, "status": row.status}
        for row in Player.objects.order_by("access_number")
    ]
    out.print_json(data=rows) if as_json else out.print(_table(rows, ("access_number", "organisation", "status")))


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

    numbers = list(access_number or [])
    if waiting:
        numbers += list(Player.objects.filter(status="applied").values_list("access_number", flat=True))
    for number in numbers:
        admit_player(number, by="operator@cli")
        out.print(f"{number} admitted")
    if not numbers:
        out.print("Nobody waits.")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A proof file (JSON).")],
    log_key: Annotated[str, typer.Option(help="The log's verifier key, from a source you trust.")] = "",
    keys: Annotated[Path | None, typer.Option(help="Trusted verifier keys, one a line: the log's, witnesses'.")] = None,
    witnesses: Annotated[int, typer.Option(help="Fewest trusted witnesses that must have cosigned.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Verify offline that a statement stands in the Market Place's log, under keys you trust."""
    from pydantic import ValidationError

    from meterhall.domain.protocol.log import ProofFile
    from meterhall.domain.transparency.notes import SIGNATURE, parse_keys
    from meterhall.domain.transparency.proofs import verify_proof_file

    try:
        proof = ProofFile.model_validate_json(file.read_bytes())
        trusted = parse_keys([log_key, *(keys.read_text("utf-8").splitlines() if keys else [])])
    except (OSError, UnicodeDecodeError, ValidationError) as fault:
        raise UnreadableFile(f"{UnreadableFile.title} ({type(fault).__name__})") from None
    if not any(key.kind == SIGNATURE for key in trusted):
        raise NoLogKey(f"The file claims to be of the log {proof.checkpoint.partition(chr(10))[0]}. {NoLogKey.title}")
    proven = verify_proof_file(proof, trusted, least_witnesses=witnesses)
    if as_json:
        out.print_json(data=proven.document())
        return
    for line in proven.sentences():
        out.print(f"[green]holds[/] {escape(line)}")


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when the steps are done.")] = False,
    home: Annotated[Path | None, typer.Option(help="Where the demo's platforms live; empty: a fresh folder.")] = None,
    result: Annotated[Path | None, typer.Option("--json", help="Also write what happened to this file.")] = None,
) -> None:
    """The ten steps on real meters, on this machine."""
    from meterhall.demo.run import run_demo

    raise typer.Exit(run_demo(once=once, home=home, result=result))


def main(run: Callable[[], Any] = app) -> None:
    """The console entry: a refusal is one sentence and exit code 2, and so is a file that can't be read or written."""
    try:
        run()
    except MeterhallError as refusal:
        _refuse(refusal)
    except OSError as fault:
        if fault.filename is None:
            raise
        _refuse(UnusableFile(f"{fault.filename}: {fault.strerror}."))


def _refuse(refusal: MeterhallError) -> None:
    err.print(f"[red]{refusal.code}[/]: {escape(refusal.detail)}")
    sys.exit(2)


if __name__ == "__main__":
    main()
