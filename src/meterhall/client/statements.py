"""Making the signed statements by which a player notifies the Market Place. Sending them is their maker's matter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from meterhall.domain.protocol.base import Environment
from meterhall.domain.protocol.canonical import new_id, new_salt
from meterhall.domain.protocol.keys import SigningKey, sign
from meterhall.domain.protocol.statements import STATEMENT_TYP, Statement, StatementPosted, StatementType


def make_statement(
    kind: StatementType,
    key: SigningKey,
    *,
    by: str,
    environment: Environment,
    at: datetime,
    transaction_id: str,
    subject: str = "",
    parties: tuple[str, ...] = (),
    about: str | None = None,
    counts: Mapping[str, int] | None = None,
    commitments: Mapping[str, str] | None = None,
) -> tuple[Statement, StatementPosted]:
    """A statement, and what is posted of it: signed with the transport key, under a fresh salt."""
    statement = Statement(
        id=new_id("stm"),
        type=kind,
        environment=environment,
        by=by,
        parties=parties or (by,),
        at=at,
        transaction=transaction_id,
        subject=subject,
        about=about,
        counts=dict(counts or {}),
        commitments=dict(commitments or {}),
    )
    jws = sign(statement.document(), key, typ=STATEMENT_TYP)
    return statement, StatementPosted(statement=jws, salt=new_salt())
