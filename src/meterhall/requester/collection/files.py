"""The files of parts while they are on their way: pulled in ranges or pushed whole, checked by size and digest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import httpx

from meterhall.client.b2b import B2BClient, RemoteUnreachable
from meterhall.requester.collection.models import Delivery, Part
from meterhall.web.platform import platform

BREAKS_IN_A_ROW = 3
"""How often a body may break without a single new byte before the worker lets go and comes back later."""
BREAKS = 100
"""How often it may break at all."""


class TooLong(Exception):
    """More bytes came than the manifest announces."""


def path_of(delivery: Delivery, number: int) -> Path:
    """Where the whole file of a part is."""
    return platform().home.path / "files" / "collected" / delivery.provider / delivery.delivery_id / f"{number}.part"


def partial_of(delivery: Delivery, number: int) -> Path:
    """Where the bytes that have come so far are."""
    return path_of(delivery, number).with_suffix(".partial")


def drop(delivery: Delivery, number: int) -> None:
    """Remove what there is of a part."""
    path_of(delivery, number).unlink(missing_ok=True)
    partial_of(delivery, number).unlink(missing_ok=True)


def drop_all(delivery: Delivery) -> None:
    """Remove every file of a delivery."""
    folder = path_of(delivery, 0).parent
    if folder.is_dir():
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        folder.rmdir()


def pull(client: B2BClient, delivery: Delivery, part: Part) -> None:
    """Bring a part whole onto this disk, going on after a broken body from the bytes that are here.

    Raises `RemoteRefusal` (410: the part is no longer to be had), `RemoteUnreachable`, `TooLong`.
    """
    target = path_of(delivery, part.number)
    if target.exists():
        return
    partial = partial_of(delivery, part.number)
    partial.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    idle = breaks = 0
    while (start := _length(partial)) < part.size_bytes or not partial.exists():
        try:
            _pull_from(client, delivery, part, partial, start)
        except httpx.TransportError as fault:
            breaks += 1
            idle = 0 if _length(partial) > start else idle + 1
            if idle >= BREAKS_IN_A_ROW or breaks >= BREAKS:
                raise RemoteUnreachable(f"The body of part {part.number} broke off: {type(fault).__name__}.") from fault
    if start > part.size_bytes:
        drop(delivery, part.number)
        raise TooLong
    partial.replace(target)


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _pull_from(client: B2BClient, delivery: Delivery, part: Part, partial: Path, start: int) -> None:
    at = f"/v1/deliveries/{delivery.delivery_id}/parts/{part.number}"
    with client.stream(at, start=start) as response:
        resumed = start and response.status_code == httpx.codes.PARTIAL_CONTENT
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if resumed else os.O_TRUNC)
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as out:
            size = start if resumed else 0
            for block in response.iter_raw():
                out.write(block)
                size += len(block)
                if size > part.size_bytes:
                    break
            out.flush()
            os.fsync(out.fileno())
    if size < part.size_bytes:
        raise httpx.RemoteProtocolError(f"The body ended after {size} of {part.size_bytes} bytes.")


def digest_of(path: Path) -> str:
    """`sha-256:<hex>` of a file."""
    with path.open("rb") as file:
        return "sha-256:" + hashlib.file_digest(file, "sha256").hexdigest()
