"""The data dictionary tells a stranger all there is: every class, every member, who makes it, how it is signed."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from tests.unit.docs.pages import ROOT
from tools.diagrams import FOLDER, MERMAID, diagram_name

from meterhall.domain import protocol
from meterhall.domain.protocol import base, deliveries, players
from meterhall.domain.protocol.base import Message
from meterhall.domain.readings import Quality
from meterhall.formats import FORMATS

sys.path.insert(0, str(ROOT))
from docs import dictionary, dictionary_classes, dictionary_words
from docs.dictionary_classes import classes, in_words

PAGE = ROOT / "docs" / "reference" / "data-dictionary.md"
TYPS = {
    value
    for module in pkgutil.iter_modules(protocol.__path__)
    for name, value in vars(importlib.import_module(f"meterhall.domain.protocol.{module.name}")).items()
    if name.endswith("_TYP")
}


def messages() -> Iterator[type[Message]]:
    for module in pkgutil.iter_modules(protocol.__path__):
        for one in vars(importlib.import_module(f"meterhall.domain.protocol.{module.name}")).values():
            if inspect.isclass(one) and issubclass(one, Message) and one.__module__.endswith(f".{module.name}"):
                yield one


def documents() -> dict[str, Any]:
    return {
        name: json.loads((PAGE.parent / f"openapi-{name}.json").read_text())
        for name in ("marketplace", "provider", "requester")
    }


def section(name: str) -> str:
    found = re.search(rf"^### {name}\n(.*?)(?=^##)", PAGE.read_text() + "\n##", re.S | re.M)
    assert found is not None, f"{name} is not on the page"
    return found[1]


@pytest.mark.parametrize("model", list(messages()), ids=lambda model: model.__name__)
def test_every_member_says_what_it_means(model: type[Message]) -> None:
    assert (model.__doc__ or "").strip(), f"{model.__name__} has no docstring"
    assert model.__doc__ != Message.__doc__ or model is Message
    mute = [
        name for name, field in model.model_fields.items() if not re.fullmatch(r"[^\n]{8,}[.]", field.description or "")
    ]
    assert mute == [], "Field(description=...): whole sentences, on one line"


@pytest.mark.parametrize("model", [one for one in messages() if one is not Message], ids=lambda model: model.__name__)
def test_every_class_and_member_stands_on_the_page(model: type[Message]) -> None:
    said = section(model.__name__)
    for name, field in model.model_fields.items():
        row = re.search(rf"^\| `{field.alias or name}` \| (.+?) \| (yes|no[^|]*) \| (.+) \|$", said, re.M)
        assert row is not None, name
        assert (row[2] == "yes") == field.is_required()
        assert row[3].replace("\\|", "|") == field.description
    assert "Made by: " in said or "Part of: " in said


def test_no_type_is_left_untold() -> None:
    for one in classes().values():
        for member in one.members:
            said = in_words(member.schema)
            assert "what the call names" not in said or one.name == "Page", f"{one.name}.{member.name}"
            assert said != "object" or (one.name, member.name) == ("Event", "data")


def test_what_is_said_by_hand_is_of_classes_there_are() -> None:
    known = classes()
    drawn = {name for several in dictionary_words.DRAWN.values() for names in several for name in names}
    assert drawn | dictionary_words.HELPERS == set(known)
    assert not drawn & dictionary_words.HELPERS
    assert set(dictionary_words.MADE_BY) | set(dictionary_words.SIGNED) <= set(known)
    for group, several in dictionary_words.DRAWN.items():
        assert {known[name].group for names in several for name in names} == {group}
    named = [(holder, member) for holder, member, _ in dictionary_words.DIGESTED]
    named += [tuple(one.split(".")) for how in dictionary_words.SIGNED.values() for one in how.members]  # type: ignore[misc]
    for holder, member in named:
        assert member in {one.name for one in known[holder].members}, f"{holder}.{member}"


def test_every_kind_of_signature_has_its_object() -> None:
    assert {how.typ for how in dictionary_words.SIGNED.values()} == TYPS
    for name, how in dictionary_words.SIGNED.items():
        assert f"of type `{how.typ}`" in section(name)
        assert how.calls or how.members


def test_every_call_that_carries_an_object_is_named() -> None:
    used = dictionary.uses(documents(), classes())
    signed = {call for how in dictionary_words.SIGNED.values() for call in how.calls}
    assert signed == {one.call for one in used["Signed"]}
    told = 0
    for name, several in used.items():
        for one in several:
            assert str(one) in section(name)
            told += 1
    assert told > 90


def test_every_schema_of_the_interfaces_is_an_object_of_the_page_or_of_one_call() -> None:
    known = set(classes())
    for document in documents().values():
        for name in document["components"]["schemas"]:
            listed = re.fullmatch(r"Page_(\w+)_", name)
            assert (listed[1] if listed else name) in known | {"Problem", "OfferSearch", "RefusalReason", "Put"}


def test_every_noun_is_drawn() -> None:
    text = PAGE.read_text()
    shown = [one for one in MERMAID.findall(text) if "classDiagram\n" in one]
    assert len(shown) == sum(map(len, dictionary_words.DRAWN.values())) + 2
    for one in shown:
        picture = (FOLDER / diagram_name(one)).read_text()
        for name in re.findall(r"^ +class (\w+)", one, re.M):
            assert name in picture
    assert set(dictionary_words.DRAWN) | {"base"} == set(dictionary_words.GROUPS)


def test_lines_of_a_diagram_say_how_many() -> None:
    known = classes()
    lines = "".join(dictionary_classes.diagrams("deliveries", known))
    assert '    Manifest "1" *-- "0..*" Part : parts\n' in lines
    assert '    Manifest "1" *-- "0..1" GroupAnswer : group\n' in lines
    assert "    Receipt ..> Manifest : manifest\n" in lines
    assert '    KeySet "1" *-- "1..4" Jwk : transport\n' in "".join(dictionary_classes.diagrams("players", known))
    lines = "".join(dictionary_classes.diagrams("offers", known))
    assert '    Offer "1" *-- "1" ServiceLevel : service_level\n' in lines


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("environment", get_args(base.Environment)),
        ("role", get_args(base.PlayerRole)),
        ("activity", get_args(players.Activity)),
        ("assurance", get_args(base.Assurance)),
        ("measure", get_args(deliveries.Measure)),
    ],
)
def test_lists_of_values_are_whole(name: str, values: tuple[str, ...]) -> None:
    assert set(dictionary_words.VALUES[name]) == set(values)


def test_readings_are_told_in_every_format() -> None:
    text = PAGE.read_text().partition("## Readings")[2]
    for one in Quality:
        assert f"\n| {int(one)} | {one.name.lower().replace('_', ' ')} | " in text
    for name, form in FORMATS.items():
        assert f"| `{name}` | `{form.media_type}` | `{form.extension}` |" in text
    for name in (*get_args(base.GranularityName), *get_args(base.DirectionName)):
        assert f"| `{name}` |" in text
    assert "| 9 | estimated interpolation |" in text
    assert "| A03 | 8; in words: “ESPI quality 9” |" in text


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string", "format": "date-time"}, "instant"),
        ({"type": "string", "pattern": "^dlv_[0-9a-f]{24}$"}, "id of a delivery, `dlv_…`"),
        ({"type": "string", "maxLength": 40}, "text, at most 40 characters"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 4}, "list (1 to 4) of text"),
        ({"type": "array", "items": {"$ref": "#/$defs/Part"}}, "list of [Part](#part)"),
        ({"type": "integer", "exclusiveMinimum": 0}, "whole number, more than 0"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "whole number or null"),
        ({"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 2},
         "object: names to whole number, at most 2"),
    ],
)  # fmt: skip
def test_types_are_said_in_words(schema: dict[str, Any], words: str) -> None:
    assert in_words(schema) == words
