"""The data dictionary: every object of the protocol by noun, drawn and in tables. Readings: `dictionary_readings`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from docs.dictionary_classes import Class, Member, classes, diagrams, in_words, overview, table
from docs.dictionary_readings import readings
from docs.dictionary_words import (
    BESIDES,
    GROUPS,
    IDS,
    JWS_HEADER,
    MADE_BY,
    SIGNED,
    TYPES,
    VALUES,
)

from meterhall.domain.pods import WARNINGS
from meterhall.domain.protocol.events import DATA, FROM_PROVIDERS

Json = Mapping[str, Any]
PLATFORMS: Final = {"marketplace": "Market Place", "provider": "provider", "requester": "requester"}

HEAD: Final = """# Data dictionary

Every object that travels between a Market Place, a provider and a requester, for whoever writes a platform of their own
in any language. It is made from the models the platforms themselves check with. Read with it:
[basics](../protocol/basics.md) for addresses, errors and pages, [keys and signatures](../protocol/signatures.md) for
canonical form, digests and JWS, [your own provider](../protocol/provider.md) for the order to build it in. The same as
documents for programs: [Market Place](openapi-marketplace.json), [provider](openapi-provider.json),
[requester](openapi-requester.json). Words are those of the [glossary](../glossary.md).

## How to read it

Each noun has class diagrams, and each class a table of its members, in the order in which Meterhall writes them.

