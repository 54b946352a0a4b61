"""An OpenAPI document as a page to read: every call with parameters, bodies, answers and codes, then the schemas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

LIMITS = {
    "minLength": "at least {} characters", "maxLength": "at most {} characters", "minimum": "from {}",
    "maximum": "up to {}", "minItems": "at least {} items", "maxItems": "at most {} items", "exclusiveMinimum": "> {}",
    "pattern": "`{}`", "format": "{}",
}  # fmt: skip


def page(title: str, lead: str, document: Json, source: str) -> str:
    """The page; `source` is the file name of the document it shows."""
    parts = [
        f"# {title}\n\n{lead} The same as a document for programs: [{source}]({source}) (OpenAPI "
        f"{document['openapi']}). What codes mean: [error codes](errors.md).\n"
    ]
    for tag, calls in _by_tag(document).items():
        parts.append(f"## {tag}\n")
        parts += [_call(path, method, one, document) for path, method, one in calls]
    parts.append("## Schemas\n\nA member that is not named here is refused.\n")
    parts += [_schema(name, one) for name, one in sorted(document["components"]["schemas"].items())]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts))


def _by_tag(document: Json) -> dict[str, list[tuple[str, str, Json]]]:
    found: dict[str, list[tuple[str, str, Json]]] = {}
    for path, operations in document["paths"].items():
        for method, one in operations.items():
            tag = (one.get("tags") or ["other"])[0]
            found.setdefault(_capital(tag), []).append((path, method, one))
    return dict(sorted(found.items(), key=_step))


def _step(entry: tuple[str, object]) -> tuple[int, str]:
    """The ten steps in their order, what has no number before them."""
    number = re.match(r"\d+", entry[0])
    return (int(number.group()) if number else 0, entry[0])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _call(path: str, method: str, one: Json, document: Json) -> str:
    clean = re.sub(r"\{path:(\w+)\}", r"{\1}", path)
    schemes = document["components"].get("securitySchemes", {})
    names = [name for entry in one.get("security", []) for name in entry]
    who = ", ".join(_scheme(schemes[name]) for name in names) or "nothing, or what the sentence above says"
    lines = [f"### `{method.upper()} {clean}`\n", f"{one.get('description') or one.get('summary', '')}\n"]
    lines.append(f"Takes: {who}.\n")
    if one.get("parameters"):
        lines.append(_table(("parameter", "in", "type", ""), [_parameter(each) for each in one["parameters"]]))
    if body := one.get("requestBody"):
        lines.append("Body: " + "; ".join(_content(body["content"])) + ".\n")
    lines.append(_table(("status", "answer"), [_answer(status, each) for status, each in one["responses"].items()]))
    if codes := one.get("x-error-codes"):
        lines.append("Codes: " + ", ".join(f"`{code}`" for code in codes) + ".\n")
    return "\n".join(lines)


def _scheme(one: Json) -> str:
    where = {"apiKey": f"`{one.get('name', '')}` in the {one.get('in', '')}"}
    return where.get(one["type"], f"`Authorization: {one.get('scheme', '')} …`")


def _parameter(one: Json) -> tuple[str, ...]:
    schema = one["schema"]
    default = f"default `{schema['default']}`" if schema.get("default") not in (None, "") else ""
    return f"`{one['name']}`", one["in"], _type(schema), "needed" if one.get("required") else default


def _content(content: Json) -> Iterator[str]:
    for kind, one in content.items():
        yield f"{_type(one['schema'])} as `{kind}`" if one.get("schema") else f"`{kind}`"


def _answer(status: str, one: Json) -> tuple[str, str]:
    shown = "; ".join(_content(one.get("content") or {}))
    return status, f"{one.get('description', '')}{': ' if shown else ''}{shown}"


def _schema(name: str, one: Json) -> str:
    lines = [f"### {name}\n"]
    if one.get("description"):
        lines.append(" ".join(one["description"].split()) + "\n")
    if members := one.get("properties"):
        needed = set(one.get("required", []))
        rows = [(f"`{key}`", _type(each), _more(each, key in needed)) for key, each in members.items()]
        lines.append(_table(("member", "type", ""), rows))
    else:
        lines.append(f"{_type({key: value for key, value in one.items() if key != 'title'})}\n")
    return "\n".join(lines)


def _more(schema: Json, is_needed: bool) -> str:
    words = ["needed"] if is_needed else []
    if schema.get("default") not in (None, "", [], {}):
        words.append(f"default `{schema['default']}`")
    if schema.get("description"):
        words.append(" ".join(schema["description"].split()))
    return "; ".join(words)


def _type(schema: Json) -> str:
    """A schema in a few words, with a link where it has a name."""
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[choice]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    words = [_kind(schema)]
    words += [said.format(schema[key]) for key, said in LIMITS.items() if key in schema]
    return ", ".join(words)


def _kind(schema: Json) -> str:
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type(schema['additionalProperties'])}"
    return kind


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
