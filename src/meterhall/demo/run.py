"""`meterhall demo`: set the stage, run the ten steps, say what happened, and keep the portals up until Ctrl-C."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from meterhall.demo import consenting, delivering, registration, trading
from meterhall.demo.cards import CardAuthority
from meterhall.demo.cast import Operator, operators
from meterhall.demo.launch import Plan, Town, free_ports
from meterhall.demo.report import draw, guide, summary
from meterhall.demo.stage import GUEST, Stage, Step

ENDS = (signal.SIGTERM, signal.SIGHUP)
"""What ends the demo as Ctrl-C does; the second comes when its terminal is closed."""
LOOK_S = 1.0
STEPS: tuple[tuple[str, Callable[[Stage, Step], None]], ...] = (
    ("Service Registration", registration.register),
    ("Service Search", trading.search),
    ("Service Request", trading.wish),
    ("DSO Localization", trading.localise),
    ("Service Subscription", trading.subscribe),
    ("Service Activation", consenting.activate),
    ("Customer Consent Check", consenting.consent),
    ("Data Calculation", delivering.calculate),
    ("Data Transmission", delivering.transmit),
    ("Data Collection", delivering.collect),
)


def run_demo(
    *,
    once: bool,
    home: Path | None = None,
    result: Path | None = None,
    databases: Mapping[str, str] | None = None,
    console: Console | None = None,
) -> int:
    """Run the demo; the exit code. `databases` maps a platform's key to its PostgreSQL URL; others embed SQLite."""
    console = console or Console(highlight=False, soft_wrap=True)
    if result is not None:
        result.write_text("")  # refused now rather than after the steps
    folder = home or Path(tempfile.mkdtemp(prefix="meterhall-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    stage = Stage(Town(folder, databases or {}), operators(), CardAuthority.create(), console.print)
    before = {number: signal.signal(number, signal.default_int_handler) for number in ENDS}  # as Ctrl-C does
    try:
        began = time.monotonic()
        _set(stage, console)
        _play(stage, console)
        console.print(f"\nThe ten steps took {time.monotonic() - began:.0f} s, starting the platforms included.\n")
        summary(stage, console)
        draw(stage, console, (home or Path("demo-home")) / "load-curve.svg")
        if not once:
            guide(stage, console)
            _wait(stage.town, console)
    finally:
        stage.town.stop()
        if result is not None:
            result.write_text(json.dumps(stage.outcome.document(), indent=1) + "\n")
        if home is None:
            shutil.rmtree(folder, ignore_errors=True)
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0 if all(step.ok for step in stage.outcome.steps) and len(stage.outcome.steps) == len(STEPS) else 1


def _set(stage: Stage, console: Console) -> None:
    """Make and start the five platforms."""
    console.print("[bold]Meterhall demo[/] · operators, customers and PODs are fictitious; the meters were real:")
    console.print("  Spain, Belgium: households in Belgium, 2016 (OpenGrid) · Italy: homes in California (CityLearn),")
    console.print("  which name no year: their time axis is assigned to 2016\n")
    with console.status("Making five platforms, each with its own keys and database …"):
        stage.town.create(plans(stage.operators))
        stage.cards.save(stage.town.folder)
        for operator in stage.operators:
            stage.cards.trust(stage.town.platforms[operator.key].home / "trust" / "consent")
    with console.status("Starting them …"):
        stage.town.start()


def plans(cast: tuple[Operator, ...]) -> list[Plan]:
    """The five platforms: what `meterhall <role> init` is told.

    The meters of 2016 that stood still for weeks are shown as they are: nobody is there to release what they sent.
    """
    ports = free_ports(2 * (2 + len(cast)))
    quick: dict[str, object] = {"worker_poll_ms": 100, "log_level": "WARNING"}
    hall = Plan(
        "marketplace", "marketplace", "Meterhall demo hall", "BE", (ports[0], ports[1]),
        (
            ("operator", "operator@hall.invalid", "Olga Operator"),
            ("operator", f"{GUEST}operator@hall.invalid", "Guest Operator"),
            ("auditor", f"{GUEST}auditor@hall.invalid", "Guest Auditor"),
        ),
        quick,
    )  # fmt: skip
    marketplace = f"https://localhost:{ports[0]}"
    players = [
        Plan(
            "provider", operator.key, operator.name, operator.country, (ports[2 + 2 * n], ports[3 + 2 * n]),
            _people(operator.key), quick | {"zone": operator.zone, "stuck_hours": 0}, marketplace,
        )
        for n, operator in enumerate(cast)
    ]  # fmt: skip
    requester = Plan(
        "requester", "requester", "Clear Energy Advice (fictitious)", "FR", (ports[-2], ports[-1]),
        _people("requester"), quick, marketplace,
    )  # fmt: skip
    return [hall, *players, requester]


def _people(key: str) -> tuple[tuple[str, str, str], ...]:
    return (
        ("signer", f"signer@{key}.invalid", f"Sam Signer ({key})"),
        ("signer", f"{GUEST}signer@{key}.invalid", "Guest Signer"),
        ("staff", f"{GUEST}staff@{key}.invalid", "Guest Staff"),
    )


def _play(stage: Stage, console: Console) -> None:
    for name, act in STEPS:
        with stage.step(name) as step:
            act(stage, step)
        console.print(f"    [dim]{step.seconds:.1f} s[/]")


def _wait(town: Town, console: Console) -> None:
    """Until Ctrl-C, SIGTERM, or the terminal is closed; a platform that ends before is told of."""
    stop = threading.Event()
    for number in (signal.SIGINT, *ENDS):
        signal.signal(number, lambda *_: stop.set())
    told: set[str] = set()
    while not stop.wait(LOOK_S):
        for one in town.ended():
            if one.key not in told:
                console.print(
                    f"[red]{one.key} has ended[/]; its last words are in {one.home / 'serve.log'}. The others go on."
                )
            told.add(one.key)
