"""`meterhall client …`: a requester's engineer without a platform. Up to the contract; data: `client_data`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.markup import escape

from meterhall.cli.shared import err, out, table_of
from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.base import FormatName, GranularityName
from meterhall.domain.protocol.offers import ServiceType
from meterhall.domain.protocol.players import Activity

if TYPE_CHECKING:
    import polars as pl

    from meterhall.client import Meterhall, Progress, Subscription

client = typer.Typer(no_args_is_help=True, help="A requester without a platform: from a list of points to a file.")
ClientOption = Annotated[
    str, typer.Option("--client", envvar="METERHALL_CLIENT", help="The client's name, or its folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
SignerOption = Annotated[str, typer.Option("--signer", help="Who signs; asks for the passphrase (or reads it).")]
TimeoutOption = Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.")]
DAY_S = 86_400.0


@dataclass
class Patience:
    """How long calls that fail for reasons that may pass are repeated, in this process."""

    seconds: float = 300.0


_patience = Patience()


@client.callback()
def root(
    patience: Annotated[
        float,
        typer.Option(
            envvar="METERHALL_CLIENT_PATIENCE", min=0.0, help="Seconds to repeat calls that fail for what may pass."
        ),
    ] = 300.0,
) -> None:
    _patience.seconds = patience


class WhichClient(InvalidInput):
    code = "which_client"
    title = "Name the client with --client or METERHALL_CLIENT."


@contextmanager
def connected(name: str, quiet: bool = False) -> Iterator[Meterhall]:
    """The client of this name, or the only one there is; with a progress bar where somebody watches."""
    from meterhall.client import Meterhall

    connect = partial(Meterhall.connect, _chosen(name), patience_s=_patience.seconds)
    with watching(quiet or not err.is_terminal) as on_progress, connect() as hall:
        hall.watch(on_progress)
        yield hall


def _chosen(name: str) -> str | Path:
    from meterhall.client.home import folder_of

    if name:
        return name
    homes = [card.parent for card in folder_of("x").parent.glob("*/client.json")]
    if len(homes) != 1:
        raise WhichClient(field="/client")
    return homes[0]


_bars: list[Any] = []
"""The bars on the screen."""


@contextmanager
def _shown(bars: Any) -> Iterator[None]:
    _bars.append(bars)
    try:
        yield
    finally:
        _bars.remove(bars)


@contextmanager
def watching(quiet: bool) -> Iterator[Any]:
    """What a client tells its progress to: a bar on standard error, or nobody."""
    if quiet:
        yield None
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Bars(*columns, TimeElapsedColumn(), console=err, transient=True) as bars, _shown(bars):
        tasks: dict[str, Any] = {}

        def told(progress: Progress) -> None:
            task = tasks.get(progress.step)
            if task is None:
                task = tasks[progress.step] = bars.add_task(progress.step, total=progress.total)
            bars.update(task, completed=progress.done, total=progress.total, description=_words(progress))

        yield told


def _words(progress: Progress) -> str:
    return f"{progress.step} {progress.unit}" if progress.unit != "bytes" else progress.step


def passphrase_of(question: str, *, twice: bool = False) -> str:
    """A passphrase: typed, or the first line of standard input where nobody types. No bar runs over the question."""
    if sys.stdin.isatty():
        for bars in _bars:
            bars.stop()
        typed = str(typer.prompt(question, hide_input=True, confirmation_prompt=twice, err=True))
        for bars in _bars:
            bars.start()
        return typed
    return sys.stdin.readline().rstrip("\n")


def show(rows: pl.DataFrame, as_json: bool, columns: tuple[str, ...]) -> None:
    """A frame as a table of these columns, or whole as JSON."""
    found = rows.to_dicts()
    out.print_json(data=found, default=str) if as_json else out.print(table_of(_filled(found), columns))


def _filled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: "" if value is None else value for name, value in row.items()} for row in rows]


@client.command()
def init(
    name: Annotated[str, typer.Argument(help="How the client is called here, or its folder.")],
    marketplace: Annotated[str, typer.Option(help="Base URL of the Market Place (players).")],
    organisation: Annotated[str, typer.Option(help="The organisation's name.")],
    country: Annotated[str, typer.Option(help="ISO 3166 country code.")],
    address: Annotated[str, typer.Option(help="An https address of the organisation; nothing needs to answer there.")],
    contact: Annotated[str, typer.Option(help="Whom others may write to.")],
    trust: Annotated[Path | None, typer.Option(help="Authorities to trust besides the system's (PEM).")] = None,
    redirect: Annotated[list[str] | None, typer.Option(help="Where customers come back after consenting.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a client's home: keys, and the Market Place it speaks to. Asks for the signer's passphrase."""
    from meterhall.client import create

    home = create(
        name,
        marketplace=marketplace,
        organisation=organisation,
        country=country,
        address=address,
        contact=contact,
        passphrase=passphrase_of("A passphrase for the contract key", twice=True),
        trust=trust.read_bytes() if trust else b"",
        redirect_uris=tuple(redirect or ()),
    )
    if as_json:
        out.print_json(data={"home": str(home.path)})
        return
    out.print(f"{organisation} is ready in {home.path}. Next: meterhall client enrol --client {name}", markup=False)


