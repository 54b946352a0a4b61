"""Tile paths, notes and checkpoints, held against examples other implementations publish."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhall.domain.protocol.keys import SigningKey
from meterhall.domain.transparency.checkpoints import Checkpoint, open_checkpoint
from meterhall.domain.transparency.errors import BadCheckpoint, BadNote, BadTilePath, BadVerifierKey
from meterhall.domain.transparency.notes import (
    COSIGNATURE,
    SIGNATURE,
    Note,
    Signature,
    VerifierKey,
    check,
    cosign,
    parse_keys,
)
from meterhall.domain.transparency.tiles import Tile, bundle, completed, parse_path

GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of the Go module `golang.org/x/mod/sumdb/note`."""
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1234067), "0/x001/x234/067"),
        (Tile(0, 0), "0/000"),
        (Tile(1, 999, 5), "1/999.p/5"),
        (Tile(None, 1000, 255), "entries/x001/000.p/255"),
    ],
)
def test_paths_as_published(tile, path):
    assert tile.path == path
    assert parse_path(path) == tile


@given(st.integers(0, 10**9), st.integers(1, 256), st.one_of(st.none(), st.integers(0, 63)))
def test_paths_there_and_back(index, width, level):
    tile = Tile(level, index, width)
    assert parse_path(tile.path) == tile
    assert tile.until - tile.first == width


@pytest.mark.parametrize(
    "path",
    ["", "0/1", "00/000", "0/x000/001", "0/000.p/0", "0/000.p/256", "0/000.p/05", "64/000", "entries/../000", "0/000/"],
)
def test_no_other_spelling(path):
    with pytest.raises(BadTilePath):
        parse_path(path)


def test_tiles_completed():
    assert list(completed(255)) == []
    assert list(completed(512)) == [Tile(0, 1)]
    assert list(completed(65536)) == [Tile(0, 255), Tile(1, 0)]


def test_bundle():
    assert bundle([b"a", b"bc"]) == b"\x00\x01a\x00\x02bc"


def test_another_implementations_note():
    note, key = Note.parse(GO_NOTE), VerifierKey.parse(GO_KEY)
    assert str(note) == GO_NOTE
    assert str(key) == GO_KEY
    assert note.signed_by(key) is not None
    with pytest.raises(BadNote):
        Note.parse(GO_NOTE.replace("problem,", "problems,")).signed_by(key)


def test_a_checkpoint_with_witnesses():
    log, witness, stranger = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
    checkpoint = Checkpoint("market.example/log", 7, bytes(range(32)))
    signed = checkpoint.signed(log)
    cosigned = Note(signed.text, (*signed.signatures, cosign(signed.text, "witness.example/w1", witness, AT)))
    log_key = VerifierKey.of("market.example/log", SIGNATURE, log.public)
    witness_key = VerifierKey.of("witness.example/w1", COSIGNATURE, witness.public)
    again = Note.parse(str(cosigned))
    assert open_checkpoint(again, log_key) == checkpoint
    assert again.signed_by(witness_key).at == AT
    assert again.signed_by(VerifierKey.of("witness.example/w1", COSIGNATURE, stranger.public)) is None
    with pytest.raises(BadNote):
        open_checkpoint(again, VerifierKey.of("market.example/log", SIGNATURE, stranger.public))
    larger = Checkpoint("market.example/log", 8, bytes(range(32)))
    with pytest.raises(BadNote):
        Note(larger.text, again.signatures).signed_by(witness_key)
    with pytest.raises(BadNote):
        check(again.text, again.signatures[0], witness_key)


def test_a_checkpoint_of_another_origin():
    log = SigningKey.generate()
    other = Checkpoint("elsewhere.example", 7, bytes(32))
    signed = Note(other.text, (Checkpoint.signed(other, log).signatures[0],))
    with pytest.raises(BadNote):
        open_checkpoint(signed, VerifierKey.of("market.example/log", SIGNATURE, log.public))


@pytest.mark.parametrize(
    "text",
    ["a\n1\n\n", "a\n01\n" + "A" * 43 + "=\n", "a\n-1\n" + "A" * 43 + "=\n", "a\n1\nAAAA\n", "a\n1\n", ""],
)
def test_not_a_checkpoint(text):
    with pytest.raises(BadCheckpoint):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "note", ["", "text\n", "text\n\n", "text\n\n— a !\n", "text\n\n— a AAAA\n", "a\x00b\n\n— a AAAAAAA=\n"]
)
def test_not_a_note(note):
    with pytest.raises(BadNote):
        Note.parse(note)


@pytest.mark.parametrize(
    "key", ["", "a+b", GO_KEY.replace("c74f", "c74e"), GO_KEY.replace("Peter", "Pe ter"), "a+00+AR"]
)
def test_not_a_key(key):
    with pytest.raises(BadVerifierKey):
        VerifierKey.parse(key)


def test_a_file_of_keys():
    assert [str(key) for key in parse_keys(["# the log", "", f"{GO_KEY}  # since March"])] == [GO_KEY]


def test_a_cosignature_from_no_time():
    witness = SigningKey.generate()
    key = VerifierKey.of("w", COSIGNATURE, witness.public)
    forged = Signature("w", key.key_id, b"\xff" * 72)
    with pytest.raises(BadNote, match="no time"):
        check("a\n", forged, key)
