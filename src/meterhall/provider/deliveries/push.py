"""Pushing a version to the repository fixed in the contract, part by part, each after it was let through."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
from django.db import transaction

from meterhall.client.b2b import RemoteRefusal
from meterhall.client.errors import unreachable
from meterhall.client.signatures import SignedRequest
from meterhall.domain.protocol.deliveries import GATE_BLOCK_BYTES
from meterhall.provider.consents.epoch import epoch
from meterhall.provider.contracts.service import NoContract, contract_in_force
from meterhall.provider.deliveries.access import log_part
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.entitled import passes
from meterhall.provider.deliveries.gate import BodyWithdrawn, Opened, log_closed
from meterhall.provider.deliveries.models import AccessLog, DeliveryPart, PushJob
from meterhall.provider.deliveries.service import NoRepository, live_parts, supersede, view_of
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import state
from meterhall.web.platform import platform


def push_version(job: PushJob) -> None:
    """Put every part, then the manifest, into the repository.

    A newer version makes this one pointless, and so does the end of the contract; where a consent has ended the
    version without it follows.
    """
    version = job.version
    delivery = version.delivery
    if job.pushed_at is not None or version.version != delivery.version:
        return
    try:
        contract = contract_in_force(delivery.activation.subscription_id, delivery.requester)
    except NoContract:
        return
    if contract.repository is None:
        raise NoRepository
    base = f"{contract.repository.url.rstrip('/')}/{delivery.delivery_id}/{version.version}"
    for part in live_parts(delivery):
        seen = epoch()
        found = passes(part)
        if found is None:
            supersede([delivery])
            return
        log_part(part, found.contents, AccessLog.Kind.PUSH)
        opened = Opened(part, found.contents, seen, found.until)
        try:
            _put(f"{base}/parts/{part.number}", _read(part), part.document["media_type"], opened)
        except BodyWithdrawn:
            supersede([delivery])
            return
    _put(f"{base}/manifest", view_of(version).canonical(), "application/json")
    _note(job)


def _read(part: DeliveryPart) -> bytes:
    return (folder() / part.path).read_bytes()


class Gated(httpx.SyncByteStream):
    """A body that leaves in blocks, each after a look whether it may. Raises `BodyWithdrawn`."""

    def __init__(self, content: bytes, opened: Opened) -> None:
        self._content, self._opened = content, opened

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), GATE_BLOCK_BYTES):
            if not self._opened.still_open():
                log_closed(self._opened, start)
                raise BodyWithdrawn("a consent behind this body has ended")
            yield self._content[start : start + GATE_BLOCK_BYTES]


def _put(url: str, content: bytes, media_type: str, opened: Opened | None = None) -> None:
    """PUT a signed body; that of a part goes through the gate and is broken off where a consent ends midway."""
    http = platform().http
    request = http.build_request("PUT", url, content=content, headers={"Content-Type": media_type})
    next(SignedRequest(my_access_number(), platform().transport_key).auth_flow(request))
    if opened is not None:
        request.stream = Gated(content, opened)
    try:
        response = http.send(request, auth=httpx.Auth())
    except httpx.TransportError as fault:
        raise unreachable(url, fault) from fault
    if response.is_error:
        raise RemoteRefusal(response)


@transaction.atomic
def _note(job: PushJob) -> None:
    delivery = job.version.delivery
    job.pushed_at = platform().now()
    job.save(update_fields=["pushed_at"])
    state(
        "delivery.pushed",
        transaction_id=delivery.activation.subscription_id,
        subject=f"{delivery.delivery_id}:{job.version.version}",
        parties=(my_access_number(), delivery.requester),
        counts={"parts": live_parts(delivery).count()},
    )
