"""Commands and questions about statements: post, keep our own, show to the parties, prove, forget."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from pydantic import ValidationError

from meterhall.domain.errors import Conflict, InvalidInput, NotFound, NotPermitted
from meterhall.domain.market.texts import refuse_pods
from meterhall.domain.protocol.faults import pointer
from meterhall.domain.protocol.keys import BadSignature, header_of, verify
from meterhall.domain.protocol.log import LoggedStatement, ProofFile
from meterhall.domain.protocol.players import Jwk
from meterhall.domain.protocol.statements import STATEMENT_TYP, LogReceipt, Statement, StatementPosted
from meterhall.domain.transparency.merkle import entry_of
from meterhall.marketplace.ledger.matching import COMMITMENT, OTHER_SIDE, SUBJECT, meet
from meterhall.marketplace.ledger.matters import check_matter
from meterhall.marketplace.ledger.models import KeptStatement, LogEntry
from meterhall.marketplace.ledger.tree import (
    CLOCK_SKEW,
    append_entry,
    cosigned_note,
    covering,
    inclusion,
    locked_head,
)
from meterhall.marketplace.players.models import Player, PlayerKey
from meterhall.web.messaging.models import Peer
from meterhall.web.messaging.peers import my_access_number, public_keys, transport_keys
from meterhall.web.platform import platform

MARKETPLACE_ONLY = frozenset(
    {
        "player.applied",
        "player.admitted",
        "player.suspended",
        "certification.passed",
        "certification.failed",
        "search.answered",
        "localisation.answered",
        "contract.countersigned",
    }
)
"""What only the Market Place can state, since only it does it."""


PLAIN_ID = re.compile(r"([a-z]{3}_[0-9a-f]{24}(:\d{1,9})?|MH\d{10}|[a-z]{1,20}-\d{1,9}|)", re.ASCII)
"""What transactions and subjects are, of those we know."""


class BadStatement(InvalidInput):
    code = "bad_statement"
    title = "What was signed is not a statement that can be kept."


class ForeignStatement(NotPermitted):
    code = "foreign_statement"
    title = "A statement is posted by the party that makes it, about a matter it is a party of."


class WrongEnvironment(InvalidInput):
    code = "wrong_environment"
    title = "The statement belongs to the other market environment."


class UnknownParty(InvalidInput):
    code = "unknown_party"
    title = "The statement names a party that is not enrolled here."


class StatementExists(Conflict):
    code = "statement_exists"
    title = "Another statement of this id is in the log already."


class UnknownTransaction(NotFound):
    code = "unknown_transaction"
    title = "There is no such transaction, or the caller is not a party of it."


class UnknownEntry(NotFound):
    code = "unknown_entry"
    title = "There is no such entry, it was forgotten, or the caller is not a party of it."


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a transaction, as pages show it."""

    seq: int
    statement_id: str
    type: str
    by: str
    by_name: str
    at: datetime
    subject: str
    about: str
    counts: dict[str, int]
    acknowledged_at: datetime | None
    matched: bool | None


def post_statement(posted: StatementPosted, caller: str) -> LogReceipt:
    """Take a player's statement into the log; the same one again gives the same receipt.

    A statement may have waited for days: one made before its key was replaced is taken under that key, since who posts
    it is known by the present one. Raises `BadSignature`, `BadStatement`, `ForeignStatement`, `WrongEnvironment`,
    `UnknownParty`, `TextHoldsPod`, `ForeignMatter`, `UnknownAbout`, `StatementExists`.
    """
    keys = transport_keys(caller)
    try:
        replaced = _replaced_key(caller, posted.statement) if keys else None
        fitting = [*keys, *(public_keys([replaced.jwk]) if replaced else [])]
        verified = verify(posted.statement, fitting, typ=STATEMENT_TYP)
    except BadSignature as refusal:
        raise BadSignature(refusal.detail, field="/statement") from None
    statement = _read(verified.document)
    _check_maker(statement, caller)
    _check_content(statement)
    check_matter(statement)
    if replaced is None:
        jwk = next(key.jwk() for key in keys if key.kid == verified.header["kid"])
        return append(statement, posted, Jwk.model_validate(jwk))
    if replaced.retired_at is not None and statement.at > replaced.retired_at:
        raise BadStatement("The statement was made after its key had been replaced.", field="/statement/at")
    return append(statement, posted, Jwk.model_validate(replaced.jwk))


def _replaced_key(caller: str, jws: str) -> PlayerKey | None:
    """The transport key of the caller's that made a statement, where it has been replaced since."""
    mine = PlayerKey.objects.filter(player_id=caller, use=PlayerKey.Use.TRANSPORT).exclude(retired_at=None)
    return mine.filter(kid=str(header_of(jws).get("kid"))).first()


def _read(document: Any) -> Statement:
    try:
        return Statement.model_validate(document)
    except ValidationError as fault:
        first = fault.errors(include_input=False)[0]
        where = "/statement" + pointer(first["loc"])
        raise BadStatement(f"{where}: {first['msg']}", field=where) from None


def _check_maker(statement: Statement, caller: str) -> None:
    if statement.by != caller:
        raise ForeignStatement(field="/statement/by")
    if caller not in statement.parties:
        raise ForeignStatement(field="/statement/parties")
    if statement.type in MARKETPLACE_ONLY:
        raise ForeignStatement("Only the Market Place itself states this.", field="/statement/type")


