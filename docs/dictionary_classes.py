"""The classes of `domain/protocol` as the data dictionary sees them: their schemas, types in words, class diagrams."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from docs.dictionary_words import DIGESTED, DRAWN, GROUPS, HELPERS, IDS, PATTERNS, SIGNED
from pydantic import BaseModel

from meterhall.domain.protocol.base import Message, Page

Json = Mapping[str, Any]

PSEUDONYM_LENGTH: Final = 36
HEAD: Final = '%%{init: {"class": {"hideEmptyMembersBox": true}}}%%\nclassDiagram\n'


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a class: its name in JSON, its schema without null, whether it must be there, what it says."""

    name: str
    schema: Json
    needed: bool
    meaning: str

    @property
    def default(self) -> str:
        """The value an absent member stands for, as JSON; empty where there is none, or it holds nothing."""
        value = self.schema.get("default")
        return json.dumps(value) if value not in (None, "", [], {}) and not isinstance(value, dict) else ""


@dataclass(frozen=True, slots=True)
class Class:
    """A class of the protocol, of one noun."""

    name: str
    group: str
    said: str
    members: tuple[Member, ...]

    @property
    def targets(self) -> tuple[tuple[Member, str], ...]:
        """The members that hold another class, with its name."""
        return tuple((one, name) for one in self.members for name in references(one.schema))


def classes() -> dict[str, Class]:
    """Every class by its name, in the order of the page."""
    return {one.__name__: _class(group, one) for group in GROUPS for one in _models(group)}


def _models(group: str) -> Iterator[type[BaseModel]]:
    module = importlib.import_module(f"meterhall.domain.protocol.{group}")
    for one in vars(module).values():
        is_own = inspect.isclass(one) and issubclass(one, Message | Page) and one.__module__ == module.__name__
        if is_own and one is not Message:
            yield one


def _class(group: str, model: type[BaseModel]) -> Class:
    schema = model.model_json_schema(by_alias=True)
    needed = set(schema.get("required", []))
    members = tuple(
        Member(name, _without_null(one), name in needed, one.get("description", ""))
        for name, one in schema["properties"].items()
    )
    return Class(model.__name__, group, inspect.cleandoc(model.__doc__ or ""), members)


def _without_null(schema: Json) -> Json:
    """What a member holds when it is there: that it may be absent is said elsewhere."""
    choices = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    if len(choices) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **choices[0]}


def references(schema: Json) -> list[str]:
    """The classes a schema speaks of."""
    if "$ref" in schema:
        return [schema["$ref"].rsplit("/", 1)[-1]]
    below = [*schema.get("anyOf", []), schema.get("items"), schema.get("additionalProperties")]
    return [name for one in below if isinstance(one, Mapping) for name in references(one)]


def in_words(schema: Json) -> str:
    """A type in words, with links to the classes on the page."""
    if "$ref" in schema:
        name = references(schema)[0]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{json.dumps(schema['const']).strip(chr(34))}`"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{one}`" for one in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(in_words(one) for one in schema["anyOf"])
    match schema.get("type"):
        case "array":
            return f"list{_many(schema)} of {in_words(schema.get('items', {}))}"
        case "object":
            return _object(schema)
        case "string":
            return _text(schema)
        case "integer":
            return "whole number" + _range(schema)
        case "number":
            return "number" + _range(schema)
        case "boolean":
            return "truth value"
        case "null":
            return "null"
    return "what the call names"


def _object(schema: Json) -> str:
    names, values = "names", schema.get("additionalProperties")
    if "patternProperties" in schema:
        pattern, values = next(iter(schema["patternProperties"].items()))
        names = f"names `{pattern}`"
    if not isinstance(values, Mapping):
        return "object"
    said = ", ".join(f"`{one}`" for one in schema.get("propertyNames", {}).get("enum", [])) or names
    most = f", at most {schema['maxProperties']}" if "maxProperties" in schema else ""
    return f"object: {said} to {in_words(values)}{most}"


def _many(schema: Json) -> str:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if least and most:
        return f" ({least} to {most:,})"
    return f" ({least} or more)" if least else f" (at most {most:,})" if most else ""


def _range(schema: Json) -> str:
    if "exclusiveMinimum" in schema:
        return f", more than {schema['exclusiveMinimum']:g}"
    if "minimum" in schema and "maximum" in schema:
        return f", {schema['minimum']:g} to {schema['maximum']:g}"
    return f", {schema['minimum']:g} or more" if "minimum" in schema else ""


