"""Bringing a part of a delivery whole onto this disk: in ranges, on after a broken body, checked by size and digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import httpx

from meterhall.client.b2b import PublicClient, RemoteUnreachable
from meterhall.client.patience import go_on

BREAKS_IN_A_ROW = 3
"""How often a body may break without a single new byte before the caller lets go and comes back later."""
BREAKS = 100
"""How often it may break at all."""

Came = Callable[[int], None]
"""Told how many bytes of the part are here."""


class TooLong(Exception):
    """More bytes came than the manifest announces."""


def partial_of(target: Path) -> Path:
    """Where the bytes that have come so far of `target` are."""
    return target.with_suffix(".partial")


def drop(target: Path) -> None:
    """Remove what there is of a part."""
    target.unlink(missing_ok=True)
    partial_of(target).unlink(missing_ok=True)


def bring(
    client: PublicClient, delivery_id: str, number: int, size_bytes: int, target: Path, came: Came | None = None
) -> None:
    """Have the whole part at `target`, going on from the bytes that are here already; nothing to do when it is there.

    Raises `RemoteRefusal` (410: the part is no longer to be had), `RemoteUnreachable`, `TooLong`; `Stopped` at the next
    block when it is ended from outside, with what came kept.
    """
    if target.exists():
        return
    partial = partial_of(target)
    partial.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = f"/v1/deliveries/{delivery_id}/parts/{number}"
    idle = breaks = 0
    while (start := length(partial)) < size_bytes or not partial.exists():
        try:
            _bring_from(client, path, size_bytes, partial, start, came)
        except httpx.TransportError as fault:
            breaks += 1
            idle = 0 if length(partial) > start else idle + 1
            if idle >= BREAKS_IN_A_ROW or breaks >= BREAKS:
                raise RemoteUnreachable(f"The body of part {number} broke off: {type(fault).__name__}.") from fault
    if start > size_bytes:
        drop(target)
        raise TooLong
    partial.replace(target)


def length(path: Path) -> int:
    """How many bytes are there; 0 where nothing is."""
    return path.stat().st_size if path.exists() else 0


def _bring_from(client: PublicClient, path: str, size_bytes: int, partial: Path, start: int, came: Came | None) -> None:
    with client.stream(path, start=start) as response:
        resumed = start and response.status_code == httpx.codes.PARTIAL_CONTENT
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if resumed else os.O_TRUNC)
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as out:
            size = start if resumed else 0
            for block in response.iter_raw():
                go_on()
                out.write(block)
                size += len(block)
                if came is not None:
                    came(size)
                if size > size_bytes:
                    break
            out.flush()
            os.fsync(out.fileno())
    if size < size_bytes:
        raise httpx.RemoteProtocolError(f"The body ended after {size} of {size_bytes} bytes.")


def digest_of(path: Path) -> str:
    """`sha-256:<hex>` of a file."""
    with path.open("rb") as file:
        return "sha-256:" + hashlib.file_digest(file, "sha256").hexdigest()
