"""`meterhall client …`, the second half: activate points, wait for answers, fetch curves, follow changes and events."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer
from rich.markup import escape

from meterhall.cli.client import DAY_S, ClientOption, JsonOption, TimeoutOption, client, connected, show
from meterhall.cli.shared import out
from meterhall.domain.errors import InvalidInput, Unavailable
from meterhall.domain.protocol.base import Compression, FormatName, GranularityName
from meterhall.domain.readings.granularity import UnknownGranularity

if TYPE_CHECKING:
    import polars as pl

    from meterhall.client import Activation, Answers, Completeness
    from meterhall.client.proofs import Proof

ActivationArgument = Annotated[str, typer.Argument(help="The activation's id.")]
FromOption = Annotated[str, typer.Option("--from", help="The first day, YYYY-MM-DD; the offer's where not given.")]
UntilOption = Annotated[str, typer.Option("--until", help="The day after the last.")]
PackingOption = Annotated[Compression, typer.Option("--compression", help="How the provider packs the files it sends.")]
SaveOption = Annotated[Path | None, typer.Option("--out", help="A .parquet, .csv or .jsonl file; else CSV here.")]
SHOWN = ("state", "code", "detail", "advice")


class OneProof(InvalidInput):
    code = "one_proof"
    title = (
        "Give one proof: --ask-customer, --evidence FILE, --consents FILE, or --stated FILE with --purpose and "
        "--access-until."
    )


class BadInstant(InvalidInput):
    code = "bad_instant"
    title = "An instant or day is written as in ISO 8601: 2027-05-24."


class FileUnwritable(Unavailable):
    code = "file_unwritable"
    title = "The file cannot be written."


class UnknownEnding(InvalidInput):
    code = "unknown_ending"
    title = "A frame is written to a file that ends in .parquet, .csv or .jsonl."


@client.command("ask")
def ask_consent(
    subscription: Annotated[str, typer.Argument(help="The subscription's id.")],
    purpose: Annotated[str, typer.Option(help="What the data is needed for, as the customer reads it.")],
    access_until: Annotated[str, typer.Option(help="Until when, YYYY-MM-DD.")],
    first: FromOption = "",
    until: UntilOption = "",
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask a customer on the provider's page; prints the address to send the customer to."""
    from meterhall.client import Need

    need = Need(purpose, _instant(access_until))
    with connected(client, as_json) as hall:
        asked = hall.subscription(subscription).ask_consent(need, period=_period(first, until))
    out.print_json(data={"url": asked.url, "state": asked.state}) if as_json else typer.echo(asked.url)


