"""What a client remembers of its activations, in its home."""

from __future__ import annotations

from pydantic import Field

from meterhall.domain.protocol.base import ActivationId, FormatName, Message, SubscriptionId
from meterhall.domain.protocol.offers import DataScope


class Refusal(Message):
    """A POD that was refused before it was sent, or whose evidence was not taken."""

    pod: str = Field(repr=False)
    code: str
    detail: str


class ActivationKept(Message):
    """An activation as its client remembers it."""

    key: str
    subscription_id: SubscriptionId
    provider: str
    formats: tuple[FormatName, ...]
    scope: DataScope
    country: str = ""
    activation_id: ActivationId | None = None
    refused: tuple[Refusal, ...] = ()


class Cursor(Message):
    """How far the changes of an activation were read."""

    since: str
