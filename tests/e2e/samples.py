"""Bodies made from a JSON Schema: one that is valid with every member set, and all that are wrong in one place."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

OWN: dict[str, Any] = {
    "LocalisationItem": {"ref": "a", "pod": "ES0", "country": "ES"},
    "GroupOf": {"area": "10YIT", "usage_class": "household"},
}
"""What a schema cannot say: an item asks one thing, a group is of one place."""
APART = {"DataRequest": {"pseudonyms"}, "DataRequestIn": {"pseudonyms"}}
"""Members that others exclude: points are named, or a group by its place."""
FORMATS = {"date": "2025-03-01", "date-time": "2025-03-01T00:00:00Z"}

Path = tuple[str | int, ...]


IDS = [f"{prefix}_{24 * '0'}" for prefix in ("off", "wsh", "sub", "crt", "act", "con", "dlv", "stm", "evt")]
TEXTS = [
    *IDS, f"{IDS[0]}:1", "ES", "MH0000000109", "sha-256:" + 64 * "0", 32 * "0", 43 * "A", 43 * "A" + "=", "P1D", "99.0",
    "advice", "ask_customer", "https://stranger.invalid", "e30.e30.AA",
]  # fmt: skip


def _text(pattern: str, least: int) -> str:
    """A text of ours that fits a pattern; whoever adds a pattern adds a text."""
    return next(text for text in TEXTS if re.search(pattern, text) and len(text) >= least)


def resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The schema behind references, and of alternatives the first that is not null."""
    while True:
        if "$ref" in schema:
            schema = root["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema:
            schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
        elif "allOf" in schema:
            schema = schema["allOf"][0]
        else:
            return schema


def members(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The members that stand together in one document, with their schemas."""
    apart = APART.get(schema.get("title", ""), set())
    return [(name, one) for name, one in schema.get("properties", {}).items() if name not in apart]


def sample(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """A valid document with every member set."""
    schema = resolved(schema, root)
    if schema.get("title") in OWN:
        return copy.deepcopy(OWN[schema["title"]])
    if "const" in schema or "enum" in schema:
        return schema.get("const", next(iter(schema.get("enum", [])), None))
    kind = schema.get("type")
    if kind == "object":
        return {name: sample(one, root) for name, one in members(schema)}
    if kind == "array":
        return [sample(schema["items"], root) for _ in range(max(1, schema.get("minItems", 1)))]
    if kind == "string":
        least = schema.get("minLength", 1)
        made = _text(schema["pattern"], least) if "pattern" in schema else "a" * max(1, least)
        return FORMATS.get(schema.get("format", ""), made)
    if kind in {"integer", "number"}:
        return max(schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1)
    return True


def objects(schema: dict[str, Any], root: dict[str, Any], at: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every place of the sample with its schema, the whole first."""
    schema = resolved(schema, root)
    yield at, schema
    if schema.get("type") == "object":
        own = OWN.get(schema.get("title", ""))
        for name, one in members(schema):
            if own is None or name in own:
                yield from objects(one, root, (*at, name))
    elif schema.get("type") == "array":
        yield from objects(schema["items"], root, (*at, 0))


def pointer(at: Path) -> str:
    return "".join(f"/{part}" for part in at)


def _changed(document: Any, at: Path, value: Any = None, *, drop: bool = False) -> Any:
    if not at:
        return value
    whole = copy.deepcopy(document)
    inside = whole
    for part in at[:-1]:
        inside = inside[part]
    if drop:
        del inside[at[-1]]
    else:
        inside[at[-1]] = value
    return whole


def unknown_members(schema: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """For each object a document with a member nobody knows, and the pointer to it."""
    whole = sample(schema, root)
    for at, one in objects(schema, root):
        if one.get("type") == "object" and "properties" in one:
            yield (
                pointer((*at, "nobody_knows_this")),
                _changed({"all": whole}, ("all", *at, "nobody_knows_this"), 1)["all"],
            )


def wrong_types(schema: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """For each place a document with a value of another type there, and the pointer to it."""
    whole = sample(schema, root)
    for at, one in objects(schema, root):
        wrong: Any = 7 if one.get("type") == "object" else {"of": "another type"}
        yield pointer(at), _changed(whole, at, wrong)


def missing_members(schema: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """For each member that is required a document without it, and the pointer to it."""
    whole = sample(schema, root)
    for at, one in objects(schema, root):
        for name in one.get("required", []):
            if one.get("title") not in OWN:
                yield pointer((*at, name)), _changed(whole, (*at, name), drop=True)
