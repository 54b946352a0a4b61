"""Requests that come when they are due, whether the ones before were answered or not; as a process of its own.

What to ask is read from standard input, the milliseconds of each request are written to standard output. A connection
asks again and again at a fixed rate, each time at any of the addresses; a request that was due while the one before was
still under way counts from when it was due. Nothing is kept of an answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from meterhall.client.tokens import TokenEndpoint
from meterhall.domain.protocol.keys import SigningKey


@dataclass
class Caller:
    """Who asks, and with which token."""

    endpoint: TokenEndpoint
    token: str

    def head(self, base: str, path: str) -> bytes:
        """A request at an address; its proof is good for once."""
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {urlsplit(base).netloc}",
            f"Authorization: DPoP {self.token}",
            f"DPoP: {self.endpoint.proof('GET', base + path.partition('?')[0], self.token)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def caller(wanted: dict[str, Any], tls: ssl.SSLContext) -> Caller:
    """One with a fresh token and a nonce of the resource."""
    http = httpx.Client(verify=tls, timeout=60)
    key = SigningKey.from_bytes(bytes.fromhex(wanted["key"]))
    endpoint = TokenEndpoint(wanted["base"], wanted["access_number"], key, http=http)
    token = endpoint.post("/oauth/token", {"grant_type": "client_credentials"})["access_token"]
    return Caller(endpoint, token)


async def connection(
    number: int, wanted: dict[str, Any], who: Caller, tls: ssl.SSLContext, start: float
) -> list[float]:
    """Milliseconds of each request of one connection."""
    host, port = urlsplit(wanted["base"]).hostname, wanted["ports"][number % len(wanted["ports"])]
    reader, writer = await asyncio.open_connection(host, port, ssl=tls, limit=1 << 20)
    chance, took = random.Random(number), []
    every = 1 / wanted["a_second"]
    begin = start + every * number / wanted["connections"]
    for turn in range(int(wanted["lasts_s"] * wanted["a_second"])):
        path = chance.choice(wanted["paths"])
        head, due = who.head(wanted["base"], path), begin + turn * every
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        while not await _ask(reader, writer, head, who):
            head = who.head(wanted["base"], path)
        took.append((time.perf_counter() - due) * 1000)
    writer.close()
    return took


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, who: Caller) -> bool:
    """Whether a whole answer came; not where a new nonce is to be used, which is kept."""
    writer.write(head)
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    said = httpx.Headers([tuple(line.split(b": ", 1)) for line in lines if line])  # type: ignore[misc]
    left = int(said["content-length"])
    first = await reader.read(min(left, 1 << 18))
    left -= len(first)
    while left:
        left -= len(await reader.read(min(left, 1 << 18)))
    nonce = said.get("dpop-nonce")
    if nonce:
        who.endpoint.learn_nonce(httpx.Response(200, headers={"DPoP-Nonce": nonce}))
    if status.split()[1] == b"200":
        return True
    if nonce and b"use_dpop_nonce" in first + said.get("www-authenticate", "").encode():
        return False
    raise RuntimeError(first[:500].decode(errors="replace"))


async def load(wanted: dict[str, Any]) -> list[float]:
    """Milliseconds of all requests of all connections."""
    tls = ssl.create_default_context(cafile=wanted["trust"])
    who, start = caller(wanted, tls), time.perf_counter() + 1
    each = (connection(number, wanted, who, tls, start) for number in range(wanted["connections"]))
    return [one for some in await asyncio.gather(*each) for one in some]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(json.load(sys.stdin)))))