def _check_content(statement: Statement) -> None:
    if statement.environment != platform().config.environment:
        raise WrongEnvironment(field="/statement/environment")
    if statement.at > platform().now() + CLOCK_SKEW:
        raise BadStatement("The statement is from the future.", field="/statement/at")
    if Player.objects.filter(pk=statement.by, applied_at__gt=statement.at + CLOCK_SKEW).exists():
        raise BadStatement("The statement is from before its maker's enrolment.", field="/statement/at")
    known = set(Peer.objects.filter(pk__in=statement.parties).values_list("pk", flat=True)) | {my_access_number()}
    for index, party in enumerate(statement.parties):
        if party not in known:
            raise UnknownParty(field=f"/statement/parties/{index}")
    if not statement.transaction.strip():
        raise BadStatement("It names the transaction it belongs to.", field="/statement/transaction")
    for name, count in statement.counts.items():
        if count < 0:
            raise BadStatement("A count is not negative.", field=f"/statement/counts/{name}")
    for name in ("transaction", "subject"):
        text = getattr(statement, name)
        if not PLAIN_ID.fullmatch(text):
            refuse_pods(text, field=f"/statement/{name}", is_id=True)
            raise BadStatement(
                "It is an id as in the table of statements, or of one's own a word and a number.",
                field=f"/statement/{name}",
            )
    if statement.type not in OTHER_SIDE:
        return
    if not SUBJECT.fullmatch(statement.subject):
        raise BadStatement("Its subject is <delivery id>:<version>.", field="/statement/subject")
    if COMMITMENT not in statement.commitments:
        raise BadStatement("It commits to the manifest.", field=f"/statement/commitments/{COMMITMENT}")


def keep_own(statement: Statement, posted: StatementPosted) -> None:
    """Take a statement of the Market Place itself into the log, in the caller's transaction."""
    append(statement, posted, Jwk.model_validate(platform().transport_key.public.jwk()))


def append(statement: Statement, posted: StatementPosted, key: Jwk) -> LogReceipt:
    """Append a checked statement, let it meet the other side's, in one transaction. Raises `StatementExists`."""
    with transaction.atomic():
        head = locked_head()
        known = KeptStatement.objects.filter(statement_id=statement.id).select_related("entry").first()
        if known is not None:
            if known.jws != posted.statement:
                raise StatementExists(field="/statement/id")
            return _receipt(known.entry)
        entry = append_entry(head, entry_of(bytes.fromhex(posted.salt), posted.statement))
        meet(_keep(entry, statement, posted, key))
        return _receipt(entry)


def _keep(entry: LogEntry, statement: Statement, posted: StatementPosted, key: Jwk) -> KeptStatement:
    parties = (*statement.parties, "", "")
    return KeptStatement.objects.create(
        entry=entry,
        statement_id=statement.id,
        type=statement.type,
        by=statement.by,
        first_party=parties[0],
        second_party=parties[1],
        at=statement.at,
        transaction_id=statement.transaction,
        subject=statement.subject,
        document=statement.document(),
        jws=posted.statement,
        salt=posted.salt,
        key=key.document(),
        taken_at=platform().now(),
    )


def _receipt(entry: LogEntry) -> LogReceipt:
    return LogReceipt(seq=entry.seq, leaf=_leaf(entry))


def _leaf(entry: LogEntry) -> str:
    return "sha-256:" + bytes(entry.leaf).hex()


def visible(party: str | None = None) -> QuerySet[KeptStatement]:
    """The statements a party may see; with None all, for the auditor."""
    found = KeptStatement.objects.select_related("entry", "met_as_sent", "met_as_received")
    return found if party is None else found.filter(Q(first_party=party) | Q(second_party=party))


def statements_of(transaction_id: str, party: str | None = None) -> QuerySet[KeptStatement]:
    """The statements of a transaction a party may see, in the order of the log. Raises `UnknownTransaction`."""
    found = visible(party).filter(transaction_id=transaction_id).order_by("entry_id")
    if not found.exists():
        raise UnknownTransaction
    return found


def logged(kept: KeptStatement) -> LoggedStatement:
    """A statement as its parties see it."""
    return LoggedStatement(
        seq=kept.entry_id,
        leaf=_leaf(kept.entry),
        statement=Statement.model_validate(kept.document),
        jws=kept.jws,
        salt=kept.salt,
        matched=kept.match.matched if kept.match else None,
    )


def timeline(transaction_id: str, party: str | None = None) -> list[Step]:
    """The steps of a transaction as a party sees them (None: the auditor); empty where there is nothing to see."""
    kept = list(visible(party).filter(transaction_id=transaction_id).order_by("entry_id"))
    names = dict(Peer.objects.filter(pk__in={one.by for one in kept}).values_list("pk", "name"))
    answered = {about: one.at for one in kept if (about := one.document.get("about"))}
    return [
        Step(
            seq=one.entry_id,
            statement_id=one.statement_id,
            type=one.type,
            by=one.by,
            by_name=names.get(one.by, platform().config.name),
            at=one.at,
            subject=one.subject,
            about=one.document.get("about", ""),
            counts=one.document.get("counts", {}),
            acknowledged_at=answered.get(one.statement_id),
            matched=one.match.matched if one.match else None,
        )
        for one in kept
    ]


def proof_file(seq: int, party: str | None = None) -> ProofFile:
    """Everything that shows offline that a statement stands in the log. Raises `UnknownEntry`."""
    kept = visible(party).filter(entry__seq=seq).first()
    if kept is None:
        raise UnknownEntry
    checkpoint = covering(seq)
    return ProofFile(
        statement=kept.jws,
        salt=kept.salt,
        key=Jwk.model_validate(kept.key),
        seq=seq,
        path=inclusion(seq, checkpoint.size),
        checkpoint=str(cosigned_note(checkpoint)),
    )


def forget(statement_ids: Iterable[str]) -> int:
    """Drop statements with their salts; how many there were. Their entries stay and say nothing any more."""
    with transaction.atomic():
        found = KeptStatement.objects.filter(statement_id__in=list(statement_ids))
        count = found.count()
        found.delete()
    return count
