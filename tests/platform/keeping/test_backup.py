"""A backup holds everything but the secret, is whole or none, and becomes a platform again that goes on counting."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from meterhall import cli
from meterhall.domain.readings import DayBlock
from meterhall.lake import Lake
from meterhall.web.backup import NoBackup, read
from meterhall.web.home import Home, create_ca

AT = datetime(2026, 3, 1, tzinfo=UTC)


def meterhall(*words: str) -> str:
    """A command in a process of its own, as an operator types it."""
    import os
    import subprocess
    import sys

    own = {name: value for name, value in os.environ.items() if not name.startswith(("METERHALL_", "DATABASE_URL"))}
    own |= {"DATABASE_URL": words[0]} if words[0] else {}
    done = subprocess.run(
        [sys.executable, "-m", "meterhall.cli", *words[1:]], env=own, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def databases() -> tuple[str, str]:
    """Two empty databases where the tests run on PostgreSQL."""
    import os
    import time

    from tests.postgres import create

    url = os.environ.get("METERHALL_TEST_DATABASE_URL", "")
    names = [f"keep_{os.getpid()}_{time.time_ns() % 10**8}_{number}" for number in range(2)]
    for name in names if url else ():
        create(url, name)
    return tuple(url.replace("/meterhall?", f"/{name}?") if url else "" for name in names)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, databases: tuple[str, str]) -> tuple[Path, Path]:
    """A provider's home with a lake ahead of its database, and a backup of it."""
    folder = tmp_path_factory.mktemp("backup")
    home = folder / "grid"
    create_ca(folder / "ca")
    meterhall(
        databases[0], "provider", "init", "--home", str(home), "--name", "Grid", "--ca", str(folder / "ca"),
        "--invite", "signer:sam@grid.invalid:Sam",
    )  # fmt: skip
    lake = Lake(home / "lake", buckets=2, threads=1)
    day = DayBlock(1, date(2026, 1, 1), np.arange(96, dtype=np.int64), None, AT + timedelta(days=1))
    lake.append([day], transaction=("ingest", 7))
    lake.close()
    said = meterhall(databases[0], "provider", "backup", "--home", str(home), str(folder / "kept"))
    assert "secret.key" in said
    return home, folder / "kept"


def test_it_holds_everything_but_the_secret(made: tuple[Path, Path]) -> None:
    home, kept = made
    found = read(kept)
    assert (found.role, found.name) == ("provider", "Grid")
    names = set(found.files)
    assert {"home/config.toml", "home/keys/transport.sealed", "home/tls/server.pem"} <= names
    assert any(name.startswith("home/lake/readings/_delta_log/") for name in names)
    assert not any("secret" in name for name in names)
    everything = b"".join(path.read_bytes() for path in kept.rglob("*") if path.is_file())
    assert (home / "secret.key").read_bytes() not in everything


def test_restored_it_is_the_same_platform_and_counts_on(
    made: tuple[Path, Path], databases: tuple[str, str], tmp_path: Path
) -> None:
    home, kept = made
    again = tmp_path / "again"
    meterhall(
        databases[1], "provider", "restore", "--home", str(again), str(kept), "--secret", str(home / "secret.key")
    )
    assert Home(again).key("contract").kid == Home(home).key("contract").kid
    lake = Lake(again / "lake", threads=1)
    assert len(lake.changes(None)[0]) == 1
    lake.close()
    assert _rows(again, databases[1], "SELECT email FROM web_accounts_person") == [("sam@grid.invalid",)]
    newest = _rows(again, databases[1], "SELECT MAX(id) FROM provider_metering_ingestrun")
    assert newest == [(7,)], "the next file is not taken for the seventh, which the lake has already"


def _rows(home: Path, url: str, sql: str) -> list[tuple[object, ...]]:
    if url:
        import psycopg

        with psycopg.connect(url) as connection:
            return connection.execute(sql.encode()).fetchall()
    with sqlite3.connect(home / "db.sqlite3") as lite:
        return lite.execute(sql).fetchall()


def test_half_a_backup_is_none(made: tuple[Path, Path], tmp_path: Path) -> None:
    import shutil

    kept = tmp_path / "kept"
    shutil.copytree(made[1], kept)
    victim = kept / "home" / "config.toml"
    victim.write_bytes(victim.read_bytes() + b"#")
    with pytest.raises(NoBackup, match=r"config\.toml"):
        read(kept)
    (kept / "backup.json").unlink()
    with pytest.raises(NoBackup):
        read(kept)


def test_what_cannot_be_restored_is_refused_before_anything_is_written(made: tuple[Path, Path], tmp_path: Path) -> None:
    run = CliRunner()
    home = tmp_path / "new"
    for words in (["requester", "restore"], ["provider", "restore"]):
        ended = run.invoke(cli.app, [*words, "--home", str(home), str(made[1])])
        assert ended.exit_code != 0
        assert type(ended.exception) is NoBackup, "of another role, and without its secret"
        assert not home.exists()
    known = json.loads((made[1] / "backup.json").read_text())
    assert known["version"]
