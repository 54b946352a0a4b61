"""Refusals of the transparency log."""

from __future__ import annotations

from meterhall.domain.errors import InvalidInput


class BadNote(InvalidInput):
    code = "bad_note"
    title = "This is not a note signed by a key that is trusted here (C2SP signed-note)."


class BadVerifierKey(InvalidInput):
    code = "bad_verifier_key"
    title = "This is not a verifier key: <name>+<key id>+<base64> (C2SP signed-note)."


class BadCheckpoint(InvalidInput):
    code = "bad_checkpoint"
    title = "This is not a checkpoint of the log (C2SP tlog-checkpoint)."


class BadProof(InvalidInput):
    code = "bad_proof"
    title = "The proof does not lead to the root of the tree."


class BadTilePath(InvalidInput):
    code = "bad_tile_path"
    title = "This is not the path of a tile (C2SP tlog-tiles)."


class OutsideTree(InvalidInput):
    code = "outside_tree"
    title = "The tree does not reach that far."
