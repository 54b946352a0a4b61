"""Write the reference pages that come out of the code (`python docs/generate.py`); a test holds them current."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
PLATFORMS = ("marketplace", "provider", "requester")


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


def errors() -> str:
    """Every code an API may refuse with, and every reason a POD is refused for."""
    from meterhall.domain.errors import MeterhallError
    from meterhall.domain.protocol.activations import REFUSALS

    def below(kind: type[MeterhallError]) -> Iterator[type[MeterhallError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    known = {kind.code: kind for kind in below(MeterhallError) if kind.__module__.startswith("meterhall.")}
    rows = [(f"`{code}`", known[code].status, known[code].title) for code in sorted(known)]
    reasons = [(f"`{code}`", sentence) for code, sentence in REFUSALS.items()]
    return (
        "# Error codes\n\nEvery refusal is `application/problem+json` (RFC 9457) with a stable `code`, a sentence in "
        "`detail` and, where one field is at fault, its JSON Pointer in `field`.\n\n"
        + table(("code", "status", "what it says"), rows)
        + "\n## Why a POD is refused\n\nThe `code` of an activation's answer for one POD.\n\n"
        + table(("code", "what it says"), reasons)
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
        (f"`{kind}`", model.__name__, ", ".join(f"`{name}`" for name in model.model_fields))
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


def openapi(platform: str) -> Callable[[], str]:
    """The published interface of a platform's B2B listener."""

    def write() -> str:
        api: Any = importlib.import_module(f"meterhall.{platform}.api").b2b
        return json.dumps(api.get_openapi_schema(path_prefix="/"), indent=1, default=str, sort_keys=False) + "\n"

    return write


def staff_openapi(platform: str) -> Callable[[], str]:
    """The back-office interface of a player's platform."""

    def write() -> str:
        api: Any = importlib.import_module(f"meterhall.{platform}.api").staff
        return json.dumps(api.get_openapi_schema(path_prefix="/api/"), indent=1, default=str, sort_keys=False) + "\n"

    return write


def pages() -> dict[str, Callable[[], str]]:
    """Name of each generated page and what writes it."""
    return {
        "errors.md": errors,
        "settings.md": settings,
        "messages.md": messages,
        **{f"openapi-{platform}.json": openapi(platform) for platform in PLATFORMS},
        **{f"openapi-{platform}-office.json": staff_openapi(platform) for platform in ("provider", "requester")},
    }


def main() -> None:
    load_everything()
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, write in pages().items():
        (PAGES / name).write_text(write())


if __name__ == "__main__":
    main()
