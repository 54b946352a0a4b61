"""What the site does to the pages while it is built: diagrams as pictures, links that leave `docs/`.

A hook of MkDocs. On GitHub a diagram is drawn from its text by GitHub; the site must ask nobody, so it shows the SVG
that `docs/generate.py` drew from the same text.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools.diagrams import MERMAID, diagram_name, width_of

ROOT = Path(__file__).resolve().parents[1]
DIAGRAMS = PurePosixPath("pictures/diagrams")
LINK = re.compile(r"(?<=\]\()([^)\s:]+)(?=\))")
CLASS = re.compile(r"^ +class (\w+)", re.M)
FENCE = re.compile(r"^( *```\w+)[ ][^\n`]*$", re.M)
"""The head of a block with words for the tests behind its language, which the site's Markdown does not understand."""
BESIDE = {"CONTRIBUTING.md", "CHANGELOG.md"}
"""Pages of the repository's root that belong to the site as well."""
ELSEWHERE = {"README.md": "index.md"}

FOREIGN = re.compile(
    r"""<(?:script|img|iframe|source|audio|video|embed)\b[^>]*\ssrc=["']?(?:https?:)?//[^>]*>"""
    r"""|<link\b(?![^>]*rel=["']?canonical)[^>]*href=["']?(?:https?:)?//[^>]*>|@import[^;]*//""",
    re.I,
)
"""What would make a reader's browser ask another host."""


class AsksElsewhere(PluginError):
    """A page of the site would ask another host for something: ship it with the site."""


def on_post_page(output: str, page: Page, config: Any) -> str:
    """Refuse a page that asks another host. Raises `AsksElsewhere`."""
    if found := FOREIGN.search(output):
        raise AsksElsewhere(f"{page.file.src_uri}: {found[0]}")
    return output


def on_files(files: Files, config: Any) -> Files:
    """Take the pages of the root in."""
    for name in sorted(BESIDE):
        files.append(File.generated(config, name, content=(ROOT / name).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """A page's text as the site needs it."""
    source = PurePosixPath(page.file.src_uri)
    at = "." if str(source) in BESIDE else posixpath.normpath(f"docs/{source.parent}")
    markdown = LINK.sub(lambda found: _link(found[1], at, source), markdown)
    markdown = MERMAID.sub(lambda found: _picture(found[1], source), markdown)
    return FENCE.sub(r"\1", markdown)


def _link(target: str, at: str, source: PurePosixPath) -> str:
    """Where a link of the repository leads in the site."""
    path, mark, anchor = target.partition("#")
    if not path:
        return target
    whole = posixpath.normpath(posixpath.join(at, path))
    if whole in ELSEWHERE:
        whole = f"docs/{ELSEWHERE[whole]}"
    if whole in BESIDE:
        whole = f"docs/{whole}"
    if not whole.startswith("docs/"):
        return target
    return posixpath.relpath(whole.removeprefix("docs/"), str(source.parent)) + mark + anchor


def _picture(text: str, source: PurePosixPath) -> str:
    path = posixpath.relpath(str(DIAGRAMS / diagram_name(text)), str(source.parent))
    if "classDiagram\n" in text:
        said = "Classes, their members and what holds what: " + ", ".join(CLASS.findall(text))
        return f"[![{said}]({path}){{ .diagram .classes width={width_of(text)} }}]({path})"
    if text.startswith("state"):
        return f"![States and what leads from one to another]({path}){{ .diagram .states }}"
    return f"![Who calls whom, in order]({path}){{ .diagram }}"
