"""What the documentation shows of the portals: every page, every component, every diagram has its picture."""

from __future__ import annotations

import pytest
from tests.unit.docs.pages import ROOT
from tools.diagrams import FOLDER, diagram_name, texts
from tools.pictures import index
from tools.pictures.routes import COMPONENTS, KIT, PAGES, SIZES, WITHOUT, components, pages

LARGEST_B = 3_600_000
EXTRA = {"refusal"}
"""Pictures of pages that have no address."""


def test_every_page_has_its_picture_or_a_reason() -> None:
    assert len(pages()) > 70
    missing = [
        f"{name}-{size}"
        for name in pages()
        for size in SIZES
        if name not in WITHOUT and not (PAGES / f"{name}-{size}.webp").exists()
    ]
    assert missing == [], "run `make pictures`, or give the reason in tools/pictures/routes.py"


def test_no_reason_and_no_picture_is_left_over() -> None:
    assert set(WITHOUT) <= set(pages())
    known = {*pages(), *EXTRA} - set(WITHOUT)
    allowed = {f"{name}-{size}{dark}.webp" for name in known for size in SIZES for dark in ("", "-dark")}
    assert {path.name for path in PAGES.iterdir()} <= allowed


def test_every_component_is_shown_light_and_dark() -> None:
    assert len(components()) >= 15
    taken = {path.name for path in COMPONENTS.iterdir()}
    assert {f"{name}-{looks}.webp" for name in components() for looks in ("light", "dark")} <= taken
    assert {name.partition("-")[0].partition("+")[0] for name in taken} == {path.stem for path in KIT.glob("*.html")}


@pytest.mark.parametrize("name", ["pages", "components"])
def test_the_pages_of_pictures_are_current(name: str) -> None:
    written = {"pages": index.page_of_pages, "components": index.page_of_components}[name]()
    assert (ROOT / "docs" / "pictures" / f"{name}.md").read_text() == written, "run `make pictures`"


def test_pictures_are_small() -> None:
    sizes = [path.stat().st_size for folder in (PAGES, COMPONENTS) for path in folder.iterdir()]
    assert max(sizes) < 120_000
    assert sum(sizes) < LARGEST_B


def test_every_diagram_has_the_picture_of_its_text() -> None:
    assert {diagram_name(text) for text in texts()} == {path.name for path in FOLDER.iterdir()}, (
        "run `python docs/generate.py`"
    )
