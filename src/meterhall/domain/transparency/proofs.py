"""Proof files: everything needed to show, offline, that a statement stands in the log that all players see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.base import iso
from meterhall.domain.protocol.keys import BadSignature, PublicKey, verify
from meterhall.domain.protocol.log import ProofFile
from meterhall.domain.protocol.statements import STATEMENT_TYP, Statement
from meterhall.domain.transparency.checkpoints import hash_from, open_checkpoint
from meterhall.domain.transparency.errors import BadNote, BadProof
from meterhall.domain.transparency.merkle import entry_of, leaf_hash, verify_inclusion
from meterhall.domain.transparency.notes import COSIGNATURE, SIGNATURE, Note, VerifierKey


class NotWitnessed(InvalidInput):
    code = "not_witnessed"
    title = "Too few trusted witnesses cosigned the checkpoint."


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A trusted witness that cosigned, and when."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof file proves."""

    statement: Statement
    signed_by: str
    origin: str
    seq: int
    tree_size: int
    witnesses: tuple[Witnessed, ...]
    unknown_witnesses: int

    def sentences(self) -> list[str]:
        """What holds, one fact a sentence."""
        said, seen = self.statement, [f"{one.name} at {iso(one.at)}" for one in self.witnesses]
        return [
            f"Statement {said.id}: {said.type} by {said.by} at {iso(said.at)}, transaction {said.transaction}.",
            f"It is signed with the key {self.signed_by}, under which the log took it.",
            f"It is entry {self.seq} of the {self.tree_size} entries of the log {self.origin}, signed by the log.",
            f"Trusted witnesses that cosigned: {', '.join(seen) or 'none'}; others: {self.unknown_witnesses}.",
        ]

    def document(self) -> dict[str, object]:
        """The same as a JSON document."""
        return {
            "statement": self.statement.document(),
            "signed_by": self.signed_by,
            "origin": self.origin,
            "seq": self.seq,
            "tree_size": self.tree_size,
            "witnesses": [{"name": one.name, "at": iso(one.at)} for one in self.witnesses],
            "unknown_witnesses": self.unknown_witnesses,
        }


def verify_proof_file(proof: ProofFile, keys: Iterable[VerifierKey], *, least_witnesses: int = 0) -> Proven:
    """Check every link: statement signature, salted entry, inclusion, log signature, cosignatures.

    `keys` are the trusted keys: the log's, and those of witnesses. The maker's key in the file need not be trusted:
    it is the one whose thumbprint the logged statement itself names. Raises `BadProof`, `BadNote`, `BadCheckpoint`,
    `BadSignature`, `NotWitnessed`.
    """
    trusted = list(dict.fromkeys(keys))
    note = Note.parse(proof.checkpoint)
    log_key = next((key for key in trusted if key.kind == SIGNATURE and note.signed_by(key)), None)
    if log_key is None:
        raise BadNote("The checkpoint is not signed by a trusted log key.", field="/checkpoint")
    checkpoint = open_checkpoint(note, log_key)
    statement = _statement(proof)
    leaf = leaf_hash(entry_of(bytes.fromhex(proof.salt), proof.statement))
    verify_inclusion(leaf, proof.seq, checkpoint.size, [hash_from(step) for step in proof.path], checkpoint.root)
    witnesses = tuple(
        Witnessed(key.name, seen.at) for key in trusted if key.kind == COSIGNATURE and (seen := note.signed_by(key))
    )
    if len({one.name for one in witnesses}) < least_witnesses:
        raise NotWitnessed(f"{len(witnesses)} trusted witnesses cosigned, {least_witnesses} are asked for.")
    return Proven(
        statement=statement,
        signed_by=proof.key.kid,
        origin=checkpoint.origin,
        seq=proof.seq,
        tree_size=checkpoint.size,
        witnesses=witnesses,
        unknown_witnesses=len(note.signatures) - 1 - len(witnesses),
    )


def _statement(proof: ProofFile) -> Statement:
    key = PublicKey.from_jwk(proof.key.document())
    verified = verify(proof.statement, [key], typ=STATEMENT_TYP)
    try:
        return Statement.model_validate(verified.document)
    except ValidationError as fault:
        raise BadProof("What was signed is not a statement.", field="/statement") from fault


__all__ = ["BadSignature", "NotWitnessed", "Proven", "Witnessed", "verify_proof_file"]
