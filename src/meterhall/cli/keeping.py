"""`backup`, `restore` and `rotate-keys`: what keeps a platform for years."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from meterhall.cli.shared import HomeOption, django_ready, migrate, out


def keeping_commands(role: str, commands: typer.Typer) -> None:
    """The commands that keep a platform."""

    @commands.command()
    def backup(
        home: HomeOption,
        folder: Annotated[Path, typer.Argument(help="A new folder for the backup.")],
        with_secret: Annotated[
            bool,
            typer.Option("--with-secret", help="Put secret.key in too: who has it then has all."),
        ] = False,
    ) -> None:
        """Back up database, meter data, files, keys and settings while the platform runs."""
        django_ready(role, home)
        from meterhall.web.backup import back_up

        made = back_up(folder, with_secret=with_secret)
        out.print(f"{len(made.files)} files in {folder}, made {made.made_at:%Y-%m-%d %H:%M:%S} UTC.", markup=False)
        if not with_secret:
            out.print(f"Not in it: {home / 'secret.key'}. Keep a copy elsewhere; nothing sealed opens without it.")

    @commands.command()
    def restore(
        home: HomeOption,
        folder: Annotated[Path, typer.Argument(help="The backup.")],
        secret: Annotated[Path | None, typer.Option(help="The copy of secret.key that was kept apart.")] = None,
        database_url: Annotated[
            str, typer.Option(help="An empty database to restore into; empty: the one of the settings.")
        ] = "",
    ) -> None:
        """Put a backup into a new home and an empty database; `serve` then goes on from there."""
        _restore(role, home, folder, secret, database_url)

    @commands.command("rotate-keys")
    def rotate_keys(
        home: HomeOption,
        now: Annotated[
            bool,
            typer.Option("--now", help="Withdraw the old key at once: others may have it."),
        ] = False,
    ) -> None:
        """Replace the transport key: announce a new one now; the worker uses it later and withdraws the old one."""
        django_ready(role, home)
        _rotate(role, now)


def _restore(role: str, home: Path, folder: Path, secret: Path | None, database_url: str) -> None:
    """Take back what was written where it cannot be finished."""
    from meterhall.web.backup import NoBackup, put_database, put_files, read, same_database
    from meterhall.web.home import Home, HomeExists

    found = read(folder)
    if found.role != role:
        raise NoBackup(f"The backup is of a {found.role}, not of a {role}.", field="/folder")
    if any((home / name).exists() for name in ("config.toml", "secret.key")):
        raise HomeExists(f"There is a platform in {home} already.")
    if database_url:
        os.environ["DATABASE_URL"] = database_url
    put_files(folder, home, secret)
    try:
        django_ready(role, home, new=True)
        same_database(found)
        migrate()
        put_database(folder)
        migrate()
    except BaseException:
        Home(home).discard()
        raise
    out.print(f"{found.name} of {found.made_at:%Y-%m-%d %H:%M:%S} UTC is in {home}.", markup=False)
    out.print(f"Next: meterhall {role} check --home {home}, then serve.", markup=False)


def _rotate(role: str, now: bool) -> None:
    from meterhall.web.membership.rotation import announce, proceed, rotation

    if rotation() is None or not now:
        announce()
    under_way = proceed(at_once=now)
    if under_way is None:
        out.print("The new key is in use and the old one is withdrawn.")
    else:
        out.print(
            f"Announced. Used from {under_way.use_from:%Y-%m-%d %H:%M} UTC, the old one is withdrawn on "
            f"{under_way.retire_from:%Y-%m-%d}: the worker does both."
        )
    if role == "provider":
        out.print("A standing acceptance names the key that signs: sign it anew on the portal once the key is used.")
