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
    "player.endpoints_changed",
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


MADE_BY: dict[str, Literal["provider", "requester"]] = {
    "contract.acknowledged": "provider",
    "subscription.quit.acknowledged": "provider",
    "activation.requested": "requester",
    "activation.acknowledged": "provider",
    "activation.refreshed": "requester",
    "activation.refreshed.acknowledged": "provider",
    "provision.confirmed": "provider",
    "consent.granted": "provider",
    "consent.ended": "provider",
    "processing.ended": "requester",
    "data.requested": "requester",
    "data.acknowledged": "provider",
    "delivery.published": "provider",
    "delivery.pushed": "provider",
    "delivery.received": "requester",
    "delivery.rejected": "requester",
    "receipt.acknowledged": "provider",
}
"""Which side states what a player states by itself."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]
"""What is counted or committed to."""


class Statement(Message):
    """An audit fact: types, ids, times, parties, counts and salted commitments; never a POD, a name or a reading."""

    v: Literal[1] = Field(1, description="The version of this form.")
    id: StatementId
    type: StatementType = Field(description="What happened; who may state it stands in the table of statements.")
    environment: Environment = Field(description="The environment of the Market Place it is sent to.")
    by: AccessNumber = Field(description="Who makes it and signs it.")
    parties: tuple[AccessNumber, ...] = Field(
        max_length=2, description="Whose matter it is, one or two, `by` among them; both may read it."
    )
    at: Instant = Field(description="When it happened, by the clock of `by`: after its enrolment, not in the future.")
    transaction: str = Field(
        max_length=60,
        description="The id all statements of one exchange share: the subscription's for contracts, activations and "
        "deliveries, else the consent's, offer's, wish's or certification's.",
    )
    subject: str = Field(
        "",
        max_length=80,
        description="The id of the thing it is about, of a manifest `<delivery id>:<version>`; empty: the transaction.",
    )
    about: StatementId | None = Field(
        None, description="The statement in the log that this one acknowledges; absent: it acknowledges none."
    )
    counts: dict[Name, int] = Field(
        {}, max_length=20, description="How many, by name, as `items`; none is negative. Empty: nothing is counted."
    )
    commitments: dict[Name, Digest] = Field(
        {},
        max_length=10,
        description="Salted digests by name: of `manifest` the SHA-256 of its salt, a line feed and its digest. Empty: "
        "nothing is committed to.",
    )


class StatementPosted(Message):
    """A statement on its way to the Market Place; `salt` hides it in the public log until the parties show it."""

    statement: Jws = Field(description="Compact JWS of a Statement by the transport key of its maker.")
    salt: Salt = Field(description="16 random bytes in hex, fresh for each statement; keep it.")


class LogReceipt(Message):
    """Where the statement stands in the transparency log."""

    seq: int = Field(ge=0, description="Index of the entry in the log, from 0.")
    leaf: Digest = Field(
        description="The leaf: SHA-256 of a zero byte and the entry (RFC 9162, section 2.1.1); the entry is SHA-256 of "
        "the salt's 16 bytes and the JWS text."
    )


MATCHES: dict[str, str] = {"delivery.published": "delivery.received"}
"""Statements of the two sides that must meet: same subject, same commitment under the manifest's salt."""
