"""Proof files: whole they verify offline, and every single change is found."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meterhall.domain.protocol.canonical import new_id, new_salt
from meterhall.domain.protocol.keys import BadSignature, SigningKey, sign
from meterhall.domain.protocol.log import ProofFile
from meterhall.domain.protocol.statements import STATEMENT_TYP, Statement
from meterhall.domain.transparency.checkpoints import Checkpoint, to_base64
from meterhall.domain.transparency.errors import BadNote, BadProof
from meterhall.domain.transparency.merkle import entry_of, inclusion_proof, leaf_hash, root
from meterhall.domain.transparency.notes import COSIGNATURE, SIGNATURE, Note, VerifierKey, cosign
from meterhall.domain.transparency.proofs import NotWitnessed, verify_proof_file

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOG, WITNESS, MAKER = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
LOG_KEY = VerifierKey.of("market.example", SIGNATURE, LOG.public)
WITNESS_KEY = VerifierKey.of("market.example/witness/MH0000000123", COSIGNATURE, WITNESS.public)


def a_statement() -> Statement:
    return Statement(
        id=new_id("stm"), type="data.requested", environment="regulated", by="MH0000000123",
        parties=("MH0000000123", "MH0000000220"), at=AT, transaction="sub_1",
    )  # fmt: skip


STATEMENT, SALT = a_statement(), new_salt()


def prove(other: bytes) -> ProofFile:
    """The statement as the fifth of nine entries; the eight others are `other` numbered."""
    jws = sign(STATEMENT.document(), MAKER, typ=STATEMENT_TYP)
    leaves = [leaf_hash(other + bytes([n])) for n in range(9)]
    leaves[4] = leaf_hash(entry_of(bytes.fromhex(SALT), jws))

    def hashes(level: int, first: int, until: int) -> list[bytes]:
        return leaves[first:until]

    signed = Checkpoint("market.example", 9, root(hashes, 9)).signed(LOG)
    note = Note(signed.text, (*signed.signatures, cosign(signed.text, WITNESS_KEY.name, WITNESS, AT)))
    path = tuple(to_base64(step) for step in inclusion_proof(hashes, 4, 9))
    return ProofFile(statement=jws, salt=SALT, key=MAKER.public.jwk(), seq=4, path=path, checkpoint=str(note))


@pytest.fixture
def proof() -> ProofFile:
    return prove(b"")


def test_a_whole_proof_file(proof):
    proven = verify_proof_file(proof, [LOG_KEY, WITNESS_KEY], least_witnesses=1)
    assert (proven.seq, proven.tree_size, proven.origin) == (4, 9, "market.example")
    assert proven.statement.type == "data.requested"
    assert proven.signed_by == MAKER.kid
    assert [(one.name, one.at) for one in proven.witnesses] == [(WITNESS_KEY.name, AT)]
    assert proven.unknown_witnesses == 0


def test_a_witness_nobody_trusts_does_not_count(proof):
    assert verify_proof_file(proof, [LOG_KEY]).unknown_witnesses == 1
    with pytest.raises(NotWitnessed):
        verify_proof_file(proof, [LOG_KEY], least_witnesses=1)


def test_one_witness_named_twice_counts_once(proof):
    with pytest.raises(NotWitnessed):
        verify_proof_file(proof, [LOG_KEY, WITNESS_KEY, WITNESS_KEY], least_witnesses=2)


def test_no_trusted_log_key(proof):
    with pytest.raises(BadNote):
        verify_proof_file(proof, [WITNESS_KEY])


def changes(proof: ProofFile) -> list[dict[str, object]]:
    other = a_statement()
    path = list(proof.path)
    return [
        {"statement": sign(other.document(), MAKER, typ=STATEMENT_TYP)},
        {"salt": new_salt()},
        {"key": SigningKey.generate().public.jwk()},
        {"seq": 5},
        {"path": tuple(path[::-1])},
        {"path": tuple(path[:-1])},
        {"checkpoint": proof.checkpoint.replace("\n9\n", "\n10\n")},
        {"checkpoint": proof.checkpoint.replace("market.example\n", "other.example\n", 1)},
    ]


@pytest.mark.parametrize("which", range(8))
def test_every_change_is_found(proof, which):
    document = proof.document() | changes(proof)[which]
    with pytest.raises((BadProof, BadNote, BadSignature)):
        verify_proof_file(ProofFile.model_validate(document), [LOG_KEY, WITNESS_KEY])


def test_a_rewritten_log_lacks_its_witnesses(proof):
    """The log can sign another history with the same statement in it; the witness's cosignature does not fit that."""
    rewritten = prove(b"another history")
    note = Note.parse(rewritten.checkpoint)
    alone = str(Note(note.text, note.signatures[:1]))
    assert verify_proof_file(rewritten.model_copy(update={"checkpoint": alone}), [LOG_KEY, WITNESS_KEY]).witnesses == ()
    forged = Note(note.text, (note.signatures[0], Note.parse(proof.checkpoint).signatures[1]))
    with pytest.raises(BadNote, match="witness"):
        verify_proof_file(rewritten.model_copy(update={"checkpoint": str(forged)}), [LOG_KEY, WITNESS_KEY])
