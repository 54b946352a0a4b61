"""Connections to SQLite that are kept: the same one again, never one with something under way, never across a fork."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from meterhall.web.settings import database
from meterhall.web.sqlite import base
from meterhall.web.sqlite.base import DatabaseWrapper, close_kept

USUAL = {
    "ATOMIC_REQUESTS": False, "AUTOCOMMIT": True, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False, "TIME_ZONE": None,
    "TEST": {"NAME": None},
}  # fmt: skip


@pytest.fixture(autouse=True)
def files_of_their_own(django_db_blocker: Any) -> Iterator[None]:
    """The databases here are files beside the suite's."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def wrapper(tmp_path: Path) -> Iterator[DatabaseWrapper]:
    file = tmp_path / "db.sqlite3"
    sqlite3.connect(file).close()
    yield DatabaseWrapper(USUAL | database("", file), "kept")
    close_kept()


def test_it_is_used_again_with_its_settings(wrapper: DatabaseWrapper) -> None:
    wrapper.ensure_connection()
    first = wrapper.connection
    wrapper.close()
    assert wrapper.connection is None
    with wrapper.cursor() as cursor:
        assert wrapper.connection is first
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert cursor.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_one_in_a_transaction_is_closed(wrapper: DatabaseWrapper) -> None:
    wrapper.ensure_connection()
    first = wrapper.connection
    first.execute("BEGIN IMMEDIATE")
    wrapper.close()
    wrapper.ensure_connection()
    assert wrapper.connection is not first
    with pytest.raises(sqlite3.ProgrammingError):
        first.execute("SELECT 1")
    wrapper.connection.execute("BEGIN IMMEDIATE")  # nobody holds the file
    wrapper.connection.execute("ROLLBACK")


def test_one_that_failed_is_closed(wrapper: DatabaseWrapper) -> None:
    wrapper.ensure_connection()
    first = wrapper.connection
    wrapper.errors_occurred = True
    wrapper.close()
    wrapper.ensure_connection()
    assert wrapper.connection is not first


def test_no_more_are_kept_than_are_of_use(wrapper: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MOST", 1)
    other = DatabaseWrapper(wrapper.settings_dict, "other")
    for one in (wrapper, other):
        one.ensure_connection()
    for one in (wrapper, other):
        one.close()
    assert len(base.FREE[wrapper._key]) == 1


def test_a_forked_process_opens_its_own(wrapper: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper.ensure_connection()
    first = wrapper.connection
    wrapper.close()
    mine = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: mine + 1)
    wrapper.ensure_connection()
    assert wrapper.connection is not first
    wrapper.close()


def test_a_file_that_took_its_place_is_opened_and_one_that_is_gone_is_an_error(
    wrapper: DatabaseWrapper, tmp_path: Path
) -> None:
    with wrapper.cursor() as cursor:
        cursor.execute("CREATE TABLE said (word TEXT)")
        cursor.execute("INSERT INTO said VALUES ('old')")
    wrapper.close()
    for file in tmp_path.glob("db.sqlite3*"):
        file.unlink()
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as fresh:
        fresh.executescript("CREATE TABLE said (word TEXT); INSERT INTO said VALUES ('new')")
    with wrapper.cursor() as cursor:
        assert cursor.execute("SELECT word FROM said").fetchall() == [("new",)]
    wrapper.close()
    for file in tmp_path.glob("db.sqlite3*"):
        file.unlink()
    with pytest.raises(OperationalError):
        wrapper.ensure_connection()


def test_in_memory_nothing_changes(tmp_path: Path) -> None:
    settings = USUAL | database("", tmp_path / "x") | {"NAME": "file:kept?mode=memory&cache=shared"}
    wrapper = DatabaseWrapper(settings, "memory")
    wrapper.ensure_connection()
    wrapper.close()
    assert wrapper.connection is not None, "closing it would lose what is in it"
    wrapper._close()
    assert not any(free for (_, name), free in base.FREE.items() if "memory" in name)
