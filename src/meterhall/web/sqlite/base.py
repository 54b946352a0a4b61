"""Connections to a SQLite file that are kept when a request is over, for the next one.

The framework opens one for each request; opening (functions, settings, the whole schema read anew) takes longer than
what most calls then ask. One that is kept is in no transaction; a process that was forked keeps its own.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.sqlite3 import base

MOST: Final = 16
"""Connections of a process that are kept for a file; those beyond are closed."""
File = tuple[int, int]
"""Device and inode: another file may have come to stand under the same name."""
FREE: dict[tuple[int, str], list[tuple[File, sqlite3.Connection]]] = {}
"""By process and name. A connection must not be used, nor closed, by a process forked since."""


class DatabaseWrapper(base.DatabaseWrapper):
    """As Django's own; in memory exactly so."""

    _file: File | None = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """One that is free, if the file is the one it was opened on; else a new one."""
        self._file, free = self._found(), FREE.get(self._key, [])
        with suppress(IndexError):  # another thread may take the last one
            while True:
                file, connection = free.pop()
                if file == self._file:
                    return connection
                connection.close()
        return super().get_new_connection(conn_params)

    def close_if_replaced(self) -> None:
        """Let the connection go where another file came to stand under its name, as when a backup is restored."""
        if self.connection is not None and not self.in_atomic_block and self._found() != self._file:
            self.close()

    def _close(self) -> None:
        connection = self.connection
        if connection is None or not self._keep(connection):
            super()._close()  # type: ignore[misc]  # the framework's stubs do not have it

    def _keep(self, connection: Any) -> bool:
        if self._file is None or self.errors_occurred or connection.in_transaction:
            return False
        free = FREE.setdefault(self._key, [])
        if len(free) >= MOST:
            return False
        free.append((self._file, connection))
        return True

    def _found(self) -> File | None:
        """The file that is there now; None in memory, and where there is none."""
        if self.is_in_memory_db():
            return None
        try:
            found = Path(unquote(urlsplit(self._key[1]).path)).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    @property
    def _key(self) -> tuple[int, str]:
        return os.getpid(), str(self.settings_dict["NAME"])


def let_go_of_replaced() -> None:
    """What a thread that is no request's asks for before it looks: that its connection is to the file that is there."""
    wrapper = connections[DEFAULT_DB_ALIAS]
    if isinstance(wrapper, DatabaseWrapper):
        wrapper.close_if_replaced()


def close_kept() -> None:
    """Close what is kept, before this process forks."""
    for (process, _), free in FREE.items():
        while free and process == os.getpid():
            free.pop()[1].close()
