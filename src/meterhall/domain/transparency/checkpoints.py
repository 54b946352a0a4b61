"""C2SP checkpoints: how large the log is and what its root is, signed by the log, cosigned by witnesses."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Self

from meterhall.domain.protocol.keys import SigningKey
from meterhall.domain.transparency.errors import BadCheckpoint, BadNote
from meterhall.domain.transparency.merkle import HASH_BYTES
from meterhall.domain.transparency.notes import Note, VerifierKey, sign_note

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree head of the log named by `origin`."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From a note's text. Extension lines are refused: this log writes none. Raises `BadCheckpoint`."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0] or not _SIZE.fullmatch(lines[1]):
            raise BadCheckpoint
        return cls(lines[0], int(lines[1]), hash_from(lines[2]))

    def signed(self, key: SigningKey) -> Note:
        """The note signed by the log; its key is named like its origin."""
        return Note(self.text, (sign_note(self.text, self.origin, key),))


def open_checkpoint(note: Note, log_key: VerifierKey) -> Checkpoint:
    """The checkpoint of a note that the log signed. Raises `BadCheckpoint` or `BadNote`."""
    if note.signed_by(log_key) is None:
        raise BadNote(f"The checkpoint is not signed by {log_key.name}.")
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != log_key.name:
        raise BadCheckpoint(f"The checkpoint is of another log than {log_key.name}.")
    return checkpoint


def to_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def hash_from(text: str) -> bytes:
    """A hash from its base64. Raises `BadCheckpoint`."""
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise BadCheckpoint("A hash is 32 bytes in base64.") from None
    if len(found) != HASH_BYTES or to_base64(found) != text:
        raise BadCheckpoint("A hash is 32 bytes in base64.")
    return found


def witness_name(origin: str, access_number: str) -> str:
    """The key name of a player that cosigns the checkpoints of a log."""
    return f"{origin}/witness/{access_number}"
