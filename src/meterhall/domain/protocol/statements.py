"""Statements: the audit facts both sides send to the Market Place, and which two must match. The log is elsewhere."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meterhall.domain.protocol.base import AccessNumber, Digest, Environment, Instant, Jws, Message, Salt, StatementId

STATEMENT_TYP = "meterhall-statement+jws"

StatementType = Literal[
    "player.applied",
    "player.admitted",
    "player.suspended",
    "player.keys_changed",
    "general_contract.signed",
    "certification.passed",
    "certification.failed",
    "offer.published",
    "offer.withdrawn",
    "search.answered",
    "wish.registered",
    "localisation.answered",
    "subscription.requested",
    "contract.signed",
    "contract.countersigned",
    "contract.acknowledged",
    "subscription.quit",
    "subscription.quit.acknowledged",
    "activation.requested",
    "activation.acknowledged",
    "activation.refreshed",
    "activation.refreshed.acknowledged",
    "consent.granted",
    "consent.ended",
    "processing.ended",
    "provision.confirmed",
    "data.requested",
    "data.acknowledged",
    "delivery.published",
    "delivery.pushed",
    "delivery.received",
    "delivery.rejected",
    "receipt.acknowledged",
]


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]
"""What is counted or committed to."""


class Statement(Message):
    """An audit fact: types, ids, times, parties, counts and salted commitments; never a POD, a name or a reading."""

    v: Literal[1] = 1
    id: StatementId
    type: StatementType
    environment: Environment
    by: AccessNumber
    parties: tuple[AccessNumber, ...] = Field(max_length=2)
    at: Instant
    transaction: str = Field(max_length=60, description="The id all statements of one exchange share.")
    subject: str = Field("", max_length=80, description="The thing the statement is about.")
    about: StatementId | None = Field(None, description="The statement this one acknowledges.")
    counts: dict[Name, int] = Field({}, max_length=20)
    commitments: dict[Name, Digest] = Field({}, max_length=10)


class StatementPosted(Message):
    """A statement on its way to the Market Place; `salt` hides it in the public log until the parties show it."""

    statement: Jws
    salt: Salt


class LogReceipt(Message):
    """Where the statement stands in the transparency log."""

    seq: int = Field(ge=0)
    leaf: Digest


MATCHES: dict[str, str] = {"delivery.published": "delivery.received"}
"""Statements of the two sides that must meet: same subject, same commitment under the manifest's salt."""