def _text(schema: Json) -> str:
    if form := {"date-time": "instant", "date": "day"}.get(schema.get("format", "")):
        return form
    pattern, least, most = schema.get("pattern"), schema.get("minLength", 0), schema.get("maxLength")
    if pattern in PATTERNS:
        return PATTERNS[pattern]
    if pattern and pattern[1:4] in IDS and pattern.endswith("_[0-9a-f]{24}$"):
        return f"id of {_a(IDS[pattern[1:4]][0])}, `{pattern[1:4]}_…`"
    if pattern:
        return f"text, `{pattern}`"
    if least == most == PSEUDONYM_LENGTH:
        return "pseudonym"
    if most:
        return f"text, {least} to {most:,} characters" if least else f"text, at most {most:,} characters"
    return "text"


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def diagrams(group: str, known: Mapping[str, Class]) -> Iterator[str]:
    """The Mermaid class diagrams of a noun: boxes with what is no object, lines to what is, with how many.

    `HELPERS` are left out: a member of one is a line in the box. A dashed line leads to what a JWS or a digest is of.
    """
    for names in DRAWN.get(group, ()):
        boxes = [known[name] for name in names]
        lines = [line for one in boxes for line in _box(one)]
        lines += [
            f'{one.name} "1" *-- "{_multiplicity(member)}" {name} : {member.name}'
            for one in boxes
            for member, name in one.targets
            if name not in HELPERS
        ]
        if group == "events":
            lines += [f'Event "1" *-- "1" {name} : data' for name in names if name != "Event"]
        else:
            lines += [line for one in boxes for line in _signed(one.name)]
        yield _fenced(lines)


def _signed(name: str) -> Iterator[str]:
    for payload, how in SIGNED.items():
        for one in how.members:
            holder, _, member = one.partition(".")
            if holder == name:
                yield f"{name} ..> {payload} : {member}"
    for holder, member, payload in DIGESTED:
        if holder == name:
            yield f"{name} ..> {payload} : {member}"


def _box(one: Class) -> Iterator[str]:
    inside = [member for member in one.members if not set(references(member.schema)) - HELPERS]
    if not inside:
        yield f"class {one.name}"
        return
    yield f"class {one.name} {{"
    for member in inside:
        many = _multiplicity(member)
        yield f"    {member.name}: {_short(member.schema)}{'' if many == '1' else f' [{many}]'}"
    yield "}"


def _multiplicity(member: Member) -> str:
    schema = member.schema
    if schema.get("type") != "array":
        return "1" if member.needed or member.schema.get("default") not in (None, "") else "0..1"
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    few = most is not None and most <= 10
    return f"{least}..{most}" if few else f"{least}..*"


def _short(schema: Json) -> str:
    """A type in a word or two, for a box."""
    if "$ref" in schema:
        return references(schema)[0].lower()
    if schema.get("type") == "array":
        return _short(schema.get("items", {}))
    if "anyOf" in schema:
        return _short(schema["anyOf"][0])
    if "const" in schema:
        return str(schema["const"]).replace(" ", "-")
    if "enum" in schema:
        return "code"
    if schema.get("type") == "object":
        return "object"
    said = in_words(schema).partition(",")[0]
    return "id" if said.startswith("id of") else said


OVERVIEW: Final = (
    "PlayerView", "OfferView", "SubscriptionView", "ServiceContract", "ActivationView", "ItemAnswer", "ConsentView",
    "Manifest", "Part", "Receipt",
)  # fmt: skip
DERIVED: Final = frozenset({("Manifest", "subscription_id"), ("Manifest", "provider"), ("Manifest", "requester")})
"""Named once more, so that a manifest can be read by itself; the activation and its contract say it."""
BESIDES: Final = (
    ("ServiceContract", "0..*", "2", "PlayerView", "parties"),
    ("ActivationView", "1", "0..*", "ItemAnswer", "answers"),
)
"""What no single member says: parties stand in an object of their own, answers in pages."""


def overview(known: Mapping[str, Class]) -> str:
    """How the objects that have a life of their own hang together: by whole and part, and by the ids they name."""
    whole = {(name, target): member for name in OVERVIEW for member, target in known[name].targets}
    lines = [
        f'{name} "1" *-- "{_multiplicity(member)}" {target} : {member.name}'
        for (name, target), member in whole.items()
        if target in OVERVIEW
    ]
    for name in OVERVIEW:
        for member in known[name].members:
            target = _named(member)
            is_new = target != name and (target, name) not in whole and (name, member.name) not in DERIVED
            if target in OVERVIEW and is_new:
                lines.append(f'{name} "0..*" --> "{"1" if member.needed else "0..1"}" {target} : {member.name}')
    lines += [f'{name} "{from_}" --> "{to}" {target} : {said}' for name, from_, to, target, said in BESIDES]
    return _fenced([*(f"class {name}" for name in OVERVIEW), *lines], "TB")


def _named(member: Member) -> str:
    """The class an id names."""
    pattern = str(member.schema.get("pattern", ""))
    if pattern == r"^MH\d{10}$":
        return "PlayerView"
    return IDS.get(pattern[1:4], ("", ""))[1] if pattern.endswith("_[0-9a-f]{24}$") else ""


def _fenced(lines: list[str], direction: str = "LR") -> str:
    return f"```mermaid\n{HEAD}" + "".join(f"    {line}\n" for line in (f"direction {direction}", *lines)) + "```\n"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
