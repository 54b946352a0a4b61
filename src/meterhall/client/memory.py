"""What a client remembers between two runs, in one SQLite file: what is under way, cursors, statements not yet sent."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from meterhall.domain.errors import Unavailable

Kept = TypeVar("Kept", bound=BaseModel)


class MemoryUnusable(Unavailable):
    code = "client_memory_unusable"
    title = "The client's memory cannot be read or written."


class Memory:
    """Documents by kind and name. Each change is on the disk when the call returns; threads and processes may share."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS kept (kind TEXT, name TEXT, document TEXT NOT NULL, "
                "PRIMARY KEY (kind, name)) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as fault:
            raise MemoryUnusable(f"{path}: {fault}.") from fault

    def put(self, kind: str, name: str, document: BaseModel) -> None:
        """Keep a document in place of the one of this name."""
        text = document.model_dump_json(by_alias=True, exclude_none=True)
        self._run("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", kind, name, text)

    def get(self, kind: str, name: str, model: type[Kept]) -> Kept | None:
        """The document of this name, if there is one."""
        rows = self._run("SELECT document FROM kept WHERE kind = ? AND name = ?", kind, name)
        return model.model_validate_json(rows[0][0]) if rows else None

    def all(self, kind: str, model: type[Kept]) -> Iterator[tuple[str, Kept]]:
        """Every document of a kind with its name, in order of names."""
        for name, text in self._run("SELECT name, document FROM kept WHERE kind = ? ORDER BY name", kind):
            yield name, model.model_validate_json(text)

    def forget(self, kind: str, name: str) -> None:
        """Drop a document; nothing when there is none."""
        self._run("DELETE FROM kept WHERE kind = ? AND name = ?", kind, name)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _run(self, statement: str, *values: str) -> list[tuple[str, ...]]:
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as fault:
            raise MemoryUnusable(f"{fault}.") from fault
