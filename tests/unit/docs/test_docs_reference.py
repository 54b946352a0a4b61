"""The documentation says what the code does: generated pages are current, and nothing public goes unmentioned."""

from __future__ import annotations

import importlib.util
import json
import re
from types import ModuleType
from typing import get_args

import pytest
from tests.unit.docs.pages import LINK, ROOT, anchors, pages, prose

from meterhall.domain.protocol.events import DATA
from meterhall.domain.protocol.statements import StatementType

REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    found = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    module.load_everything()
    return module


def test_generated_pages_are_current(generator: ModuleType) -> None:
    written = {name: write() for name, write in generator.pages().items()}
    stale = [name for name, text in written.items() if (REFERENCE / name).read_text() != text]
    assert not stale, f"run `python docs/generate.py`: {stale}"
    assert sorted(path.name for path in REFERENCE.iterdir()) == sorted(written)


def test_openapi_says_which_bodies_are_read_and_given() -> None:
    documents = {path.stem.removeprefix("openapi-"): path.read_text() for path in REFERENCE.glob("openapi-*.json")}
    for name, text in documents.items():
        schemas = json.loads(text)["components"]["schemas"]
        assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= set(schemas), name
        assert re.findall(r"x-takes|x-gives|\$defs", text) == []
    paths = {name: json.loads(text)["paths"] for name, text in documents.items()}
    for name in ("marketplace", "provider", "requester"):
        assert list(paths[name]["/v1/inbox"]["post"]["requestBody"]["content"]) == ["application/cloudevents+json"]
    part = paths["provider"]["/v1/deliveries/{delivery_id}/parts/{number}"]["get"]["responses"]
    assert [list(part[status]["content"]) for status in ("200", "206")] == [["application/octet-stream"]] * 2
    assert list(part["410"]["content"]) == ["application/problem+json"]


def test_every_error_code_is_documented(generator: ModuleType) -> None:
    text = (REFERENCE / "errors.md").read_text()
    codes = {*generator.error_classes(), *generator.oauth_codes()}
    assert len(codes) > 150
    assert [code for code in sorted(codes) if f"| `{code}` |" not in text] == []


def test_every_error_has_a_code_and_a_sentence(generator: ModuleType) -> None:
    for code, kinds in generator.error_classes().items():
        assert re.fullmatch(r"[a-z0-9_]+", code)
        for kind in kinds:
            assert "title" in vars(kind), f"{kind.__name__} has a code of its own and the sentence of another"


def test_every_setting_is_documented() -> None:
    from meterhall.web.config import Config

    text = (REFERENCE / "settings.md").read_text()
    for name, field in Config.model_fields.items():
        assert f"| `{name}` | `METERHALL_{name.upper()}` |" in text
        assert field.description


def test_every_event_and_statement_is_explained_to_a_stranger() -> None:
    told = (ROOT / "docs" / "protocol" / "events.md").read_text()
    said = (ROOT / "docs" / "protocol" / "statements.md").read_text()
    assert [kind for kind in DATA if f"`{kind}`" not in told] == []
    assert [kind for kind in get_args(StatementType) if f"`{kind}`" not in said] == []


def test_every_command_is_documented(generator: ModuleType) -> None:
    text = (REFERENCE / "cli.md").read_text()
    for name, command in generator.commands().items():
        assert f"## `{name}`" in text
        assert command.help, f"{name} does not say what it does"


def test_every_state_is_drawn() -> None:
    from meterhall.domain.market import states

    text = (REFERENCE / "states.md").read_text()
    for machine in (states.PLAYER, states.OFFER_VERSION, states.SUBSCRIPTION):
        for (state, command), following in machine.items():
            assert f"    {state} --> {following}: {command}\n" in text


def test_relative_links_resolve() -> None:
    broken = []
    for page in pages():
        for target in LINK.findall(prose(page)):
            path, _, anchor = target.partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            found = (page.parent / path).resolve() if path else page
            if not found.exists() or (anchor and found.suffix == ".md" and anchor not in anchors(found)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        for target in LINK.findall(prose(page)):
            path = (page.parent / target.partition("#")[0]).resolve()
            if not target.startswith("#") and "://" not in target and path.exists():
                waiting.append(path / "README.md" if path.is_dir() else path)
    assert [str(page.relative_to(ROOT)) for page in pages() if page not in seen] == []
