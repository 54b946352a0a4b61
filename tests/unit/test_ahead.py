"""What follows is made while one thing is worked on, in order, and no thread is left of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from meterhall.web.ahead import ahead


class Made:
    """Counts what was made, and by which threads."""

    def __init__(self, most: int, broken_at: int | None = None) -> None:
        self.most, self.broken_at, self.made = most, broken_at, 0
        self.threads: set[str] = set()
        self.begun = threading.Semaphore(0)

    def things(self) -> Iterator[int]:
        for number in range(self.most):
            self.threads.add(threading.current_thread().name)
            self.begun.release()
            if number == self.broken_at:
                raise ValueError(number)
            self.made += 1
            yield number


def test_all_come_in_order_from_another_thread() -> None:
    made = Made(50)
    assert list(ahead(made.things())) == list(range(50))
    assert threading.current_thread().name not in made.threads


def test_the_next_is_made_while_one_is_worked_on_and_no_more() -> None:
    made = Made(50)
    with closing(ahead(made.things())) as found:
        assert next(found) == 0
        assert all(made.begun.acquire(timeout=10) for _ in range(2)), "the second is being made, nobody asked for it"
        assert not made.begun.acquire(timeout=0.05), "no third"
    assert made.made == 2


def test_a_fault_comes_where_it_was_made() -> None:
    found = ahead(Made(50, broken_at=2).things())
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ValueError, match="2"):
        next(found)


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    for most in (0, 1, 5):
        assert len(list(ahead(Made(most).things()))) == most
    broken_off = ahead(Made(5).things())
    next(broken_off)
    broken_off.close()
    assert threading.active_count() == before
