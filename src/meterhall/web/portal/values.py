"""What the components show: small values a view builds and a template renders. No HTML is made here.

`{% show value %}` renders any of these, and plain text, numbers, instants, days and None ("not known").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from django.utils.functional import Promise

from meterhall.web.portal.words import STATE, word

Text = str | Promise
Tone = Literal["neutral", "info", "success", "warning", "danger"]


@dataclass(frozen=True, slots=True)
class Link:
    """A link, or a breadcrumb without an address (the page itself)."""

    text: Text
    href: str = ""
    primary: bool = False


@dataclass(frozen=True, slots=True)
class Badge:
    """A state in a word; the tone adds colour and an icon, never meaning of its own."""

    text: Text
    tone: Tone = "neutral"


@dataclass(frozen=True, slots=True)
class CopyId:
    """An identifier in monospace with a button that copies it; `href` leads to the thing."""

    value: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit."""

    number: int | float | Decimal
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a summary list or of check-your-answers (`change` leads back to the question)."""

    label: Text
    value: object
    change: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One line of a task list."""

    title: Text
    status: Badge
    href: str = ""
    hint: Text = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a timeline: what happened, when, who says so."""

    title: Text
    at: datetime | None
    by: Text = ""
    tone: Tone = "neutral"
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One tab of a code sample."""

    language: Text
    code: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A command that is asked about once more before it is sent by POST."""

    id: str
    button: Text
    title: Text
    text: Text
    action: str
    confirm: Text
    danger: bool = False
    primary: bool = False
    reason: Text = ""
    """Label of a reason the person must give; empty: none is asked for. Sent as `reason`."""
    hidden: Mapping[str, str] = field(default_factory=dict)


TONES: dict[str, Tone] = {
    "active": "success", "admitted": "success", "passed": "success", "published": "success", "matched": "success",
    "accepted": "success", "delivered": "success", "received": "success", "valid": "success", "granted": "success",
    "applied": "warning", "waiting": "warning", "requested": "warning", "pending": "warning", "running": "info",
    "draft": "neutral", "suspended": "danger", "refused": "danger", "rejected": "danger", "failed": "danger",
    "mismatched": "danger", "revoked": "danger", "expired": "warning", "lapsed": "warning", "withdrawn": "neutral",
    "quit": "neutral", "ended": "neutral", "new": "info", "countersigned": "success", "signed": "info",
}  # fmt: skip


def state_badge(state: str, label: Text = "") -> Badge:
    """The badge of a state by its name, in the reader's language."""
    return Badge(label or word(STATE, state), TONES.get(state, "neutral"))
