"""The gate every byte of a part passes: before each block the consent epoch is compared, and on a change the consents.

A body whose consent ends midway is aborted: visibly broken, never a short clean 200.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.deliveries import GATE_BLOCK_BYTES, Part
from meterhall.provider.activations.service import frame_of
from meterhall.provider.consents.epoch import epoch
from meterhall.provider.deliveries.access import log_part
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.entitled import passes
from meterhall.provider.deliveries.metrics import ABORTS
from meterhall.provider.deliveries.models import NEVER_HAD, AccessLog, Delivery, DeliveryPart
from meterhall.provider.deliveries.service import (
    ConsentRevoked,
    DeliveryExpired,
    PartReplaced,
    UnknownDelivery,
    newest,
    supersede,
)
from meterhall.web.api import problem
from meterhall.web.platform import platform
from meterhall.web.sqlite.base import let_go_of_replaced

log = structlog.get_logger(__name__)
LOOKOUT = ThreadPoolExecutor(1, thread_name_prefix="gate")
"""The one thread of this process, and so the one connection, through which all bodies under way look."""
RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")


class RangeNotSatisfiable(MeterhallError):
    """RFC 9110 section 15.5.17; `Content-Range` says how long the part is."""

    status = 416
    code = "range_not_satisfiable"
    title = "The part has no byte in the range asked for; `Content-Range` says how long it is."


class BodyWithdrawn(ConnectionAbortedError):
    """Raised inside a body whose consent ended: the server breaks the transfer off."""


Look = Callable[["Admitted", Iterator[bytes], Mapping[str, object], int], Awaitable[bytes]]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Admitted(ABC):
    """What may be sent, as long as it may: at which epoch that was asked, and until when the clock lets it."""

    epoch: int
    until: datetime

    def still_open(self) -> bool:
        """Whether the next block may leave. As long as nothing ended anywhere, this is one look at one number."""
        now = epoch()
        if now == self.epoch and platform().now() < self.until:
            return True
        until = self.asked_again()
        if until is None:
            return False
        self.epoch, self.until = now, until
        return True

    @abstractmethod
    def asked_again(self) -> datetime | None:
        """Until when all of it may be sent, as things stand now; None where not all of it may."""


@dataclass(slots=True, eq=False)
class Opened(Admitted):
    """A part that may be sent."""

    part: DeliveryPart

    def asked_again(self) -> datetime | None:
        return passes(self.part)


def open_part(delivery: Delivery, number: int) -> Opened:
    """The part, if everything in it may be had now; `delivery` was read just now.

    Raises `ConsentRevoked` or `PartReplaced`, each with `superseded_by`; `NoContract` and `ActivationEnded` where the
    whole is over.
    """
    # The epoch is read first: what ends after it is found by the first comparison.
    seen = epoch()
    part = delivery.parts.filter(number=number).first()
    if part is None or part.replaced_reason in NEVER_HAD:
        raise UnknownDelivery("There is no such part.")
    part.delivery = delivery
    frame = frame_of(delivery.activation)
    if part.replaced_reason == "retention":
        raise DeliveryExpired
    until = passes(part, frame)
    if until is not None:
        return Opened(seen, until, part)
    version = newest(delivery)
    listed = number in {one["number"] for one in version.manifest["parts"]}
    if listed:
        supersede([delivery])
    following = superseded_by(delivery, version.version + 1 if listed else version.version)
    if part.replaced_reason == "correction":
        raise PartReplaced(members=following)
    raise ConsentRevoked(members=following)


def superseded_by(delivery: Delivery, version: int) -> dict[str, object]:
    """The problem member that names the manifest to fetch instead."""
    return {"superseded_by": {"delivery_id": delivery.delivery_id, "version": version}}


def respond(request: HttpRequest, opened: Opened) -> HttpResponseBase:
    """The whole part or the range asked for (RFC 9110 section 14), through the gate."""
    document = Part.model_validate(opened.part.document)
    size, etag = document.size_bytes, f'"{document.digest}"'
    asked = request.headers.get("Range", "") if request.headers.get("If-Range", etag) == etag else ""
    wanted = _range(asked, size)
    if wanted is not None and wanted[0] >= wanted[1]:
        refused = problem(RangeNotSatisfiable(f"The part has {size} bytes; none is in {asked}.", field="/Range"))
        refused["Content-Range"] = f"bytes */{size}"
        return refused
    start, end = wanted or (0, size)
    log_part(opened.part, AccessLog.Kind.DOWNLOAD, start)
    response = StreamingHttpResponse(
        blocks(opened, start, end), status=200 if wanted is None else 206, content_type=document.media_type
    )
    response["Content-Length"] = str(end - start)
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    response["Cache-Control"] = "no-store"
    if wanted is not None:
        response["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response


def _range(header: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; empty when it cannot be satisfied. None: no single valid range."""
    match = RANGE.fullmatch(header)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        return max(0, size - int(suffix)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size


def blocks(opened: Opened, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes of a part in blocks, each after a look whether it may leave. Raises `BodyWithdrawn`.

    A body under way holds no connection to the database of its own: all of a process look through the same one.
    """
    return through(opened, _of_file(folder() / opened.part.path, start, end), about(opened.part), start)


def _of_file(path: Path, start: int, end: int) -> Iterator[bytes]:
    file = os.open(path, os.O_RDONLY)
    try:
        while start < end:
            block = os.pread(file, min(GATE_BLOCK_BYTES, end - start), start)
            if not block:
                raise BodyWithdrawn("the file of this body is gone")
            start += len(block)
            yield block
    finally:
        os.close(file)


def through(
    admitted: Admitted,
    source: Iterator[bytes],
    told: Mapping[str, object],
    start: int = 0,
    workers: ThreadPoolExecutor = LOOKOUT,
) -> AsyncIterator[bytes]:
    """The blocks of a source, each after a look whether it may leave, taken and looked after by `workers`; `told` and
    `start` are for the log. The body raises `BodyWithdrawn`."""
    look = sync_to_async(_next, thread_sensitive=False, executor=workers) if give_back() else sync_to_async(_next)
    return _each(look, admitted, source, told, start)


async def _each(
    look: Look, admitted: Admitted, source: Iterator[bytes], told: Mapping[str, object], start: int
) -> AsyncIterator[bytes]:
    try:
        while block := await look(admitted, source, told, start):
            start += len(block)
            yield block
    finally:
        if isinstance(source, Generator):
            with suppress(ValueError):  # a block of it is being made: it is closed when that is done
                source.close()


def give_back() -> bool:
    """Let the connection go that the request asked with; whether that could be, outside of any transaction."""
    if connection.in_atomic_block:
        return False
    connection.close()
    return True


def _look(admitted: Admitted) -> bool:
    """Whether the next block may leave; asked a second time by a fresh connection where the old one was lost."""
    try:
        return admitted.still_open()
    except (OperationalError, InterfaceError):
        connection.close()
        return admitted.still_open()


def about(part: DeliveryPart) -> dict[str, object]:
    """What the log says of a part."""
    return {"delivery": part.delivery_id, "part": part.number}


def log_closed(told: Mapping[str, object], start: int) -> None:
    """Note that a body was broken off."""
    ABORTS.inc()
    log.info("gate.closed", **told, at_byte=start)


def _next(admitted: Admitted, source: Iterator[bytes], told: Mapping[str, object], start: int) -> bytes:
    """The next block, empty at the end. Raises `BodyWithdrawn`."""
    let_go_of_replaced()
    try:
        block = next(source, b"")
    except BodyWithdrawn:
        log_closed(told, start)
        raise
    except (OperationalError, InterfaceError):
        connection.close()  # the thread's next body begins with a fresh one
        raise
    if block and not _look(admitted):
        log_closed(told, start)
        raise BodyWithdrawn("a consent behind this body has ended")
    return block
