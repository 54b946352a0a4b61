"""The pages of the documentation that show the pictures: every page of the portals, every component."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tools.pictures.routes import COMPONENTS, PAGES, PLATFORMS, ROOT, WITHOUT, components, name_of, pages, routes

TITLES = {
    "": "For everybody", "marketplace": "Market Place", "provider": "Provider", "requester": "Requester",
}  # fmt: skip
DOCS = ROOT / "docs" / "pictures"


def page_of_pages() -> str:
    """Every page, by platform, with its address and its pictures; those without, with the reason."""
    addresses = _addresses()
    parts = [
        "# Every page of the portals\n\nAs desktop and phone show them. The pictures are those of the "
        "[demo](../tutorials/demo.md): operators, companies and customers are fictitious. `make pictures` "
        "takes them anew.\n"
    ]
    for platform, title in TITLES.items():
        names = [name for name in pages() if _platform(name) == platform and name not in WITHOUT]
        parts.append(f"## {title}\n")
        parts += [f"### `/{addresses[name]}`\n\n{_shots(name)}\n" for name in names]
    parts.append("## What is not there\n\nThe page that refuses, here for an address nobody serves.\n")
    parts.append(f"{_shots('refusal')}\n\n## Addresses without a picture\n\n| address | why |\n| --- | --- |")
    parts += [f"| `/{addresses[name]}` | {WITHOUT[name]} |" for name in pages() if name in WITHOUT]
    return "\n".join(parts) + "\n"


def _addresses() -> dict[str, str]:
    found: dict[str, str] = {}
    for platform in PLATFORMS:
        for route in routes(platform):
            found.setdefault(name_of(platform, route), route)
    return found


def _platform(name: str) -> str:
    first = name.split("-")[0]
    return first if first in PLATFORMS else ""


def _shots(name: str) -> str:
    """The pictures of a page, light, then dark where there are some."""
    lines = []
    for suffix, said in (("", ""), ("-dark", ", dark")):
        if (PAGES / f"{name}-desktop{suffix}.webp").exists():
            lines += [
                f"![{name} on a {size}{said}](pages/{name}-{size}{suffix}.webp){{ .shot .{size} loading=lazy }}"
                for size in ("desktop", "phone")
            ]
    return "\n".join(lines)


def page_of_components() -> str:
    """Every component with what it takes and its states, light and dark."""
    parts = [
        "# Components of the portals\n\nThe kit of `meterhall.web.portal`: includes from `portal/components/`, each "
        "with the names it takes, in all its states, light and dark. A platform started with the setting `debug_kit` "
        "shows them at `/kit`.\n"
    ]
    for name in components():
        shown = "\n".join(_states(name))
        parts.append(f"## `{name}`\n\n{_takes(name)}\n\n{shown}\n")
    return "\n".join(parts)


def _states(name: str) -> Iterator[str]:
    for path in sorted(COMPONENTS.glob("*-light.webp")):
        state = path.stem.removesuffix("-light")
        if state.partition("+")[0] == name:
            said = state.replace("+", ", ")
            for looks in ("light", "dark"):
                yield f"![{said}, {looks}](components/{state}-{looks}.webp){{ .shot loading=lazy }}"


def _takes(name: str) -> str:
    """What the first line of the template says it takes."""
    first = (ROOT / "src/meterhall/web/portal/templates/portal/components" / f"{name}.html").read_text().splitlines()[0]
    said = first.partition("{#")[2].partition("#}")[0].strip()
    return f"Takes: {said}." if said else "Takes nothing by itself: it is on every page."


def write() -> list[Path]:
    """Write both pages."""
    made = {DOCS / "pages.md": page_of_pages(), DOCS / "components.md": page_of_components()}
    for path, text in made.items():
        path.write_text(text)
    return list(made)
