"""Pushing a version to the repository fixed in the contract, part by part, each after it was let through."""

from __future__ import annotations

from django.db import transaction

from meterhall.client.b2b import RemoteRefusal
from meterhall.client.signatures import SignedRequest
from meterhall.provider.contracts.service import NoContract, contract_in_force
from meterhall.provider.deliveries.access import log_part
from meterhall.provider.deliveries.build import folder
from meterhall.provider.deliveries.entitled import passes
from meterhall.provider.deliveries.models import AccessLog, PushJob
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
        found = passes(part)
        if found is None:
            supersede([delivery])
            return
        log_part(part, found.contents, AccessLog.Kind.PUSH)
        _put(f"{base}/parts/{part.number}", (folder() / part.path).read_bytes(), part.document["media_type"])
    _put(f"{base}/manifest", view_of(version).canonical(), "application/json")
    _note(job)


def _put(url: str, content: bytes, media_type: str) -> None:
    response = platform().http.put(
        url,
        content=content,
        headers={"Content-Type": media_type},
        auth=SignedRequest(my_access_number(), platform().transport_key),
    )
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
