"""What a platform adds to how it describes itself."""

from __future__ import annotations

from collections.abc import Callable

_log_key: list[Callable[[], str]] = []


def publish_log_key(source: Callable[[], str]) -> None:
    """The Market Place's ledger names the key of its transparency log (C2SP vkey)."""
    _log_key[:] = [source]


def log_key() -> str | None:
    """The log's key, where there is a log."""
    return _log_key[0]() if _log_key else None
