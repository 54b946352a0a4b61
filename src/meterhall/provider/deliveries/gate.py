"""The gate every byte of a part passes: before each block the consent epoch is compared, and on a change the consents.

A body whose consent ends midway is aborted: visibly broken, never a short clean 200.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator

import structlog
from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from meterhall.domain.protocol.deliveries import GATE_BLOCK_BYTES, Part
from meterhall.provider.activations.service import frame_of
from meterhall.provider.consents.service import epoch
from meterhall.provider.deliveries.build import folder, may_have
from meterhall.provider.deliveries.models import Delivery, DeliveryPart
from meterhall.provider.deliveries.service import ConsentRevoked, PartReplaced, UnknownDelivery, newest, supersede

log = structlog.get_logger(__name__)
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class BodyWithdrawn(ConnectionAbortedError):
    """Raised inside a body whose consent ended: the server breaks the transfer off."""


def open_part(delivery: Delivery, number: int) -> DeliveryPart:
    """The part, if its consents hold. Raises `ConsentRevoked` or `PartReplaced`, each with `superseded_by`."""
    part = delivery.parts.filter(number=number).first()
    if part is None:
        raise UnknownDelivery("There is no such part.")
    newest(delivery)
    if part.replaced_reason == "revocation" or (not part.replaced_reason and not consents_hold(part)):
        following = delivery.version if part.replaced_reason else supersede(delivery, "revocation")
        raise ConsentRevoked(members=superseded_by(delivery, following))
    if part.replaced_reason:
        raise PartReplaced(members=superseded_by(delivery, delivery.version))
    return part


def superseded_by(delivery: Delivery, version: int) -> dict[str, object]:
    """The problem member that names the manifest to fetch instead."""
    return {"superseded_by": {"delivery_id": delivery.delivery_id, "version": version}}


def consents_hold(part: DeliveryPart) -> bool:
    """Whether every POD in the part may still be had, now."""
    frame = frame_of(part.delivery.activation)
    if frame.is_sandbox:
        return True
    items = part.items.select_related("point", "consent_item__consent", "activation")
    return all(item.state == "accepted" and may_have(item, frame.scope) for item in items)


def respond(request: HttpRequest, part: DeliveryPart) -> HttpResponseBase:
    """The whole part or the range asked for (RFC 9110 section 14), through the gate."""
    document = Part.model_validate(part.document)
    size = document.size_bytes
    start, end = _range(request.headers.get("Range", ""), size)
    if start >= size and size:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    partial = (start, end) != (0, size)
    response = StreamingHttpResponse(
        _blocks(part, start, end), status=206 if partial else 200, content_type=document.media_type
    )
    response["Content-Length"] = str(end - start)
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = f'"{document.digest}"'
    response["Cache-Control"] = "no-store"
    if partial:
        response["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response


def _range(header: str, size: int) -> tuple[int, int]:
    match = RANGE.fullmatch(header)
    if match is None:
        return 0, size
    start = int(match[1])
    end = min(int(match[2]) + 1, size) if match[2] else size
    return (start, end) if start < end or start >= size else (0, size)


async def _blocks(part: DeliveryPart, start: int, end: int) -> AsyncIterator[bytes]:
    seen = await sync_to_async(epoch)()
    file = os.open(folder() / part.path, os.O_RDONLY)
    try:
        while start < end:
            now = await sync_to_async(epoch)()
            if now != seen:
                if not await sync_to_async(consents_hold)(part):
                    log.info("gate.closed", delivery=part.delivery_id, part=part.number, at_byte=start)
                    raise BodyWithdrawn("a consent behind this body has ended")
                seen = now
            block = os.pread(file, min(GATE_BLOCK_BYTES, end - start), start)
            start += len(block)
            yield block
    finally:
        os.close(file)
