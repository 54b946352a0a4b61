"""A platform whose clock the test holds, and people who reach it over httpx as they would over TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import override_settings

from meterhall.demo.person import Person
from meterhall.web.platform import Platform, platform


@dataclass
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@pytest.fixture
def clock() -> Iterator[Clock]:
    held = Clock(datetime(2026, 3, 2, 8, 0, 7, tzinfo=UTC))
    with override_settings(METERHALL=Platform(settings.METERHALL.home, clock=held)):
        yield held


@pytest.fixture
def one_connection(db: None) -> Iterator[None]:
    """Requests stay on the test's connection: at the end of each Django would close it, on PostgreSQL for good."""
    for when in (request_started, request_finished):
        when.disconnect(close_old_connections)
    yield
    for when in (request_started, request_finished):
        when.connect(close_old_connections)


@pytest.fixture
def browser(one_connection: None, clock: Clock) -> Iterator[Callable[[], Person]]:
    """Makes people, each with a browser of their own."""
    clients: list[httpx.Client] = []

    def make() -> Person:
        clients.append(httpx.Client(transport=httpx.WSGITransport(WSGIHandler()), follow_redirects=False))
        return Person(
            platform().portal_url,
            clients[-1],
            clock=lambda: clock.now.timestamp(),
            sleep=lambda seconds: clock.pass_(seconds=seconds),
        )

    yield make
    for client in clients:
        client.close()
