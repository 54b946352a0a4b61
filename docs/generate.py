"""Write the reference pages that come out of the code (`python docs/generate.py`); a test holds them current."""

from __future__ import annotations

import ast
import importlib
import json
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
PLATFORMS = ("marketplace", "provider", "requester")
PLATFORM_NAMES = {"marketplace": "Market Place", "provider": "provider", "requester": "requester"}


def load_everything() -> None:
    """Import every module of the package, so that every error, event and call is known."""
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    import meterhall

    django.setup()
    for module in pkgutil.walk_packages(meterhall.__path__, "meterhall."):
        if not module.name.endswith(".settings") and ".migrations" not in module.name:
            importlib.import_module(module.name)


def table(head: tuple[str, ...], rows: Iterator[tuple[object, ...]] | list[tuple[object, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += [
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows
    ]
    return "\n".join(lines) + "\n"


def error_classes() -> dict[str, list[type[Any]]]:
    """Every error that sets a code of its own, by code."""
    from meterhall.domain.errors import MeterhallError

    def below(kind: type[MeterhallError]) -> Iterator[type[MeterhallError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    found: dict[str, list[type[Any]]] = {}
    for kind in below(MeterhallError):
        if kind.__module__.startswith("meterhall.") and "code" in vars(kind) and kind not in found.get(kind.code, []):
            found.setdefault(kind.code, []).append(kind)
    return found


def _error_row(code: str, kinds: list[type[Any]]) -> tuple[object, ...]:
    statuses = sorted({kind.status for kind in kinds})
    titles = sorted({kind.title for kind in kinds})
    places = sorted({kind.__module__.removeprefix("meterhall.").split(".")[0] for kind in kinds})
    return f"`{code}`", ", ".join(map(str, statuses)), " / ".join(titles), ", ".join(places)


def oauth_codes() -> dict[str, tuple[str, str]]:
    """Codes of the authorization server: code -> (OAuth's own word, the sentence), read from where they are raised."""
    from meterhall.authserver import errors as kit

    kinds = {name: kind for name, kind in vars(kit).items() if isinstance(kind, type) and issubclass(kind, kit.Refusal)}
    found = {kind.code: (kind.error, kind.description) for kind in kinds.values()}
    found |= {code: (code, said) for code, said in kit.OF_AUTHLIB.items()}
    for path in sorted((ROOT / "src" / "meterhall" / "authserver").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds):
                continue
            kind = kinds[node.func.id]
            said = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else kind.description
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    found.setdefault(str(keyword.value.value), (kind.error, str(said)))
    return found


def errors() -> str:
    """Every code an API may refuse with, and every reason a POD is refused for."""
    from meterhall.domain.pods.localise import UNRESOLVED
    from meterhall.domain.protocol.activations import REFUSALS

    known = error_classes()
    return (
        "# Error codes\n\nEvery refusal is `application/problem+json` (RFC 9457) with a stable `code`, a sentence in "
        "`detail` and, where one field is at fault, its JSON Pointer in `field`. The last column names the part of the "
        "source that raises it: `domain` and `web` are shared by all platforms, `cli` prints it, the others are "
        "platforms.\n\n"
        + table(
            ("code", "status", "what it says", "raised in"), [_error_row(code, known[code]) for code in sorted(known)]
        )
        + "\n## Codes of the authorization server\n\nAnswers of `/oauth/token` and `/oauth/par` carry OAuth's own "
        "`error` and `error_description`, and beside them `code` and `detail`. At a protected call the same code "
        "stands in the member `reason` of the problem where it is finer than `code`.\n\n"
        + table(
            ("code", "OAuth `error`", "what it says"),
            [(f"`{code}`", f"`{word}`", said) for code, (word, said) in sorted(oauth_codes().items())],
        )
        + "\n## Why a POD is refused\n\nThe `code` of an activation's answer for one POD.\n\n"
        + table(("code", "what it says"), [(f"`{code}`", sentence) for code, sentence in REFUSALS.items()])
        + "\n## Why an item is not localised\n\nThe `code` of a localisation's answer for one item; the codes that "
        "begin with `pod_` in the first table occur as well.\n\n"
        + table(("code", "what it says"), [(f"`{code}`", sentence) for code, sentence in UNRESOLVED.items()])
    )


def settings() -> str:
    """Every setting of a platform."""
    from meterhall.web.config import PREFIX, Config

    rows = [
        (
            f"`{name}`",
            f"`{PREFIX}{name.upper()}`",
            "needed" if field.is_required() else f"`{json.dumps(field.default)}`",
            field.description,
        )
        for name, field in Config.model_fields.items()
    ]
    return (
        "# Settings\n\nA setting stands in `config.toml` in the platform's home, or in the environment, which wins. "
        "An unknown one is refused. `DATABASE_URL` is read as `database_url`.\n\n"
        + table(("setting", "environment", "default", "meaning"), rows)
    )


def messages() -> str:
    """Events and statements."""
    from typing import get_args

    from meterhall.domain.protocol.events import DATA
    from meterhall.domain.protocol.statements import StatementType

    events = [
        (
            f"`{kind}`",
            f"[{model.__name__}](data-dictionary.md#{model.__name__.lower()})",
            ", ".join(f"`{name}`" for name in model.model_fields),
        )
        for kind, model in DATA.items()
    ]
    return (
        "# Events and statements\n\n## Events\n\n"
        + "CloudEvents 1.0, posted to the other party's inbox and signed (RFC 9421).\n\n"
        + table(("type", "data", "members"), events)
        + "\n## Statements\n\nSigned audit facts, sent to the Market Place's log.\n\n"
        + "\n".join(f"- `{kind}`" for kind in get_args(StatementType))
        + "\n"
    )


def validation() -> str:
    """The rules a reading must keep to enter the lake."""
    from meterhall.domain.readings.judging import FEWEST
    from meterhall.domain.readings.rows import MANTISSA_MAX
    from meterhall.domain.readings.rules import Rule
    from meterhall.provider.metering.register import DIRECTION, UNKNOWN
    from meterhall.provider.metering.service import HOUR_S, LONGEST_DAY_S, LONGEST_MONTH_S
    from meterhall.provider.metering.working import MONTH_DAYS, STUCK_DAYS
    from meterhall.web.config import Config

    usual = {name: Config.model_fields[name].default for name in Config.model_fields}
    rows = [(f"`{rule.id}`", rule.name.lower(), rule.sentence, "yes" if rule.may_pass else "") for rule in Rule]
    of_register = zip((UNKNOWN, DIRECTION), ("unknown_pod", "direction"), strict=True)
    rows += [(f"`{code}`", name, sentence, "") for (code, sentence), name in of_register]
    return (
        "# Validation rules\n\nA provider checks each row it ingests. A row that breaks a rule is kept out and listed "
        "with the id of the first rule it breaks; the others of its file enter. Nothing is corrected or filled in.\n\n"
        + table(("id", "name", "what is wrong", "may be released"), rows)
        + "\nA slot for which no row ever comes is a gap as well. It breaks no rule: the delivery counts it as "
        "`missing`. Two rows that overlap are of one slot, and so repeated or contradicting, or else misaligned.\n\n"
        "A row kept out by a judgement may be right after all: whoever looked into it "
        "[releases](../operators/provider.md#rows-set-aside) it. The others cannot be kept as they are: hand in what "
        "is right, or register the metering point and hand the file in again.\n\n"
        "## What a connection can carry\n\n"
        "Of a point whose `maximum_power_w` is [kept](../operators/provider.md#what-is-kept-of-a-point), no slot may "
        "have more energy than that power over its length, in either direction; of the others none more than the "
        f"setting `maximum_power_w` ({usual['maximum_power_w']:g} unless you say more: none). A civil day counts as "
        f"{LONGEST_DAY_S // HOUR_S} hours and a month as {LONGEST_MONTH_S // HOUR_S}: those in which the clock is put "
        f"back. What is beyond {MANTISSA_MAX:,} units of the scale of its series can never be kept and breaks "
        f"`{Rule.UNIT.id}`.\n\n"
        "## Spikes and stuck values\n\n"
        f"A value is a spike where it is more than `spike_times` ({usual['spike_times']:g}) times what 95 in 100 "
        "values of its series in the file do not exceed, and its mean power is above `spike_floor_w` "
        f"({usual['spike_floor_w']:,.0f} W). Fewer than {FEWEST} values of a series are not judged.\n\n"
        f"Values are stuck where `stuck_hours` ({usual['stuck_hours']:g}) hours or more of them do not change at a "
        f"mean power of at least `stuck_floor_w` ({usual['stuck_floor_w']:g} W). Zero is never stuck. "
        f"Civil days are stuck after {STUCK_DAYS} of them, civil months never; for a spike a month counts as "
        f"{MONTH_DAYS} days.\n\n"
        "Both look at one file at a time. They are [settings](settings.md) of the provider; 0 turns them off. With "
        "these defaults no value of the 38 households measured for a year that we tried them on is a spike (the "
        "highest exceeded what is usual by 15), and five stretches of 14 to 55 days are of stuck values.\n"
    )


def profiles() -> str:
    """What a profile of files of readings may say."""
    from meterhall.provider.metering.intake.profile import Columns, Profile

    def shown(value: object) -> str:
        return "" if value in ("", None, {}) else f"`{json.dumps(value, default=str)}`"

    def settings_of(model: Any, *, without: str = "") -> list[tuple[str, str, str]]:
        defaults = model().model_dump(mode="json")
        return [
            (f"`{name}`", shown(defaults[name]), field.description or "")
            for name, field in model.model_fields.items()
            if name != without
        ]

    return (
        "# Profiles of files of readings\n\nA profile says what a file looks like. It is `intake/NAME.toml` in the "
        "provider's home; an unknown setting is refused. How it is used: [a provider](../operators/provider.md).\n\n"
        + table(("setting", "default", "meaning"), settings_of(Profile, without="columns"))
        + "\n## `[columns]`\n\n"
        + table(("setting", "default", "meaning"), settings_of(Columns))
    )


def pods() -> str:
    """The schemes of points of delivery."""
    from meterhall.domain.pods import DEMONSTRATION_OPERATOR, SCHEMES

    rows = [
        (
            f"`{one.code}`",
            one.country,
            one.name,
            ", ".join(map(str, sorted(one.lengths))),
            f"`{one.operator_grammar.pattern}`" if one.operator_grammar else "",
            f"`{one.stem}`" if one.stem else "",
            "checked" if one.check else "",
            f"`{DEMONSTRATION_OPERATOR[one.code]}`" if one.code in DEMONSTRATION_OPERATOR else "",
        )
        for one in SCHEMES
    ]
    head = (
        "scheme", "country", "name", "characters", "operator part", "stands after", "check digits", "demonstration",
    )  # fmt: skip
    return (
        "# Points of delivery\n\nThe schemes `meterhall.domain.pods` reads. The operator part is what names the grid "
        "operator, as a regular expression, and stands after the characters of the next column; a scheme without one "
        "is localised by place. Spaces, dots and case are forgiven when a POD is read.\n\n" + table(head, rows)
    )


def metrics() -> str:
    """Every figure of `/metrics`."""
    from meterhall.web.metrics import DESCRIBED

    rows = [
        (f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels), one.help)
        for _, one in sorted(DESCRIBED.items())
    ]
    return (
        "# Metrics\n\n`/metrics` on both listeners, in Prometheus' text format, to this machine only. Scrape both: "
        "counters and histograms are those of the one process that answers. Gauges are read from the database at the "
        "scrape and are the same on both, so take one of them (`max by`), not their sum. A platform shows the figures "
        "of its own role; `process_*` and `python_*` come with them. No label holds a POD, a party or an id: `route` "
        "is the pattern of the address, `queue` a table.\n\n"
        + table(("figure", "kind", "labels", "what it says"), rows)
        + "\nWorth an alarm: `meterhall_database_up == 0`; `meterhall_work_dead > 0`; `meterhall_work_late_seconds` "
        "over a minute (the worker is down or overwhelmed); `meterhall_outbox_oldest_seconds` over an hour (another "
        "platform cannot be reached); `meterhall_log_entries - meterhall_log_published_entries` that keeps growing.\n"
    )


def diagram(machine: Mapping[tuple[str, str], str], first: str) -> str:
    """A Mermaid state diagram of a table."""
    ends = sorted(set(machine.values()) - {state for state, _ in machine})
    lines = [f"[*] --> {first}"]
    lines += [f"{state} --> {following}: {command}" for (state, command), following in machine.items()]
    lines += [f"{state} --> [*]" for state in ends]
    return "```mermaid\nstateDiagram-v2\n" + "".join(f"    {line}\n" for line in lines) + "```\n"


def states() -> str:
    """What may happen to a player, an offer version and a subscription."""
    from meterhall.domain.market import states as tables

    shown = (
        ("Player", tables.PLAYER, "applied", "The operator of the Market Place admits, refuses, suspends, reinstates."),
        ("Offer version", tables.OFFER_VERSION, "draft", "Contracts under a withdrawn version keep running."),
        ("Subscription", tables.SUBSCRIPTION, "drafted", "It is suspended while one of its parties is."),
    )
    parts = ["# States\n\nWhat is not drawn is not allowed: the call answers 409 `wrong_state` and names what is.\n"]
    for name, machine, first, sentence in shown:
        rows = [(f"`{at}`", f"`{command}`", f"`{after}`") for (at, command), after in machine.items()]
        parts.append(
            f"## {name}\n\n{sentence}\n\n{diagram(machine, first)}\n" + table(("state", "command", "becomes"), rows)
        )
    return "\n".join(parts)


def commands() -> dict[str, Any]:
    """Every command of `meterhall`, by its full name."""
    from typer.main import get_command

    from meterhall.cli import app

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        children = getattr(command, "commands", {})
        if not children:
            yield name, command
        for child in children:
            yield from below(f"{name} {child}", children[child])

    return dict(below("meterhall", get_command(app)))


def cli() -> str:
    """The command line."""
    parts = [
        "# Command line\n\nA refusal is one sentence on standard error with its code, and exit code 2. "
        "`meterhall COMMAND --help` shows the same as this page.\n"
    ]
    for name, command in commands().items():
        rows = [_parameter_row(one) for one in command.params]
        parts.append(f"## `{name}`\n\n{command.help or ''}\n\n" + table(("parameter", "", "meaning"), rows))
    return "\n".join(parts)


def _parameter_row(parameter: Any) -> tuple[object, ...]:
    is_argument = parameter.param_type_name == "argument"
    names = [(parameter.metavar or parameter.name).upper()] if is_argument else parameter.opts
    empty = parameter.default is None or callable(parameter.default) or parameter.default in ("", False, [], ())
    shown = "needed" if parameter.required else "" if empty else f"`{parameter.default}`"
    return " ".join(f"`{name}`" for name in names), shown, getattr(parameter, "help", None) or ""


def openapi(platform: str) -> Callable[[], str]:
    """The published interface of a platform's B2B listener."""

    def write() -> str:
        api: Any = importlib.import_module(f"meterhall.{platform}.api").b2b
        return json.dumps(api.get_openapi_schema(path_prefix="/"), indent=1, default=str, sort_keys=False) + "\n"

    return write


def staff_openapi(platform: str) -> Callable[[], str]:
    """The back-office interface of a platform."""

    def write() -> str:
        api: Any = importlib.import_module(f"meterhall.{platform}.api").staff
        return json.dumps(api.get_openapi_schema(path_prefix="/api/"), indent=1, default=str, sort_keys=False) + "\n"

    return write


def readable(name: str, write: Callable[[], str]) -> Callable[[], str]:
    """An OpenAPI document as a page to read."""
    platform, office = name.removesuffix("-office"), name.endswith("-office")
    role = PLATFORM_NAMES[platform]
    lead = (
        f"What a back office, or a program of the house, may ask of its own {role}, on the portal's address."
        if office
        else f"What other platforms may ask of a {role}, on its B2B address."
    )

    def page() -> str:
        from docs import api_pages

        title = f"{role[0].upper()}{role[1:]}: {'back office' if office else 'B2B'} interface"
        return api_pages.page(title, lead, json.loads(write()), f"openapi-{name}.json")

    return page


def dictionary() -> str:
    """Every object of the protocol, and what a reading is."""
    from docs import dictionary

    return dictionary.page({platform: json.loads(openapi(platform)()) for platform in PLATFORMS})


def draw() -> None:
    """Draw the diagrams of all pages that have no picture yet, and drop those no page shows any more."""
    from tools.diagrams import FOLDER, diagram_name, texts

    wanted = {diagram_name(text): text for text in texts()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.svg"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        if not (FOLDER / name).exists():
            import mermaidx

            (FOLDER / name).write_text(mermaidx.render(text).svg())


def pages() -> dict[str, Callable[[], str]]:
    """Name of each generated page and what writes it."""
    documents = {platform: openapi(platform) for platform in PLATFORMS}
    documents |= {f"{platform}-office": staff_openapi(platform) for platform in PLATFORMS}
    return {
        "errors.md": errors,
        "settings.md": settings,
        "messages.md": messages,
        "pods.md": pods,
        "metrics.md": metrics,
        "profiles.md": profiles,
        "validation.md": validation,
        "states.md": states,
        "cli.md": cli,
        "data-dictionary.md": dictionary,
        **{f"openapi-{name}.json": write for name, write in documents.items()},
        **{f"api-{name}.md": readable(name, write) for name, write in documents.items()},
    }


def main() -> None:
    load_everything()
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, write in pages().items():
        (PAGES / name).write_text(write())
    draw()


if __name__ == "__main__":
    main()
