"""`meterhall provider …`: what a grid operator's engineer does from a shell."""

from __future__ import annotations

import getpass
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from meterhall.cli.platform import platform_commands, player_commands
from meterhall.cli.shared import HomeOption, django_ready, out, table_of
from meterhall.domain.errors import InvalidInput

if TYPE_CHECKING:
    from meterhall.provider.metering.models import IngestRun

provider = platform_commands("provider")
player_commands("provider", provider)
points = typer.Typer(no_args_is_help=True, help="Metering points and who holds them.")
offer = typer.Typer(no_args_is_help=True, help="Offers at the Market Place.")
provider.add_typer(points, name="points")
provider.add_typer(offer, name="offer")

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


METHODS = ("linear", "like_day", "load_profile")


class UnknownMethod(InvalidInput):
    code = "unknown_method"
    title = "A method of estimation is linear, like_day or load_profile."


class BadOfferFile(InvalidInput):
    code = "bad_offer_file"
    title = "The file is not an offer as the protocol describes it."


@provider.command()
def ingest(
    home: HomeOption,
    files: Annotated[list[Path], typer.Argument(help="Files of readings.", metavar="FILES")],
    resolution: Annotated[
        str, typer.Option(help="How long a value's slot is: PT15M, PT1H, …; ESPI and CIM say it.")
    ] = "",
    profile: Annotated[str, typer.Option(help="What the files look like: a profile of HOME/intake/.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Take in files of readings and wait until they are worked in; exit code 1 where one is refused."""
    django_ready("provider", home)
    from meterhall.provider.metering.intake import PLAIN, load_profile
    from meterhall.provider.metering.service import take_readings
    from meterhall.web.platform import platform
    from meterhall.web.work.engine import work_off

    described = load_profile(platform().home.path, profile) if profile else PLAIN
    for file in files:
        file.open("rb").close()  # none is taken where one cannot be read
    runs = []
    for file in files:
        with file.open("rb") as content:
            runs.append(take_readings(content, resolution, name=file.name, profile=described))
    found = []
    for run in runs:
        with out.status(f"Working in {escape(run.name)} …"):
            work_off(run)
        run.refresh_from_db()
        found.append(_came_of(run))
        if not as_json:
            _print_run(found[-1])
    if as_json:
        out.print_json(data={"runs": found})
    raise typer.Exit(0 if all(one["state"] == "done" for one in found) else 1)


def _came_of(run: IngestRun) -> dict[str, Any]:
    """What came of a file, and which rules its rows broke how often."""
    from meterhall.provider.metering.api import run_view

    rules = Counter(run.quarantine.values_list("rule", "sentence"))
    view = run_view(run).document()
    return view | {
        "rules": [{"rule": rule, "sentence": sentence, "rows": n} for (rule, sentence), n in rules.most_common()]
    }


def _print_run(run: dict[str, Any]) -> None:
    said = (
        f"run {run['run']} {run['state']}: {run['rows']:,} rows, {run['days_written']:,} days written, "
        f"{run['days_unchanged']:,} with nothing new, {run['quarantined']:,} rows set aside"
    )
    if run.get("problem"):
        said = f"run {run['run']} {run['state']}: {run['problem']}"
    out.print(f"{run['name']}: {said}", markup=False)
    for rule in run["rules"]:
        out.print(f"  {rule['rule']}  {rule['rows']:,} rows  {rule['sentence']}", markup=False)


RunArgument = Annotated[int, typer.Argument(help="The number of the run.", metavar="RUN")]
RuleOption = Annotated[str, typer.Option(help="All rows that break this rule: V10, …")]
RowOption = Annotated[
    list[int] | None, typer.Option("--row", help="The row at this place in the file, from 1 on; several may be given.")
]
ReasonOption = Annotated[str, typer.Option(help="Why; it is kept with the decision.")]


@provider.command()
def release(
    home: HomeOption,
    run: RunArgument,
    rule: RuleOption = "",
    row: RowOption = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let rows of a file that were set aside by a judgement into the lake as they are."""
    _decide(home, run, True, rule, row or [], reason, as_json)


@provider.command()
def refuse(
    home: HomeOption,
    run: RunArgument,
    rule: RuleOption = "",
    row: RowOption = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Keep rows of a file that were set aside out for good."""
    _decide(home, run, False, rule, row or [], reason, as_json)


def _decide(home: Path, run: int, releases: bool, rule: str, rows: list[int], reason: str, as_json: bool) -> None:
    django_ready("provider", home)
    from meterhall.provider.metering.api import decision_view, run_of
    from meterhall.provider.metering.release import decide
    from meterhall.web.work.engine import work_off

    by = f"shell:{getpass.getuser()}"
    decision = decide(run_of(run), releases=releases, by=by, rule=rule, rows=rows, reason=reason)
    work_off(decision)
    decision.refresh_from_db()
    view = decision_view(decision).document()
    if as_json:
        out.print_json(data=view)
        return
    out.print(f"run {run}: {view['released']:,} rows released, {view['refused']:,} refused, "
              f"{view['overtaken']:,} kept out since their slot has another value by now")  # fmt: skip


@provider.command()
def estimate(
    home: HomeOption,
    pod: Annotated[str, typer.Argument(help="The POD.", metavar="POD")],
    first: Annotated[datetime, typer.Option(help="The first civil day.", formats=["%Y-%m-%d"])],
    until: Annotated[datetime, typer.Option(help="The day after the last one.", formats=["%Y-%m-%d"])],
    method: Annotated[str, typer.Option(help="linear, like_day or load_profile.")],
    direction: Annotated[str, typer.Option(help="import, export or net.")] = "import",
    shape: Annotated[Path | None, typer.Option(help="A file of readings with the shape of a load profile.")] = None,
    profile: Annotated[str, typer.Option(help="What that file looks like: a profile of HOME/intake/.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Estimate the values that are missing of a metering point on these days; nothing that is there is changed."""
    if method not in METHODS:
        raise UnknownMethod(field="/method")
    django_ready("provider", home)
    from meterhall.domain.readings.estimation import Method
    from meterhall.provider.metering.estimate import estimate as carry_out
    from meterhall.provider.metering.intake import PLAIN, load_profile

    described = load_profile(home, profile) if profile else PLAIN
    made = carry_out(
        pod, (first.date(), until.date()), Method(method), by=f"shell:{getpass.getuser()}", direction=direction,
        shape=(shape, described) if shape else None,
    )  # fmt: skip
    if as_json:
        out.print_json(data={"method": method, "missing": made.missing, "estimated": made.estimated})
        return
    left = made.missing - made.estimated
    out.print(f"{made.missing:,} values were missing: {made.estimated:,} estimated ({method}), {left:,} left missing")


@provider.command()
def files(home: HomeOption, as_json: JsonOption = False) -> None:
    """List the files of readings that came in last, and what came of each."""
    django_ready("provider", home)
    from meterhall.provider.metering.api import run_view
    from meterhall.provider.metering.models import IngestRun

    rows = [run_view(run).document() for run in IngestRun.objects.order_by("-pk")[:20]]
    columns = ("run", "name", "received_at", "state", "rows", "days_written", "quarantined")
    out.print_json(data={"runs": rows}) if as_json else out.print(table_of(rows, columns))


@points.command("import")
def import_points(
    home: HomeOption,
    file: Annotated[
        Path,
        typer.Argument(help="CSV: pod, zone, area, postal_code, holder_reference, from, until, …; or CIM AP 1.04."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Create or update metering points with their holders and meters from a file; all or none."""
    django_ready("provider", home)
    from meterhall.provider.points.service import import_points as register

    taken = register(file)
    if as_json:
        out.print_json(data=taken.document())
        return
    out.print(f"{taken.created:,} points are new, {taken.updated:,} were known and are as the file says.")


@offer.command("publish")
def publish(
    home: HomeOption,
    file: Annotated[Path, typer.Argument(help="The offer as JSON.")],
    as_json: JsonOption = False,
) -> None:
    """Register an offer at the Market Place and publish it; a certificate is needed."""
    from pydantic import ValidationError

    from meterhall.domain.protocol.offers import Offer

    try:
        given = Offer.model_validate_json(file.read_bytes())
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        where = "/" + "/".join(map(str, first["loc"]))
        raise BadOfferFile(f"{file}, {where}: {first['msg'].removeprefix('Value error, ')}.", field=where) from None
    django_ready("provider", home)
    from meterhall.provider.offers.service import draft_offer, publish_offer

    view = publish_offer(draft_offer(given).offer_id)
    if as_json:
        out.print_json(data=view.document())
        return
    out.print(f"{view.offer_id} version {view.version} is {view.status}: {view.offer.title}", markup=False)


@offer.command("list")
def offers(home: HomeOption, as_json: JsonOption = False) -> None:
    """List our offers as the Market Place last showed them."""
    django_ready("provider", home)
    from meterhall.provider.offers.models import OwnOffer

    columns = ("offer_id", "version", "status", "title")
    rows: list[dict[str, Any]] = [dict(row) for row in OwnOffer.objects.order_by("offer_id").values(*columns)]
    out.print_json(data={"offers": rows}) if as_json else out.print(table_of(rows, columns))