@client.command()
def enrol(
    legal_id: Annotated[str, typer.Option(help="KIND:VALUE with KIND one of EIC, LEI, VAT, GLN.")],
    activity: Annotated[Activity, typer.Option(help=f"What the organisation is: {', '.join(get_args(Activity))}.")],
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """Apply at the Market Place; prints the access number."""
    with connected(client, as_json) as hall:
        view = hall.enrol(legal_id, activity)
    if as_json:
        out.print_json(data={"access_number": view.access_number, "status": view.status})
    else:
        out.print(f"{view.access_number} ({view.status})", markup=False)


@client.command("declare-addresses")
def declare_addresses(
    client: ClientOption = "",
    address: Annotated[str | None, typer.Option(help="Another https address of the organisation.")] = None,
    redirect: Annotated[
        list[str] | None, typer.Option(help="Where customers come back now; the earlier ones are no longer valid.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the Market Place, and by it our partners, where we are now."""
    with connected(client, as_json) as hall:
        there = hall.declare_addresses(address=address, redirect_uris=redirect or None).endpoints
    if as_json:
        out.print_json(data={"address": there.b2b, "redirect_uris": list(there.redirect_uris)})
    else:
        out.print(f"The Market Place names {there.b2b}; customers come back to:", markup=False)
        out.print("\n".join(there.redirect_uris) or "nowhere", markup=False)


@client.command()
def status(client: ClientOption = "", as_json: JsonOption = False) -> None:
    """How we stand: admission, general contract, contracts, activations."""
    with connected(client, as_json) as hall:
        standing = hall.standing()
        contracts = [_contract(one) for one in hall.subscriptions()] if standing.player.status == "admitted" else []
        activations = [{"activation": one.id, "provider": one.provider} for one in hall.activations()]
    told = {
        "access_number": standing.player.access_number,
        "status": standing.player.status,
        "reason": standing.reason,
        "general_contract_signed": standing.general_contract_signed,
        "subscriptions": contracts,
        "activations": activations,
    }
    if as_json:
        out.print_json(data=told)
        return
    signed = "signed" if standing.general_contract_signed else "not signed"
    out.print(f"{told['access_number']}: {told['status']}, general contract {signed}", markup=False)
    if contracts:
        out.print(table_of(contracts, ("subscription", "state", "provider", "title")))
    if activations:
        out.print(table_of(activations, ("activation", "provider")))


def _contract(one: Subscription) -> dict[str, Any]:
    return {
        "subscription": one.id,
        "state": one.state,
        "provider": one.provider,
        "title": one.contract.offer.title,
        "access_until": one.contract.access_until.isoformat(),
    }


@client.command()
def terms(signer: SignerOption, client: ClientOption = "", timeout: TimeoutOption = DAY_S) -> None:
    """Wait to be admitted, then sign the general contract, once."""
    with connected(client) as hall:
        hall.wait_admitted(timeout)
        hall.sign_terms(hall.signer(signer, passphrase_of(f"Passphrase of {signer}")))
    out.print("The general contract is signed.")


@client.command()
def search(
    text: Annotated[str, typer.Argument(help="Words of title, summary or provider.")] = "",
    country: Annotated[str, typer.Option(help="ISO 3166 country code.")] = "",
    granularity: Annotated[GranularityName | None, typer.Option(help="Slots of this length.")] = None,
    format: Annotated[FormatName | None, typer.Option(help="A file format.")] = None,
    service_type: Annotated[ServiceType | None, typer.Option(help="What is offered.")] = None,
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """Offers that have everything asked for."""
    with connected(client, as_json) as hall:
        found = hall.search(
            text=text or None, country=country or None, granularity=granularity, format=format,
            service_type=service_type,
        )  # fmt: skip
    if as_json:
        out.print_json(data=[one.document() for one in found])
        return
    rows = [
        {
            "offer": one.offer_id,
            "provider": one.provider_name,
            "title": one.offer.title,
            "granularities": " ".join(one.offer.scope.granularities),
            "price": f"{one.offer.price.amount} {one.offer.price.currency} {one.offer.price.per}",
        }
        for one in found
    ]
    out.print(table_of(rows, ("offer", "provider", "title", "granularities", "price")))


@client.command()
def wish(
    country: Annotated[list[str], typer.Option(help="ISO 3166 country code; repeatable.")],
    customers: Annotated[int, typer.Option(help="How many customers we need it for.")],
    granularity: Annotated[GranularityName, typer.Option(help="Slots of this length.")] = "PT15M",
    format: Annotated[FormatName | None, typer.Option(help="A file format.")] = None,
    first: Annotated[str, typer.Option("--from", help="Of readings from this day on, YYYY-MM-DD; else all.")] = "",
    until: Annotated[str, typer.Option("--until", help="The day after the last.")] = "",
    text: Annotated[str, typer.Option(help="What it is for; providers may read it.")] = "",
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say what we need; prints what fits now, and `client news` tells when a new offer does."""
    formats, period = (format,) if format else (), (first, until) if first or until else None
    with connected(client, as_json) as hall:
        made = hall.wish(country, customers, text=text, granularities=(granularity,), formats=formats, period=period)
    if as_json:
        out.print_json(data=made.document())
        return
    rows = [{"offer": one.offer_id, "fits": one.fits, "why not": "; ".join(one.reasons)} for one in made.matches]
    out.print(f"{made.wish_id} {made.status}", markup=False)
    if rows:
        out.print(table_of(rows, ("offer", "fits", "why not")))


@client.command()
def wishes(
    close: Annotated[str, typer.Option(help="Stop looking for the wish of this id.")] = "",
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """What we look for."""
    with connected(client, as_json) as hall:
        if close:
            hall.close_wish(close)
        found = hall.wishes()
    if as_json:
        out.print_json(data=[one.document() for one in found])
        return
    rows = [
        {
            "wish": one.wish_id,
            "status": one.status,
            "countries": " ".join(one.wish.countries),
            "customers": one.wish.customers,
            "fitting offers": sum(match.fits for match in one.matches),
        }
        for one in found
    ]
    out.print(table_of(rows, ("wish", "status", "countries", "customers", "fitting offers")))


@client.command()
def localise(
    file: Annotated[Path, typer.Argument(help="CSV with a column pod; country, postcode, municipality where needed.")],
    save: Annotated[Path | None, typer.Option("--out", help="Write every line with its answer to this CSV.")] = None,
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """Who holds each point. Numbers are tested here; only what names the operator is sent."""
    import polars as pl

    with connected(client, as_json) as hall:
        found = hall.localise(file)
    frame = found.frame.with_columns(pl.col("offers").list.join(" "))
    if save is not None:
        frame.write_csv(save)
    if as_json:
        show(frame, True, ())
        return
    numbered = frame.with_row_index("line", 1)
    show(numbered, False, ("line", "scheme", "provider", "operator", "offers", "code"))
    out.print(f"{len(found) - len(found.unresolved)} of {len(found)} localised", markup=False)


@client.command()
def subscribe(
    offer: Annotated[str, typer.Argument(help="The offer's id.")],
    option: Annotated[list[str] | None, typer.Option(help="An option of the offer; repeatable.")] = None,
    repository: Annotated[
        str, typer.Option(help="Where deliveries may be pushed: https://…, sftp://host/folder, s3://bucket/folder.")
    ] = "",
    signer: SignerOption = "",
    wait: Annotated[bool, typer.Option(help="Wait until the contract is in force.")] = True,
    timeout: TimeoutOption = DAY_S,
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """The contract under an offer; signed where a signer is named, else it waits for one (`client sign`)."""
    with connected(client, as_json) as hall:
        key = hall.signer(signer, passphrase_of(f"Passphrase of {signer}")) if signer else None
        made = hall.subscribe(offer, tuple(option or ()), signer=key, repository=repository or None)
        if wait:
            made.wait(timeout)
        _say(made, as_json)


@client.command()
def sign(
    subscription: Annotated[str, typer.Argument(help="The subscription's id.")],
    signer: SignerOption,
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show a contract and sign it."""
    with connected(client, as_json) as hall:
        found = hall.subscription(subscription)
        if not as_json:
            out.print(found.text(), markup=False)
        found.sign(hall.signer(signer, passphrase_of(f"Passphrase of {signer}")))
        _say(found, as_json)


@client.command("quit")
def quit_contract(
    subscription: Annotated[str, typer.Argument(help="The subscription's id.")],
    reason: Annotated[str, typer.Option(help="Why; the provider reads it.")] = "",
    client: ClientOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a contract and all that runs under it."""
    with connected(client, as_json) as hall:
        found = hall.subscription(subscription)
        found.quit(reason)
        _say(found, as_json)


def _say(one: Subscription, as_json: bool) -> None:
    if as_json:
        out.print_json(data=_contract(one))
    else:
        out.print(f"{one.id} {one.state}: {escape(one.contract.offer.title)}")
