"""Pushing a version to the repository fixed in the contract, part by part, each after it was let through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import httpx
from django.db import transaction

from meterhall.client.b2b import RemoteRefusal
from meterhall.client.errors import unreachable
from meterhall.client.signatures import SignedRequest
from meterhall.domain.errors import Unavailable
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.deliveries import GATE_BLOCK_BYTES
from meterhall.provider.consents.epoch import epoch
from meterhall.provider.contracts.service import NoContract, contract_in_force
from meterhall.provider.deliveries.access import log_part
from meterhall.provider.deliveries.drawing import folder
from meterhall.provider.deliveries.entitled import passes
from meterhall.provider.deliveries.gate import BodyWithdrawn, Opened, about, log_closed
from meterhall.provider.deliveries.models import AccessLog, DeliveryPart, DeliveryVersion, PushJob
from meterhall.provider.deliveries.service import NoRepository, supersede, view_of
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import state
from meterhall.web.platform import platform
from meterhall.web.storage import Place, is_elsewhere, opened


class StorageDiffers(Unavailable):
    code = "storage_differs"
    title = "What was read back is not what was sent; it is removed there and sent again."


def push_version(job: PushJob) -> None:
    """Put every part, then the manifest, into the repository.

    What was put there is not put again, however often this is tried. A newer version makes this one pointless, and so
    does the end of the contract; where a consent has ended the version without it follows. What had been sent elsewhere
    of a part of such a version is removed.
    """
    version = job.version
    delivery = version.delivery
    if job.pushed_at is not None:
        return
    try:
        contract = contract_in_force(delivery.activation.subscription_id, delivery.requester)
    except NoContract:
        return
    if contract.repository is None:
        raise NoRepository
    url, folder_of = contract.repository.url, f"{delivery.delivery_id}/{version.version}"
    is_newest = version.version == delivery.version
    if is_elsewhere(url):
        with opened(f"{url.rstrip('/')}/{folder_of}") as place:
            whole = is_newest and _put_all(job, partial(put_there, place))
            if not whole:
                _drop_piece(job, place)
    else:
        whole = is_newest and _put_all(job, partial(_put_https, f"{url.rstrip('/')}/{folder_of}"))
    if whole:
        _note(job)
    elif is_newest:
        supersede([delivery])


Put = Callable[[str, bytes, str, Opened | None], None]
"""Puts what has a name under the version, content and media type there; that of a part through its gate."""


def _put_all(job: PushJob, put: Put) -> bool:
    """Every part of the manifest that is not there yet, each after it was let through, then the manifest; False where
    one is not to be had any more, before or midway."""
    version = job.version
    for number in _numbers(version):
        if number <= job.through:
            continue
        seen, part = epoch(), version.delivery.parts.get(number=number)
        until = passes(part)
        if until is None:
            return False
        log_part(part, AccessLog.Kind.PUSH)
        gate = Opened(seen, until, part)
        try:
            put(f"parts/{part.number}", _read(part), part.document["media_type"], gate)
        except BodyWithdrawn:
            return False
        job.through = part.number
        job.save(update_fields=["through"])
    put("manifest", view_of(version).canonical(), "application/json", None)
    return True


def _numbers(version: DeliveryVersion) -> list[int]:
    """Of the parts of a version, in order."""
    return sorted(part["number"] for part in version.manifest["parts"])


def _put_https(base: str, name: str, content: bytes, media_type: str, gate: Opened | None) -> None:
    _put(f"{base}/{name}", content, media_type, *([] if gate is None else [gate]))


def put_there(place: Place, name: str, content: bytes, media_type: str, gate: Opened | None) -> None:
    """Put a file into a folder elsewhere: under another name until it is whole and read back as what was sent.

    What is there already is left; where the file system lets a file be gone on with, one that broke off is. Raises
    `BodyWithdrawn` where a consent ends midway, and `StorageDiffers`.
    """
    there, said = place.at(*name.split("/")), digest(content)
    if place.size(there) == len(content) and place.digest(there) == said:
        return
    coming = f"{there}.partial"
    sent = _sent(place, coming, content)
    place.fs.makedirs(there.rpartition("/")[0], exist_ok=True)
    with place.fs.open(coming, "ab" if sent else "wb") as file:
        for block in blocks(content, sent, gate):
            file.write(block)
    if place.digest(coming) != said:
        place.fs.rm(coming)
        raise StorageDiffers(retry_after_s=1)
    place.fs.mv(coming, there)


def _drop_piece(job: PushJob, place: Place) -> None:
    """Remove what had been sent of the part that was under way."""
    number = next((number for number in _numbers(job.version) if number > job.through), 0)
    coming = place.at("parts", f"{number}.partial")
    if place.size(coming) is not None:
        place.fs.rm(coming)


def _sent(place: Place, coming: str, content: bytes) -> int:
    """How much of a file that broke off can be gone on with: what is there, where it is how the file begins."""
    size = place.size(coming) or 0
    if not place.appends or not 0 < size <= len(content) or place.digest(coming) != digest(content[:size]):
        return 0
    return size


def blocks(content: bytes, start: int, gate: Opened | None) -> Iterator[bytes]:
    """The content from `start` on in blocks, each after a look whether it may leave. Raises `BodyWithdrawn`."""
    for at in range(start, len(content), GATE_BLOCK_BYTES):
        if gate is not None and not gate.still_open():
            log_closed(about(gate.part), at)
            raise BodyWithdrawn("a consent behind this body has ended")
        yield content[at : at + GATE_BLOCK_BYTES]


def _read(part: DeliveryPart) -> bytes:
    return (folder() / part.path).read_bytes()


class Gated(httpx.SyncByteStream):
    """A body that leaves in blocks, each after a look whether it may. Raises `BodyWithdrawn`."""

    def __init__(self, content: bytes, opened: Opened) -> None:
        self._content, self._opened = content, opened

    def __iter__(self) -> Iterator[bytes]:
        return blocks(self._content, 0, self._opened)


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
        counts={"parts": len(_numbers(job.version))},
    )