- **type**: see [types](#types); a class is a link.
- **needed**: a member that is not needed may be left out. What its absence stands for is the value beside, or what its
  meaning says, else an empty text or list. It is never `null`; that stands within lists only, where the type says so.
- A member that no table names is refused in an object you send. In one you receive read past it: later versions may
  add members.
- Digest an object as it came: a default you add or drop changes it.
- What is refused beyond the form of an object stands with its codes at the call. A refusal is a
  [Problem](api-provider.md#problem); tokens and their errors are OAuth's, see [tokens](../protocol/tokens.md). What
  belongs to one call only stands at that call.

In the diagrams a box holds the members that are no objects, with `[0..1]` for what may be absent and `[0..*]` for a
list; a filled diamond is at the object that holds another; a dashed arrow leads from a member that is a JWS or a digest
to what it is of; a box without members is drawn elsewhere on the page. `code` is one of the values in the table.

"""


@dataclass(frozen=True, slots=True)
class Use:
    """A call that carries a class: where it is described, whose it is, and as what."""

    call: str
    platform: str
    way: str

    def __str__(self) -> str:
        clean = re.sub(r"\{path:(\w+)\}", r"{\1}", self.call)
        anchor = re.sub(r"[^\w\- ]", "", clean.lower()).replace(" ", "-")
        return f"[`{clean}`](api-{self.platform}.md#{anchor}) ({PLATFORMS[self.platform]}, {self.way})"


def page(documents: Mapping[str, Json]) -> str:
    """The page; `documents` are the OpenAPI documents of the three platforms' B2B interfaces."""
    known = classes()
    used = uses(documents, known)
    parts = [
        HEAD,
        _types(),
        "## Overview\n\nHow the objects with a life of their own name each other.\n\n",
        overview(known),
        "\n",
    ]
    for group, (title, lead) in GROUPS.items():
        parts.append(f"## {title}\n\n{lead}\n\n")
        parts += [f"{one}\n" for one in diagrams(group, known)]
        if group in BEFORE:
            parts.append(BEFORE[group]())
        parts += [_one(one, known, used.get(one.name, [])) for one in known.values() if one.group == group]
    return "".join([*parts, _values(), readings()]).rstrip("\n") + "\n"


def uses(documents: Mapping[str, Json], known: Mapping[str, Class]) -> dict[str, list[Use]]:
    """By class the calls that carry it, as body or as answer, by itself or under a signature."""
    found: dict[str, list[Use]] = {}
    for platform, document in documents.items():
        for path, operations in document["paths"].items():
            for method, one in operations.items():
                call = f"{method.upper()} {path}"
                for name, way in _carried(one, known):
                    found.setdefault(name, []).append(Use(call, platform, way))
                for name, how in SIGNED.items():
                    if call in how.calls:
                        found.setdefault(name, []).append(Use(call, platform, "signed in the body"))
    return found


def _carried(operation: Json, known: Mapping[str, Class]) -> Iterator[tuple[str, str]]:
    bodies = operation.get("requestBody", {}).get("content", {}).values()
    answers = [
        one
        for status, answer in operation["responses"].items()
        if status.startswith("2")
        for one in answer.get("content", {}).values()
    ]
    for way, contents in (("body", bodies), ("answer", answers)):
        for content in contents:
            schema = content.get("schema") or {}
            name = schema.get("$ref", "").rsplit("/", 1)[-1] or schema.get("title", "")
            listed = re.fullmatch(r"Page_(\w+)_", name)
            if listed:
                yield "Page", way
                yield listed[1], f"list in the {way}"
            elif name in known:
                yield name, way


def _one(one: Class, known: Mapping[str, Class], used: list[Use]) -> str:
    said = " ".join(one.said.split("\n\n")[0].split())
    rest = "".join(f"{' '.join(text.split())}\n\n" for text in one.said.split("\n\n")[1:])
    facts = "".join(f"- {fact}\n" for fact in _facts(one, known, used))
    return f"### {one.name}\n\n{said}\n\n{rest}{facts}\n{_members(one.members)}\n"


def _facts(one: Class, known: Mapping[str, Class], used: list[Use]) -> Iterator[str]:
    events = [kind for kind, model in DATA.items() if model.__name__ == one.name]
    if events:
        yield f"Made by: {'the provider' if set(events) <= FROM_PROVIDERS else 'the Market Place'}."
    elif one.name in MADE_BY:
        yield f"Made by: {MADE_BY[one.name]}."
    if how := SIGNED.get(one.name):
        within = _list(f"[{name}](#{name.partition('.')[0].lower()})" for name in how.members)
        yield f"Signed: as a JWS of type `{how.typ}` with {how.key}" + (f"; stands in {within}." if within else ".")
    holders = sorted({other.name for other in known.values() if one.name in {name for _, name in other.targets}})
    if holders:
        yield "Part of: " + _list(f"[{name}](#{name.lower()})" for name in holders) + "."
    if calls := [*used, *BESIDES.get(one.name, ())]:
        yield "Carried by: " + "; ".join(str(call) for call in calls) + "."
    if events:
        kinds = _list(f"`{kind}`" for kind in events)
        yield f"Carried by: [Event](#event) of the type{'s' if len(events) > 1 else ''} {kinds}, as `data`."


def _list(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def _members(members: tuple[Member, ...]) -> str:
    rows = [(f"`{one.name}`", in_words(one.schema), _needed(one), one.meaning) for one in members]
    return table(("member", "type", "needed", "meaning"), rows)


def _needed(one: Member) -> str:
    return "yes" if one.needed else f"no: `{one.default}`" if one.default else "no"


def _types() -> str:
    prefixes = ", ".join(f"`{prefix}_` {noun}" for prefix, (noun, _) in IDS.items())
    return (
        "## Types\n\n"
        + table(("type", "in JSON", "form"), [(f"**{name}**", json, form) for name, json, form in TYPES])
        + f"\nPrefixes of ids: {prefixes}; `pt_` stands for a metering point and `att_` for an attestation. An id says "
        "nothing but which thing it is: never take one apart.\n\nA text with a pattern has to fit it wholly.\n\n"
    )


def _events() -> str:
    rows = [
        (
            f"`{kind}`",
            f"[{model.__name__}](#{model.__name__.lower()})",
            "provider" if kind in FROM_PROVIDERS else "Market Place",
        )
        for kind, model in DATA.items()
    ]
    return (
        "Posted to an inbox as a signed request, or waiting in the feed. Who gets each type and what to do: "
        "[events](../protocol/events.md).\n\n" + table(("type", "`data`", "from"), rows) + "\n"
    )


def _statements() -> str:
    return (
        "Who states which type, with which transaction, subject, counts and commitments: [who states "
        "what](../protocol/statements.md#who-states-what).\n\n"
    )


def _common() -> str:
    rows = [(f"`{name}`", where, said) for name, where, said in JWS_HEADER]
    return (
        "Every JWS has a protected header and no other: "
        "[signed documents](../protocol/signatures.md#signed-documents).\n\n"
        + table(("header member", "of", "meaning"), rows)
        + "\n"
    )


BEFORE: Final = {"events": _events, "statements": _statements, "base": _common}
"""What stands before the classes of a noun."""

SHORT: Final = "A declared prefix is longer than the part of the POD that was sent: the candidate may hold it."


def _values() -> str:
    parts = [
        "## Lists of values\n\nThose that several members share; the others are explained where they stand. Of answers "
        "for PODs: [why a POD is refused](errors.md#why-a-pod-is-refused). Of localisation: [why an item is not "
        "localised](errors.md#why-an-item-is-not-localised). What may become of which state: [states](states.md).\n\n"
    ]
    for name, values in (VALUES | {"warnings": WARNINGS | {"operator_part_short": SHORT}}).items():
        rows = [(f"`{value}`", said) for value, said in values.items()]
        parts.append(f"### Values of {name}\n\n{table(('value', 'meaning'), rows)}\n")
    return "".join(parts)
