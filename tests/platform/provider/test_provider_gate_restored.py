"""A body under way while a backup is restored: its next look is at the file that is there now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import DEFAULT_DB_ALIAS, connection, connections

from meterhall.provider.deliveries import gate
from meterhall.provider.deliveries.gate import Admitted, BodyWithdrawn, through
from meterhall.web.settings import database
from meterhall.web.sqlite.base import DatabaseWrapper, close_kept
from tests.platform.provider.conftest import World

pytestmark = pytest.mark.django_db
FAR = datetime(2100, 1, 1).astimezone()


@dataclass(slots=True, eq=False)
class Said(Admitted):
    """Open as long as the database says so."""

    def still_open(self) -> bool:
        with connection.cursor() as cursor:
            return bool(cursor.execute("SELECT word FROM said").fetchone() == ("open",))

    def asked_again(self) -> datetime | None:
        return None


def says(file: Path, word: str) -> None:
    with closing(sqlite3.connect(file)) as made:
        made.executescript(f"CREATE TABLE said (word TEXT); INSERT INTO said VALUES ('{word}')")


@pytest.fixture
def workers(tmp_path: Path, django_db_blocker: Any) -> Iterator[ThreadPoolExecutor]:
    """A thread like those of parts and of live answers, on a database of its own: a file."""
    says(tmp_path / "db.sqlite3", "open")
    settings = connections.settings[DEFAULT_DB_ALIAS] | database("", tmp_path / "db.sqlite3")

    def begin() -> None:
        connections[DEFAULT_DB_ALIAS] = DatabaseWrapper(settings, DEFAULT_DB_ALIAS)

    def finish() -> None:
        connection.close()
        del connections[DEFAULT_DB_ALIAS]

    with ThreadPoolExecutor(1, initializer=begin) as pool:
        yield pool
        pool.submit(finish).result()
    close_kept()


def test_the_next_look_is_at_the_file_that_came_in_its_place(
    world: World, workers: ThreadPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "give_back", lambda: True)  # the test's own transaction is not the request's

    async def body() -> list[bytes]:
        got = []
        async for block in through(Said(0, FAR), iter([b"1", b"2", b"3"]), {}, workers=workers):
            got.append(block)
            if len(got) == 2:
                says(tmp_path / "restored", "over")
                (tmp_path / "restored").replace(tmp_path / "db.sqlite3")
        return got

    with pytest.raises(BodyWithdrawn):
        async_to_sync(body)()
