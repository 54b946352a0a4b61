"""Backup and restore: a platform's database, meter data, files and settings as one folder, checked by digests.

A backup is made while the platform runs. The database is read first, in one snapshot; files and lake afterwards: what
the database knows is then among them, and what it does not know is swept or reconciled. `secret.key`, without which
nothing sealed in it can be opened, is left out unless asked for.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from django.core.management.color import no_style
from django.db import connection, transaction
from django.utils.module_loading import autodiscover_modules
from filelock import FileLock

from meterhall import __version__
from meterhall.domain.errors import Conflict, InvalidInput
from meterhall.web.home import write_private
from meterhall.web.platform import platform

log = structlog.get_logger(__name__)
SECRET = "secret.key"  # noqa: S105 - a file's name
PLAIN = ("config.toml", "keys", "tls", "trust", "intake", "files", "lake")
"""What of the home goes along, in this order; the database does by itself."""
LEFT_OUT = ("writer.lock",)


class BackupExists(Conflict):
    code = "backup_exists"
    title = "A backup is made into a folder that is not there yet."


class NoBackup(InvalidInput):
    code = "no_backup"
    title = "This folder holds no backup, or not the whole of one."


class OtherVersion(Conflict):
    code = "backup_of_other_version"
    title = "The backup is of another version: restore it with that version, then upgrade."


class DatabaseNotEmpty(Conflict):
    code = "database_not_empty"
    title = "The database named by the settings holds a platform already; name an empty one."


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says of itself."""

    role: str
    name: str
    version: str
    made_at: datetime
    database: str
    files: dict[str, str]

    def write(self, folder: Path) -> None:
        document = {
            "role": self.role, "name": self.name, "version": self.version, "made_at": self.made_at.isoformat(),
            "database": self.database, "files": self.files,
        }  # fmt: skip
        write_private(folder / "backup.json", json.dumps(document, indent=1).encode())


def back_up(folder: Path, *, with_secret: bool = False) -> Backup:
    """Write a backup of this platform into a new folder; the manifest comes last, so that half of one is none.

    Raises `BackupExists`.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupExists(f"There is something in {folder} already.", field="/folder")
    (folder / "home").mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "database").mkdir(mode=0o700)
    _save_sqlite(folder) if connection.vendor == "sqlite" else _save_postgres(folder)
    home = platform().home.path
    for name in (*PLAIN, *((SECRET,) if with_secret else ())):
        with _still(home / name):
            _copy(home / name, folder / "home" / name)
    config = platform().config
    files = {str(path.relative_to(folder)): _digest(path) for path in _files(folder)}
    made = Backup(config.role, config.name, __version__, platform().now(), connection.vendor, files)
    made.write(folder)
    log.info("backup.made", files=len(files))
    return made


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "backup.json")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _still(folder: Path) -> AbstractContextManager[object]:
    """Nobody writes to a lake while it is copied; who wants to, tries again."""
    lock = folder / "writer.lock"
    return FileLock(lock) if lock.exists() else nullcontext()


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder; what goes away meanwhile was not needed any more."""
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy2(source, target)
        return
    for path in source.iterdir() if source.is_dir() else ():
        if path.name in LEFT_OUT or path.name.endswith(".new"):
            continue
        try:
            _copy(path, target / path.name)
        except FileNotFoundError:
            continue


def _save_sqlite(folder: Path) -> None:
    connection.ensure_connection()
    with closing(sqlite3.connect(folder / "database" / "db.sqlite3")) as target:
        connection.connection.backup(target)


def _save_postgres(folder: Path) -> None:
    """Every table as text in one snapshot; what PostgreSQL itself can read back with COPY."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for table in _tables():
            columns = ", ".join(map(connection.ops.quote_name, _columns(cursor, table)))
            sql = f"COPY {connection.ops.quote_name(table)} ({columns}) TO STDOUT"
            with (folder / "database" / f"{table}.copy").open("wb") as out, _raw(cursor).copy(sql) as rows:
                out.write(columns.encode() + b"\n")
                for row in rows:
                    out.write(row)


def _tables() -> list[str]:
    return sorted(connection.introspection.table_names())


def _columns(cursor: Any, table: str) -> list[str]:
    return [column.name for column in connection.introspection.get_table_description(cursor, table)]


def _raw(cursor: Any) -> Any:
    """psycopg's own cursor under Django's."""
    return cursor.cursor


def read(folder: Path) -> Backup:
    """A whole backup, every digest checked. Raises `NoBackup`, `OtherVersion`."""
    try:
        held = json.loads((folder / "backup.json").read_text())
        found = Backup(**held | {"made_at": datetime.fromisoformat(held["made_at"])})
    except (OSError, ValueError, TypeError, KeyError):
        raise NoBackup(f"{folder} holds no backup.", field="/folder") from None
    for name, known in found.files.items():
        path = folder / name
        if not path.is_file() or _digest(path) != known:
            raise NoBackup(f"{name} is missing in the backup, or is not what was backed up.", field="/folder")
    if found.version != __version__:
        raise OtherVersion(f"The backup was made by version {found.version}; this is {__version__}.")
    return found


def put_files(folder: Path, home: Path, secret: Path | None) -> None:
    """The home of a backup at its new place, with the secret it needs. Raises `NoBackup`."""
    source = secret or folder / "home" / SECRET
    if not source.is_file():
        raise NoBackup("The backup is without its secret.key: name the copy that was kept apart.", field="/secret")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in (folder / "home").iterdir():
        _copy(path, home / path.name)
    for name in ("keys", "tls", "lake", "files"):
        (home / name).mkdir(exist_ok=True, mode=0o700)
    write_private(home / SECRET, source.read_bytes())


def same_database(found: Backup) -> None:
    """Raises `OtherVersion` where the backup is of another kind of database than this platform's."""
    if found.database != connection.vendor:
        raise OtherVersion(f"The backup is of {found.database}, the settings name {connection.vendor}.")


def put_database(folder: Path) -> None:
    """The rows of a backup into the database of this platform: its tables are there, and nothing is in them yet.

    Raises `DatabaseNotEmpty`.
    """
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(folder / "database" / "db.sqlite3")) as source:
            connection.ensure_connection()
            source.backup(connection.connection)
    else:
        _load_postgres(folder)
    autodiscover_modules("restored")
    for look in RESTORED:
        look()


def _load_postgres(folder: Path) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM web_messaging_identity")
        if cursor.fetchone()[0]:
            raise DatabaseNotEmpty
        names = [connection.ops.quote_name(table) for table in _tables()]
        cursor.execute(f"TRUNCATE {', '.join(names)} CASCADE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for table in _tables():
            with (folder / "database" / f"{table}.copy").open("rb") as file:
                columns = file.readline().decode().strip()
                sql = f"COPY {connection.ops.quote_name(table)} ({columns}) FROM STDIN"
                with _raw(cursor).copy(sql) as rows:
                    shutil.copyfileobj(file, rows)
    _go_on_counting()


def _go_on_counting() -> None:
    """Set every sequence after the highest key there is."""
    from django.apps import apps

    with connection.cursor() as cursor:
        for sql in connection.ops.sequence_reset_sql(no_style(), apps.get_models(include_auto_created=True)):
            cursor.execute(sql)


RESTORED: list[Any] = []


def after_restore(look: Any) -> Any:
    """Register what an app's module `restored` does once its rows are back: it brings rows and files in line."""
    RESTORED.append(look)
    return look
