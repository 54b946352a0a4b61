"""The cursor of the change feed: which lake, and up to which commit. Opaque to whoever holds it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from meterhall.domain.errors import Gone, InvalidInput


class InvalidCursor(InvalidInput):
    code = "invalid_cursor"
    title = "This is not a cursor of the change feed."


class CursorExpired(Gone):
    code = "cursor_expired"
    title = "The change feed can't go on from this cursor; read everything and take a new one."


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the feed of one table: everything up to commit `sequence` has been seen."""

    table_id: str
    sequence: int

    def encode(self) -> str:
        """The opaque text."""
        return base64.urlsafe_b64encode(f"{self.table_id}:{self.sequence}".encode()).decode().rstrip("=")


def parse_cursor(text: str, *, field: str = "/since") -> Cursor:
    """The cursor a text stands for; raises `InvalidCursor`."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        table_id, _, sequence = plain.partition(":")
        cursor = Cursor(table_id, int(sequence))
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor(field=field) from error
    if cursor.encode() != text:
        raise InvalidCursor(field=field)
    return cursor
