"""The pages of the documentation as the tests read them: blocks, links, HTTP messages.

What a fenced block promises is in its info string:

- `python` runs, the blocks of a page one after the other in one namespace;
- `console` runs in an empty folder: `$ ` begins a command, other lines must stand in the output;
- `python town` and `console town` run on real platforms, one after the other (`tests/e2e/sdk`);
- `console parsed` needs running platforms, so that its commands are only read: options, subcommands, make targets;
- `http` is a request or a response as on the wire; it must fit the OpenAPI document of the platform its host names;
- `json` is JSON; `json Model` is a document of that model of the protocol.

A value may be shortened with `…`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```$", re.S | re.M)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.M)


@dataclass(frozen=True)
class Block:
    """A fenced block: what kind, with which further words, where."""

    page: Path
    line: int
    kind: str
    words: tuple[str, ...]
    body: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class HttpMessage:
    """A request (method, path, host) or a response (status)."""

    place: str
    first: tuple[str, ...]
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def is_response(self) -> bool:
        return self.first[0].startswith("HTTP/")


def pages() -> list[Path]:
    """Every page a reader may open."""
    docs = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")] + docs


def blocks(page: Path, kind: str = "") -> Iterator[Block]:
    """The fenced blocks of a page, of one kind or of all."""
    text = page.read_text()
    for match in FENCE.finditer(text):
        words = match["info"].split()
        indent = len(match["indent"])
        body = "".join(line[indent:] if line.strip() else line for line in match["body"].splitlines(keepends=True))
        found = words[0] if words else ""
        if not kind or found == kind:
            yield Block(page, text.count("\n", 0, match.start()) + 1, found, tuple(words[1:]), body)


def prose(page: Path) -> str:
    """A page without its fenced blocks and its code spans."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """The names its headings can be linked by."""
    names = set()
    for heading in HEADING.findall(FENCE.sub("", page.read_text())):
        plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        names.add(plain.replace(" ", "-"))
    return names


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """The commands of a `console` block with the lines expected after each; a backslash goes on to the next line."""
    current: tuple[str, list[str]] | None = None
    goes_on = False
    for line in block.body.splitlines():
        if goes_on and current is not None:
            current = (f"{current[0]}\n{line}", current[1])
        elif line.startswith("$ "):
            if current is not None:
                yield current
            current = (line[2:], [])
        elif current is not None and line.strip():
            current[1].append(line)
        goes_on = line.endswith("\\") and (goes_on or line.startswith("$ "))
    if current is not None:
        yield current


def message(block: Block) -> HttpMessage:
    """An `http` block taken apart."""
    head, _, body = block.body.partition("\n\n")
    first, *rest = head.splitlines()
    headers: dict[str, str] = {}
    name = ""
    for line in rest:
        if line.startswith(" "):
            headers[name] += line.strip()
            continue
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers[name] = value.strip()
    return HttpMessage(block.place, tuple(first.split(" ", 2)), headers, body.strip())
