"""The diagrams of the documentation: Mermaid's text on the page, and beside it the picture drawn from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
FOLDER = DOCS / "pictures" / "diagrams"
VIEW = re.compile(r'viewBox="\S+ \S+ (\S+) \S+"')
MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.S | re.M)


def diagram_name(text: str) -> str:
    """The file of a diagram: its name is a digest of the text, so that a picture is never that of another text."""
    return f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.svg"


def width_of(text: str) -> int:
    """How wide the picture of a diagram is drawn, in pixels; an SVG alone would be stretched."""
    found = VIEW.search((FOLDER / diagram_name(text)).read_text())
    return round(float(found[1])) if found else 0


def texts() -> Iterator[str]:
    """The text of every diagram of every page."""
    for path in sorted(DOCS.rglob("*.md")):
        yield from MERMAID.findall(path.read_text())
