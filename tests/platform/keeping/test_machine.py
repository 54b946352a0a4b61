"""Faults of the machine are named: a clock that is off, a disk that is full, a database that does not answer."""

from __future__ import annotations

import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from django.db import OperationalError
from django.test import Client

from meterhall.client.errors import unreachable
from meterhall.domain.readings import DayBlock
from meterhall.lake import Lake, SeriesSpec
from meterhall.lake import table as lake_table
from meterhall.lake.table import LakeUnwritable
from meterhall.web import machine
from meterhall.web.home import write_private
from meterhall.web.staff.service import create_staff_key

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def day(number: int) -> DayBlock:
    return DayBlock(number, AT.date(), np.arange(96, dtype=np.int64), None, AT)


class PanicException(BaseException):
    """What a panic of the library's Rust looks like here."""


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space is left"),
        (RuntimeError("Unable to copy data to file: No space left on device (os error 28)"), "no space is left"),
        (OSError(errno.EROFS, "Read-only file system"), "read-only"),
        (PanicException("Already shut down"), "broke off"),
    ],
)
def test_a_lake_that_cannot_be_written_says_why_reads_on_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException, says: str
) -> None:
    lake = Lake(tmp_path / "lake", buckets=2, threads=1)
    lake.append([day(1)], transaction=("w", 1))

    def refuses(*args: object, **how: object) -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(lake_table, "write_deltalake", refuses)
        with pytest.raises(LakeUnwritable, match=says):
            lake.append([day(2)], transaction=("w", 2))
        start = datetime(2026, 3, 1, tzinfo=UTC)
        [block] = lake.read([SeriesSpec(1, 900)], start, start + timedelta(days=1))
        assert block.mantissas.tolist() == list(range(96))
    lake.append([day(2)], transaction=("w", 2))
    assert len(lake.changes(None)[0]) == 2


def test_another_fault_of_the_library_keeps_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path / "lake", buckets=2, threads=1)
    monkeypatch.setattr(lake_table, "write_deltalake", lambda *args, **how: [].pop())
    with pytest.raises(IndexError):
        lake.append([day(1)], transaction=("w", 1))


def test_a_lake_opens_for_reading_where_its_lock_cannot_be_made(tmp_path: Path, monkeypatch: Any) -> None:
    first = Lake(tmp_path / "lake", buckets=2, threads=1)
    first.append([day(1)], transaction=("w", 1))
    first.close()

    def refuses(*args: object, **how: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(lake_table, "FileLock", refuses)
    lake = Lake(tmp_path / "lake", threads=1)
    assert len(lake.changes(None)[0]) == 1
    with pytest.raises(LakeUnwritable):
        lake.append([day(2)], transaction=("w", 2))


def test_half_a_file_is_taken_away_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(tmp_path / "kept", b"before")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(tmp_path / "kept", b"after")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("kept", b"before")]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (OperationalError("the server closed the connection"), 503, "database_unavailable"),
        (OSError(errno.ENOSPC, "No space left on device"), 503, "storage_unavailable"),
    ],
)
def test_a_command_that_finds_no_database_or_no_room_may_be_asked_again(
    settings: Any, monkeypatch: pytest.MonkeyPatch, fault: Exception, status: int, code: str
) -> None:
    from meterhall.provider.metering import api

    settings.ROOT_URLCONF = "meterhall.provider.urls_portal"

    def fails(*args: object, **how: object) -> None:
        raise fault

    key = create_staff_key("m")
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "one"}
    with monkeypatch.context() as patch:
        patch.setattr(api, "take_readings", fails)
        answer = Client(raise_request_exception=False).post(
            "/api/readings?resolution=PT15M", b"pod,start,energy_wh\n", content_type="text/csv", headers=headers
        )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("Retry-After" in answer) == (status == 503)
    again = Client().post(
        "/api/readings?resolution=PT15M", b"pod,start,energy_wh\n", content_type="text/csv", headers=headers
    )
    assert again.status_code == 202, "the key was not used up"


def test_a_certificate_that_is_not_accepted_is_named() -> None:
    fault = httpx.ConnectError(
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_s"
    )
    assert unreachable("https://x", fault).detail.endswith("its certificate is not accepted, certificate has expired.")
    assert unreachable("https://x", httpx.ConnectTimeout("")).detail.endswith("it did not answer in time.")


def test_a_clock_is_compared_with_the_market_places() -> None:
    answer = httpx.Response(200, headers={"Date": "Sun, 01 Mar 2026 12:00:00 GMT"})
    assert "within" in machine.compared(answer, AT + timedelta(seconds=19))
    for off, says in ((timedelta(minutes=10), "600 s ahead"), (-timedelta(minutes=10), "600 s behind")):
        with pytest.raises(ValueError, match=says):
            machine.compared(answer, AT + off)


def test_a_full_disk_and_a_certificate_about_to_run_out_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "GiB free" in machine.room()
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000, total=10**12))
    with pytest.raises(ValueError, match="make room"):
        machine.room()
    assert "valid until" in machine.certificate()
    ends = machine.certificate_ends()
    for before, says in ((timedelta(days=3), "runs out"), (-timedelta(days=1), "ran out")):
        monkeypatch.setattr(machine, "platform", lambda at=ends - before: SimpleNamespace(now=lambda: at))
        monkeypatch.setattr(machine, "certificate_ends", lambda: ends)
        with pytest.raises(ValueError, match=says):
            machine.certificate()
