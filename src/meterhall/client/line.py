"""Calls to one platform that are repeated while that makes sense, each command under one key of idempotency."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from meterhall.client.b2b import PublicClient, answer_of
from meterhall.client.errors import RemoteRefusal, RemoteUnreachable
from meterhall.client.patience import Pace
from meterhall.domain.protocol.base import Message, Page

Answer = TypeVar("Answer", bound=BaseModel)
Item = TypeVar("Item", bound=BaseModel)
Result = TypeVar("Result")
PAGE = 1000


class Line:
    """How a client talks to one platform, with patience. A command repeated is the same command."""

    def __init__(self, client: PublicClient, pace: Pace) -> None:
        self.client = client
        self.pace = pace

    def call(
        self,
        method: str,
        path: str,
        body: Message | None = None,
        returns: type[Answer] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Answer:
        """One call; the answer as a `returns`.

        Raises `RemoteRefusal`, `RemoteUnreachable`, `UnreadableAnswer`, when repeating does not help or no more.
        """
        response = self.send(method, path, body, params=params, key=key)
        return answer_of(response, returns)

    def send(
        self,
        method: str,
        path: str,
        body: Message | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        """One call; the successful response as it is."""
        fixed = key or secrets.token_hex(16)
        response = self._patiently(lambda: self.client.send(method, path, body, params=params, key=fixed))
        self.pace.heed(self.client.base_url, response.headers)
        return response

    def read(self, path: str, params: Mapping[str, Any], most: int) -> bytes:
        """A body of at most so many bytes, unpacked, from its beginning where it broke off. Raises like
        `PublicClient.read`."""
        return self._patiently(lambda: self.client.read(path, params, most))

    def _patiently(self, ask: Callable[[], Result]) -> Result:
        since, attempt = time.monotonic(), 0
        while True:
            self.pace.hold(self.client.base_url)
            try:
                return ask()
            except (RemoteRefusal, RemoteUnreachable) as fault:
                self.pace.before_again(self.client.base_url, attempt, since, fault)
                attempt += 1

    def items(
        self, path: str, returns: type[Item], params: Mapping[str, Any] | None = None, most: int | None = None
    ) -> Iterator[Item]:
        """The items of a paged list, `most` at most."""
        after: str | None = None
        left = most
        while left is None or left > 0:
            asked = {**(params or {}), "after": after, "limit": PAGE if left is None else min(left, PAGE)}
            found = self.call("GET", path, None, Page[returns], params=asked)  # type: ignore[valid-type]
            yield from found.items
            left = None if left is None else left - len(found.items)
            after = found.next
            if after is None:
                return
