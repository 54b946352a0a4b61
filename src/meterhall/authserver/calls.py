"""An HTTP call and its answer as plain data: all the kit knows of HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `url` is built from the server's own settings, never from the Host header.

    `headers` is looked up by name as the framework gives it (case-insensitive); `form` holds each name's values.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    form: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any]
    headers: dict[str, str]
