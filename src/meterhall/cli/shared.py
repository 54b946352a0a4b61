"""What every command needs: how it prints, how it refuses, and how it loads a platform."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from meterhall.domain.errors import InvalidInput, Unavailable

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

HomeOption = Annotated[Path, typer.Option("--home", help="The platform's folder.", envvar="METERHALL_HOME")]


class UnusableFile(InvalidInput):
    code = "unusable_file"
    title = "A file or folder cannot be read or written."


class DatabaseUnusable(Unavailable):
    code = "database_unusable"
    title = "The database cannot be used."


def django_ready(role: str, home: Path, *, new: bool = False) -> None:
    """Load the Django project of the platform in `home`, and see that its database answers.

    The file of an embedded database is made for a `new` platform only: where it is gone later, it must be put back.
    """
    load_project(role, home)
    from django.db import Error, connection

    file = home / "db.sqlite3"
    if new and connection.vendor == "sqlite":
        file.touch(mode=0o600)
    try:
        connection.ensure_connection()
    except Error as fault:
        if connection.vendor == "sqlite" and not file.exists():
            raise DatabaseUnusable(
                f"{file} is missing: put it back, or restore a backup; DATABASE_URL names another database."
            ) from None
        raise DatabaseUnusable(f"The database cannot be used: {' '.join(str(fault).split())}.") from None


def load_project(role: str, home: Path) -> None:
    """Load the Django project of the platform in `home`. What this process writes from now on only its user reads."""
    import django

    from meterhall.web.home import Home, NoHome
    from meterhall.web.logs import configure_logs

    os.umask(0o077)
    config = Home(home).config
    if config.role != role:
        raise NoHome(f"{home} holds a {config.role}, not a {role}.")
    os.environ |= {"METERHALL_HOME": str(home), "DJANGO_SETTINGS_MODULE": f"meterhall.{role}.settings"}
    configure_logs(role, "cli", "ERROR", "text")
    django.setup()


def migrate() -> None:
    """Make the tables those of this version."""
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)


def table_of(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Table:
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(escape(str(row.get(column, ""))) for column in columns))
    return table
