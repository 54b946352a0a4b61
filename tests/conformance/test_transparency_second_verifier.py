"""What our log signs and proves, checked by a verifier that is not ours: PyPI's `proofbundle`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meterhall.domain.protocol.keys import SigningKey
from meterhall.domain.transparency.checkpoints import Checkpoint, witness_name
from meterhall.domain.transparency.merkle import consistency_proof, fold, inclusion_proof, leaf_hash, root
from meterhall.domain.transparency.notes import COSIGNATURE, SIGNATURE, Note, VerifierKey, cosign

merkle = pytest.importorskip("proofbundle.merkle", reason="the second verifier, proofbundle, is not installed")
checkpoint = pytest.importorskip("proofbundle.checkpoint")

SIZES = (1, 2, 3, 7, 8, 255, 256, 257, 600)
ENTRIES = [number.to_bytes(32, "big") for number in range(max(SIZES))]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ORIGIN = "localhost:8443"
LOG, WITNESS = SigningKey.generate(), SigningKey.generate()


def hashes(level: int, first: int, until: int) -> list[bytes]:
    """The leaves, and above them the roots of full tiles."""
    if level == 0:
        return LEAVES[first:until]
    return [fold(LEAVES[at * 256 : at * 256 + 256]) for at in range(first, until)]


@pytest.mark.parametrize("size", SIZES)
def test_inclusion(size: int):
    top = root(hashes, size)
    for index in {0, size // 2, size - 1}:
        path = inclusion_proof(hashes, index, size)
        assert merkle.verify_inclusion(ENTRIES[index], index, size, path, top)
        assert not merkle.verify_inclusion(ENTRIES[index - 1] + b"x", index, size, path, top)


def test_consistency():
    for first in SIZES:
        for second in SIZES:
            if first <= second:
                path = consistency_proof(hashes, first, second)
                assert merkle.verify_consistency(first, second, path, root(hashes, first), root(hashes, second))


def test_checkpoint_and_cosignature():
    signed = Checkpoint(ORIGIN, 600, root(hashes, 600)).signed(LOG)
    name = witness_name(ORIGIN, "MH0000000299")
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    note = str(Note(signed.text, (*signed.signatures, cosign(signed.text, name, WITNESS, at))))
    by_log = checkpoint.verify_checkpoint(note, str(VerifierKey.of(ORIGIN, SIGNATURE, LOG.public)))
    assert (by_log["ok"], by_log["tree_size"], by_log["root"]) == (True, 600, root(hashes, 600))
    witness_key = VerifierKey.of(name, COSIGNATURE, WITNESS.public)
    by_witness = checkpoint.verify_cosignature(note, str(witness_key))
    assert (by_witness["ok"], by_witness["timestamp"]) == (True, int(at.timestamp()))
    assert not checkpoint.verify_cosignature(note.replace("\n600\n", "\n601\n"), str(witness_key))["ok"]


def test_their_cosignature_is_read_by_us():
    signed = Checkpoint(ORIGIN, 8, root(hashes, 8)).signed(LOG)
    theirs = checkpoint.cosign_checkpoint(str(signed), WITNESS.private, "witness.example/w1", 1_772_366_400)
    key = VerifierKey.of("witness.example/w1", COSIGNATURE, WITNESS.public)
    line = Note.parse(theirs).signed_by(key)
    assert line is not None
    assert line.at == datetime(2026, 3, 1, 12, tzinfo=UTC)
