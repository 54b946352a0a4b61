"""What is done to a page for the site: links that leave `docs/`, diagrams, and nothing from another host."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.docs.pages import ROOT
from tools import site
from tools.diagrams import texts


def page(source: str) -> Any:
    return SimpleNamespace(file=SimpleNamespace(src_uri=source))


@pytest.mark.parametrize(
    ("source", "link", "becomes"),
    [
        ("operators/README.md", "../../CHANGELOG.md", "../CHANGELOG.md"),
        ("doors/contributor.md", "../../CONTRIBUTING.md#tests", "../CONTRIBUTING.md#tests"),
        ("CONTRIBUTING.md", "docs/adr/README.md", "adr/README.md"),
        ("glossary.md", "../README.md", "index.md"),
        ("protocol/data.md", "receipts.md#how", "receipts.md#how"),
        ("protocol/data.md", "#fetch", "#fetch"),
    ],
)
def test_links_lead_to_the_same_page(source: str, link: str, becomes: str) -> None:
    assert site.on_page_markdown(f"[x]({link})", page(source), None, None) == f"[x]({becomes})"  # type: ignore[arg-type]


def test_a_diagram_is_shown_by_its_picture() -> None:
    text = next(texts())
    shown = site.on_page_markdown(f"```mermaid\n{text}```\n", page("protocol/README.md"), None, None)  # type: ignore[arg-type]
    path = re.search(r"\(\.\./([^)]+)\)", shown)
    assert path is not None
    assert (ROOT / "docs" / PurePosixPath(path[1])).exists()
    assert "mermaid" not in shown


def test_a_class_diagram_is_as_wide_as_it_is_drawn_and_opens_by_itself() -> None:
    text = next(one for one in texts() if "classDiagram\n" in one)
    shown = site.on_page_markdown(f"```mermaid\n{text}```\n", page("reference/data-dictionary.md"), None, None)  # type: ignore[arg-type]
    found = re.fullmatch(r"\[!\[([^]]+)\]\((\S+)\)\{ \.diagram \.classes width=(\d+) \}\]\((\S+)\)\n", shown)
    assert found is not None
    assert found[2] == found[4]
    assert found[1].endswith(", ".join(re.findall(r"^ +class (\w+)", text, re.M)))
    view = re.search(r'viewBox="(.*?)"', (ROOT / "docs" / "reference" / found[2]).read_text())
    assert view is not None
    assert abs(float(view[1].split()[2]) - int(found[3])) <= 0.5


def test_a_block_keeps_its_language_and_nothing_else() -> None:
    shown = site.on_page_markdown("```console parsed\n$ make demo\n```\n", page("x.md"), None, None)  # type: ignore[arg-type]
    assert shown == "```console\n$ make demo\n```\n"


@pytest.mark.parametrize(
    "foreign",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/css">',
        "<img alt='' src='http://elsewhere.example/x.png'>",
        "<style>@import url(https://fonts.example/x)</style>",
    ],
)
def test_a_page_that_asks_another_host_is_refused(foreign: str) -> None:
    with pytest.raises(site.AsksElsewhere):
        site.on_post_page(f"<html>{foreign}</html>", page("x.md"), None)


def test_links_to_other_hosts_are_links() -> None:
    html = '<link rel="canonical" href="https://docs.example/"><a href="https://c2sp.org">C2SP</a><img src="a.png">'
    assert site.on_post_page(html, page("x.md"), None) == html
