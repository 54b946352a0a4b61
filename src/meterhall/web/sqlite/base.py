"""Connections to a SQLite file that are kept when a request is over, for the next one.

The framework opens one for each request; opening (functions, settings, the whole schema read anew) takes longer than
what most calls then ask. One that is kept is in no transaction; a process that was forked keeps its own.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Any, Final

from django.db.backends.sqlite3 import base

MOST: Final = 16
"""Connections of a process that are kept for a file; those beyond are closed."""
FREE: dict[tuple[int, str], list[sqlite3.Connection]] = {}
"""By process and file. A connection must not be used, nor closed, by a process forked since."""


class DatabaseWrapper(base.DatabaseWrapper):
    """As Django's own; in memory exactly so."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """One that is free, else a new one."""
        free = FREE.get(self._key, [])
        return free.pop() if free else super().get_new_connection(conn_params)

    def _close(self) -> None:
        connection = self.connection
        if connection is None or not self._keep(connection):
            super()._close()  # type: ignore[misc]  # the framework's stubs do not have it

    def _keep(self, connection: Any) -> bool:
        if self.is_in_memory_db() or self.errors_occurred or connection.in_transaction:
            return False
        free = FREE.setdefault(self._key, [])
        if len(free) >= MOST:
            return False
        free.append(connection)
        return True

    @property
    def _key(self) -> tuple[int, str]:
        return os.getpid(), str(self.settings_dict["NAME"])


def close_kept() -> None:
    """Close what is kept, before this process forks."""
    for (process, _), free in FREE.items():
        while free and process == os.getpid():
            free.pop().close()
