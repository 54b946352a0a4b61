"""Pushing a version to the repository fixed in the contract, part by part, each after its consents were checked."""

from __future__ import annotations

from meterhall.client.b2b import RemoteRefusal
from meterhall.client.signatures import SignedRequest
from meterhall.domain.errors import Conflict
from meterhall.domain.protocol.deliveries import Manifest, ManifestView
from meterhall.provider.contracts.service import contract_in_force
from meterhall.provider.deliveries.build import folder
from meterhall.provider.deliveries.gate import consents_hold
from meterhall.provider.deliveries.models import PushJob
from meterhall.provider.deliveries.service import live_parts
from meterhall.web.messaging.peers import my_access_number
from meterhall.web.messaging.service import state
from meterhall.web.platform import platform


class NoRepository(Conflict):
    code = "no_repository"
    title = "The contract names no repository to push to."


def push_version(job: PushJob) -> None:
    """Put every part, then the manifest, into the repository; a newer version makes this one pointless."""
    version = job.version
    delivery = version.delivery
    if version.version != delivery.version:
        return
    contract = contract_in_force(delivery.activation.subscription_id, delivery.requester)
    if contract.repository is None:
        raise NoRepository
    base = f"{contract.repository.url.rstrip('/')}/{delivery.delivery_id}/{version.version}"
    for part in live_parts(delivery):
        if not consents_hold(part):
            return
        _put(f"{base}/parts/{part.number}", (folder() / part.path).read_bytes(), part.document["media_type"])
    view = ManifestView(manifest=Manifest.model_validate(version.manifest), jws=version.jws)
    _put(f"{base}/manifest", view.canonical(), "application/json")
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
