"""Parts come whole: a broken body goes on with a range, one that ignores ranges starts over, too much is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from meterhall.client import downloads
from meterhall.client.downloads import TooLong, bring, digest_of, partial_of
from meterhall.client.errors import RemoteUnreachable

CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)


class Callee:
    """Sends the content from where it is asked, and breaks off as it is told."""

    def __init__(self, breaks: list[int | None], ranges: bool = True, content: bytes = CONTENT) -> None:
        self.breaks, self.ranges, self.content = breaks, ranges, content
        self.starts: list[int] = []

    @contextmanager
    def stream(self, path: str, *, start: int = 0) -> Iterator[httpx.Response]:
        self.starts.append(start)
        first = start if self.ranges else 0
        stop = self.breaks.pop(0)

        def body() -> Iterator[bytes]:
            sent = 0
            for at in range(first, len(self.content), 100):
                if stop is not None and sent >= stop:
                    raise httpx.ReadError("broken off")
                yield self.content[at : at + 100]
                sent += 100

        yield httpx.Response(206 if first else 200, content=body())


def take(callee: Callee, target: Path, size: int = SIZE) -> list[int]:
    came: list[int] = []
    bring(callee, "dlv_1", 3, size, target, came.append)  # type: ignore[arg-type]
    return came


def test_a_broken_body_goes_on_from_the_bytes_that_came(tmp_path: Path):
    callee, target = Callee([1000, 3000, None]), tmp_path / "x" / "1.part"
    came = take(callee, target)
    assert target.read_bytes() == CONTENT
    assert callee.starts == [0, 1000, 4000]
    assert came == sorted(came)
    assert came[-1] == SIZE
    assert not partial_of(target).exists()
    assert digest_of(target).startswith("sha-256:")


def test_what_an_earlier_run_brought_is_not_brought_again(tmp_path: Path):
    target = tmp_path / "1.part"
    with pytest.raises(RemoteUnreachable):
        take(Callee([2000, 0, 0, 0]), target)
    assert partial_of(target).stat().st_size == 2000
    callee = Callee([None])
    take(callee, target)
    assert callee.starts == [2000]
    assert target.read_bytes() == CONTENT
    take(Callee([]), target)


def test_a_callee_without_ranges_starts_over(tmp_path: Path):
    target = tmp_path / "1.part"
    callee = Callee([5000, None], ranges=False)
    take(callee, target)
    assert callee.starts == [0, 5000]
    assert target.read_bytes() == CONTENT


def test_a_callee_that_sends_nothing_new_is_left_alone(tmp_path: Path):
    callee = Callee([0] * 10)
    with pytest.raises(RemoteUnreachable):
        take(callee, tmp_path / "1.part")
    assert len(callee.starts) == downloads.BREAKS_IN_A_ROW


def test_more_than_announced_is_dropped(tmp_path: Path):
    target = tmp_path / "1.part"
    with pytest.raises(TooLong):
        take(Callee([None]), target, size=500)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_part_is_a_file(tmp_path: Path):
    target = tmp_path / "1.part"
    take(Callee([None], content=b""), target, size=0)
    assert target.read_bytes() == b""