@client.command("consent")
def take_consent(
    answer: Annotated[str, typer.Argument(help="The whole address the customer came back to.")],
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take what a customer brought back from the provider's page; prints the consent's id."""
    with connected(client, as_json) as hall:
        given = hall.take_consent(answer)
    if as_json:
        details = [one.document() for one in given.details]
        out.print_json(data={"consent": given.consent_id, "subscription": given.subscription_id, "details": details})
    else:
        typer.echo(given.consent_id)


@client.command()
def activate(
    subscription: Annotated[str, typer.Argument(help="The subscription's id.")],
    file: Annotated[Path, typer.Argument(help="CSV with a column pod; lines of other providers are passed over.")],
    ask_customer: Annotated[bool, typer.Option("--ask-customer", help="The provider asks each customer.")] = False,
    evidence: Annotated[Path | None, typer.Option(help="CSV with pod and jws: consents customers signed.")] = None,
    consents: Annotated[Path | None, typer.Option(help="CSV with pod and consent: given on its page.")] = None,
    stated: Annotated[Path | None, typer.Option(help="CSV with pod and holder_reference: we state it.")] = None,
    purpose: Annotated[str, typer.Option(help="With --stated: what the customer consented to.")] = "",
    access_until: Annotated[str, typer.Option(help="With --stated: until when, YYYY-MM-DD.")] = "",
    first: FromOption = "",
    until: UntilOption = "",
    granularity: Annotated[str, typer.Option(help="Comma-separated, as PT1H,P1D; the offer's where empty.")] = "",
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """Activate points under a contract; prints the activation's id. The same again is the same activation."""
    proof = _proof(ask_customer, evidence, consents, stated, purpose, access_until)
    with connected(client, as_json) as hall:
        contract = hall.subscription(subscription)
        made = contract.activate(
            _pods(file, contract.provider),
            proof,
            period=_period(first, until),
            granularities=_granularities(granularity),
        )
    _sent(made, "wait", as_json)


@client.command("areas")
def activate_areas(
    subscription: Annotated[str, typer.Argument(help="The subscription's id.")],
    first: FromOption = "",
    until: UntilOption = "",
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """Activate a contract without points, for sums over areas; prints the activation's id."""
    with connected(client, as_json) as hall:
        made = hall.subscription(subscription).activate_areas(period=_period(first, until))
    _sent(made, "group", as_json)


def _sent(made: Activation, following: str, as_json: bool) -> None:
    if as_json:
        out.print_json(data={"activation": made.id, "provider": made.provider})
    else:
        out.print(f"{made.id} sent. Next: meterhall client {following} {made.id}", markup=False)


def _pods(file: Path, provider: str) -> pl.DataFrame:
    """The lines of a list; of one that was localised, those of this provider."""
    import polars as pl

    from meterhall.client.pods import lines_of

    lines = [line for line in lines_of(file) if line.beside.get("provider", provider) == provider]
    columns = {"pod": [line.written for line in lines], "country": [line.country for line in lines]}
    return pl.DataFrame(columns, schema={"pod": pl.String, "country": pl.String})


def _proof(
    ask: bool, evidence: Path | None, consents: Path | None, stated: Path | None, purpose: str, access_until: str
) -> Proof:
    from meterhall.client.proofs import GivenConsents, SignedByCustomer, StatedByUs

    if [ask, evidence is not None, consents is not None, stated is not None].count(True) != 1:
        raise OneProof
    if evidence is not None:
        return SignedByCustomer.from_csv(evidence)
    if consents is not None:
        return GivenConsents.from_csv(consents)
    if stated is not None:
        if not purpose or not access_until:
            raise OneProof
        return StatedByUs.from_csv(stated, purpose, _instant(access_until))
    return "ask_customer"


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInstant(
            f"{text[:40]!r} is no day or instant of the calendar: write it as 2027-05-24.", field="/access_until"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _period(first: str, until: str) -> tuple[str, str] | None:
    return (first, until) if first or until else None


def _granularities(text: str) -> tuple[GranularityName, ...] | None:
    """Raises `UnknownGranularity`."""
    named = [one.strip() for one in text.split(",") if one.strip()]
    for one in named:
        if one not in get_args(GranularityName):
            raise UnknownGranularity(
                f"{one[:40]!r} is none of {', '.join(get_args(GranularityName))}.", field="/granularity"
            )
    return cast(tuple[GranularityName, ...], tuple(named)) or None


@client.command()
def wait(
    activation: ActivationArgument,
    customers: Annotated[bool, typer.Option("--customers", help="Also until every customer has decided.")] = False,
    timeout: TimeoutOption = 7 * DAY_S,
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """Wait for the provider's answers; prints one line a point, the points in the order of the list."""
    with connected(client, as_json) as hall:
        found = hall.activation(activation).wait(timeout, customers=customers)
    _show_answers(found, as_json)


def _show_answers(found: Answers, as_json: bool) -> None:
    frame = found.frame
    if as_json:
        show(frame, True, ())
        return
    show(frame.with_row_index("point", 1), False, ("point", *SHOWN))
    counts = (len(found.accepted), len(found.refused), len(found.pending))
    out.print("{} accepted, {} refused, {} pending".format(*counts), markup=False)


@client.command()
def fetch(
    activation: ActivationArgument,
    first: FromOption = "",
    until: UntilOption = "",
    granularity: Annotated[GranularityName | None, typer.Option(help="Slots of this length.")] = None,
    format: Annotated[FormatName | None, typer.Option(help="The format to transfer; the fastest where empty.")] = None,
    compression: PackingOption = "none",
    save: SaveOption = None,
    timeout: TimeoutOption = 7 * DAY_S,
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """Load curves into a file, and what is missing of them. Killed, it goes on where it stopped."""
    _check_ending(save)
    with connected(client, as_json) as hall:
        made = hall.activation(activation)
        found = made.load_curves(
            _period(first, until), granularity, format=format, compression=compression, timeout_s=timeout
        )
    _give(found.frame, save, as_json)
    if as_json:
        out.print_json(data=_report(found.completeness, found.manifest.delivery_id, save), default=str)
    elif save is not None:
        out.print(f"{found.completeness}; {found.frame.height} rows in {save}", markup=False)


@client.command()
def live(
    activation: ActivationArgument,
    pod: Annotated[str, typer.Option(help="Of this point alone; else of every accepted one.")] = "",
    first: FromOption = "",
    until: UntilOption = "",
    granularity: Annotated[GranularityName | None, typer.Option(help="Slots of this length.")] = None,
    format: Annotated[FormatName | None, typer.Option(help="The format to transfer; the fastest where empty.")] = None,
    save: SaveOption = None,
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """Load curves as the provider has them at this moment: at once, without manifest and receipt."""
    _check_ending(save)
    with connected(client, as_json) as hall:
        made = hall.activation(activation)
        found = made.live_curves(_period(first, until), granularity, pods=[pod] if pod else None, format=format)
    _give(found.frame, save, as_json)
    if as_json:
        out.print_json(data=_report(found.completeness, None, save), default=str)
    elif save is not None:
        out.print(f"{found.completeness}; {found.frame.height} rows in {save}", markup=False)


@client.command()
def group(
    activation: ActivationArgument,
    first: FromOption = "",
    until: UntilOption = "",
    granularity: Annotated[GranularityName | None, typer.Option(help="Slots of this length.")] = None,
    measures: Annotated[str, typer.Option(help="Comma-separated: sum, mean, p10, p25, p50, p75, p90.")] = "sum",
    area: Annotated[str, typer.Option(help="Over the provider's points in this grid area.")] = "",
    usage_class: Annotated[str, typer.Option(help="With --area: of this class of customer only.")] = "",
    postal_code: Annotated[str, typer.Option(help="Over the provider's points with this postal code.")] = "",
    compression: PackingOption = "none",
    save: SaveOption = None,
    timeout: TimeoutOption = 7 * DAY_S,
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """The sum or other measures of a group: of the activation's points, or of an area. Never a member's values."""
    _check_ending(save)
    named = {"area": area, "usage_class": usage_class, "postal_code": postal_code}
    over = {name: value for name, value in named.items() if value}
    with connected(client, as_json) as hall:
        found = hall.activation(activation).group_curves(
            _period(first, until),
            granularity,
            over=over or None,
            measures=measures.split(","),
            compression=compression,
            timeout_s=timeout,
        )
    _give(found.frame, save, as_json)
    if as_json:
        months = [one.document() for one in found.months]
        out.print_json(data={"delivery": found.manifest.delivery_id, "file": str(save or "") or None, "months": months})
    elif save is not None:
        out.print(f"{found}; {found.frame.height} rows in {save}", markup=False)


@client.command()
def forecast(
    activation: ActivationArgument,
    granularity: Annotated[GranularityName | None, typer.Option(help="Slots of this length.")] = None,
    day: Annotated[str, typer.Option(help="The provider's tomorrow, YYYY-MM-DD; ours where empty.")] = "",
    measures: Annotated[str, typer.Option(help="Of the group, comma-separated: sum, mean, p50, …")] = "",
    area: Annotated[str, typer.Option(help="Of the provider's points in this grid area.")] = "",
    usage_class: Annotated[str, typer.Option(help="With --area: of this class of customer only.")] = "",
    postal_code: Annotated[str, typer.Option(help="Of the provider's points with this postal code.")] = "",
    compression: PackingOption = "none",
    save: SaveOption = None,
    errors: Annotated[Path | None, typer.Option(help="A file for the errors of the back-test.")] = None,
    timeout: TimeoutOption = 7 * DAY_S,
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """What is expected of tomorrow, of each point or of a group, and how wrong the same method was before."""
    for path in (save, errors):
        _check_ending(path)
    named = {"area": area, "usage_class": usage_class, "postal_code": postal_code}
    over = {name: value for name, value in named.items() if value}
    with connected(client, as_json) as hall:
        made = hall.activation(activation)
        if over or measures:
            wanted = (measures or "sum").split(",")
            found = made.group_forecasts(
                granularity,
                day=day or None,
                over=over or None,
                measures=wanted,
                compression=compression,
                timeout_s=timeout,
            )
        else:
            found = made.forecasts(granularity, day=day or None, compression=compression, timeout_s=timeout)
    _give(found.frame, save, as_json)
    if errors is not None:
        _write(found.errors, errors)
    if as_json:
        tables = {"errors": found.errors.to_dicts(), "absent": found.absent.to_dicts()}
        told = {"delivery": found.manifest.delivery_id, "day": found.day, "file": str(save or "") or None, **tables}
        out.print_json(data=told, default=str)
    elif save is not None:
        out.print(f"{found}; {found.frame.height} rows in {save}", markup=False)


def _give(frame: pl.DataFrame, save: Path | None, as_json: bool) -> None:
    if save is not None:
        _write(frame, save)
    elif not as_json:
        typer.echo(frame.write_csv(), nl=False)


def _report(report: Completeness, delivery: str | None, save: Path | None) -> dict[str, Any]:
    return {
        "delivery": delivery,
        "file": str(save) if save else None,
        "expected": report.expected,
        "present": report.present,
        "missing": report.missing,
        "complete": report.is_complete,
        "pods": report.frame.to_dicts(),
        "gaps": report.gaps.to_dicts(),
    }


def _check_ending(save: Path | None) -> None:
    if save is not None and save.suffix not in {".parquet", ".csv", ".jsonl"}:
        raise UnknownEnding(field="/out")
    if save is not None and not save.parent.is_dir():
        raise FileUnwritable(f"There is no folder {save.parent}.", field="/out")


def _write(frame: pl.DataFrame, path: Path) -> None:
    """The frame in a file, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    try:
        if path.suffix == ".parquet":
            frame.write_parquet(fresh)
        elif path.suffix == ".csv":
            frame.write_csv(fresh)
        else:
            frame.write_ndjson(fresh)
        fresh.replace(path)
    except OSError as fault:
        fresh.unlink(missing_ok=True)
        raise FileUnwritable(f"{path}: {fault.strerror or 'it cannot be written'}.", field="/out") from None


@client.command()
def changes(
    activation: ActivationArgument,
    folder: Annotated[Path | None, typer.Option("--out", help="A folder, one Parquet file a page; else CSV.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="From the beginning.")] = False,
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """What is new or corrected since the last time; how far you came is kept in the client's home."""
    with connected(client, as_json) as hall:
        told = _follow(hall.activation(activation), folder, restart, as_json)
    if as_json:
        out.print_json(data=told)
    elif folder is not None:
        out.print(f"{sum(one['rows'] for one in told)} rows in {len(told)} files", markup=False)


def _follow(activation: Activation, folder: Path | None, restart: bool, as_json: bool) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for page in activation.changes(restart=restart):
        file = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"{activation.id}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.parquet"
            _write(page.frame, file)
        elif not as_json:
            typer.echo(page.frame.write_csv(include_header=not told), nl=False)
        told.append({"rows": page.frame.height, "file": str(file) if file else None})
    return told


@client.command()
def news(client: ClientOption = "", as_json: JsonOption = False) -> None:
    """The events that wait for us; each is taken off its feed."""
    rows: list[dict[str, Any]] = []
    with connected(client, as_json) as hall:
        for one in hall.news():
            row = {"at": one.at.isoformat(), "type": one.type, "sender": one.sender, "subject": one.subject}
            rows.append(row | {"data": one.data.document()})
            if not as_json:
                out.print(escape(f"{row['at']} {one.type} {one.subject} from {one.sender}"))
    if as_json:
        out.print_json(data=rows)
