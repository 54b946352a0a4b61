"""Several things are worked on at a time, taken in order, and one fault ends all of it."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from meterhall.client.patience import STOP, Stopped
from meterhall.client.together import together

SAID: ContextVar[str] = ContextVar("said", default="")


def test_a_later_one_is_begun_before_an_earlier_one_ends_and_they_are_taken_in_order():
    last_begun, taken = threading.Event(), []

    def work(number: int) -> str:
        if number == 3:
            last_begun.set()
        assert last_begun.wait(10)
        return SAID.get() + str(number)

    SAID.set("no. ")
    together(range(8), work, lambda number, text: taken.append((number, text)))
    assert taken == [(number, f"no. {number}") for number in range(8)]


def test_no_more_is_begun_than_is_taken_away():
    begun, lock, most = 0, threading.Lock(), 0

    def work(_: int) -> None:
        nonlocal begun
        with lock:
            begun += 1

    def take(number: int, _: None) -> None:
        nonlocal most
        threading.Event().wait(0.05)
        with lock:
            most = max(most, begun - number)

    together(range(20), work, take, at_once=3)
    assert (begun, most) == (20, 4)


def test_the_first_fault_stops_what_is_under_way_and_is_the_one_raised():
    waiting, stopped, begun = threading.Event(), [], []

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            assert waiting.wait(10)
            raise KeyError("it")
        stop = STOP.get()
        assert stop is not None
        waiting.set()
        stopped.append(stop.wait(10))
        raise Stopped

    with pytest.raises(KeyError):
        together(range(9), work, lambda *_: None, at_once=2)
    assert stopped == [True]
    assert sorted(begun) == [0, 1]


def test_what_cannot_be_taken_stops_the_rest():
    stopped = []

    def work(number: int) -> None:
        stop = STOP.get()
        assert stop is not None
        if number:
            stopped.append(stop.wait(10))

    def take(*_: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        together(range(3), work, take)
    assert stopped == [True, True]


def test_it_is_ended_from_outside():
    outside = threading.Event()

    def work(_: int) -> None:
        outside.set()
        stop = STOP.get()
        assert stop is not None
        assert stop.wait(10)
        raise Stopped

    token = STOP.set(outside)
    try:
        with pytest.raises(Stopped):
            together(range(2), work, lambda *_: None)
    finally:
        STOP.reset(token)
