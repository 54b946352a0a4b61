"""The repository deliveries are pushed to: a provider's signed PUT of parts and manifest, kept for the collection."""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction
from django.http import HttpRequest

from meterhall.client.downloads import digest_of
from meterhall.client.signatures import verify_request
from meterhall.domain.errors import Conflict, InvalidInput, NotPermitted, TooLarge
from meterhall.domain.protocol.agreements import SubscriptionView
from meterhall.domain.protocol.canonical import digest
from meterhall.domain.protocol.deliveries import MOST_PART_BYTES, Manifest, ManifestView
from meterhall.requester.collection import files
from meterhall.requester.collection.manifests import activation_of, keep, read
from meterhall.requester.collection.models import Delivery
from meterhall.requester.collection.service import wake
from meterhall.requester.partners.models import Subscription
from meterhall.web.home import write_private
from meterhall.web.messaging.api import key_of
from meterhall.web.platform import platform

MOST_MANIFEST_BYTES = 128 * 1024 * 1024
"""More than a manifest of a million PODs has, which names each of them twice."""


class NoPushAgreed(NotPermitted):
    code = "no_push_agreed"
    title = "No contract in force names this repository for deliveries of the caller's."


class PushTooLarge(TooLarge):
    code = "push_too_large"
    title = f"A pushed part has at most {MOST_PART_BYTES >> 20} MiB, a manifest {MOST_MANIFEST_BYTES >> 20} MiB."


class PartDiffers(Conflict):
    code = "part_differs"
    title = "Another file was put under this number; parts never change."


class PushMismatch(InvalidInput):
    code = "push_mismatch"
    title = "The manifest is not of the delivery and version in its address."


class Pushed(NamedTuple):
    """A signed body: who put it, and its bytes."""

    provider: str
    content: bytes


def repository_url() -> str:
    """What a contract names as repository, so that deliveries come here."""
    return f"{platform().base_url}/repository"


def received(request: HttpRequest, most: int) -> Pushed:
    """The body of a provider that may push here, its signature checked.

    Raises `PushTooLarge`, `BadSignature`, `NoPushAgreed`.
    """
    length = request.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > most:
        raise PushTooLarge
    content = request.read(most + 1)
    if len(content) > most:
        raise PushTooLarge
    url = platform().base_url + request.get_full_path()
    signer = verify_request(request.method or "PUT", url, dict(request.headers), content, key_of, now=platform().now())
    if not _may_push(signer):
        raise NoPushAgreed
    return Pushed(signer, content)


def _may_push(provider: str, subscription_id: str | None = None) -> bool:
    """Whether a contract in force with the provider (this one, if named) has this repository."""
    active = Subscription.objects.filter(provider=provider, state="active")
    if subscription_id is not None:
        active = active.filter(subscription_id=subscription_id)
    return any(_names_us(document) for document in active.values_list("document", flat=True))


def _names_us(document: dict[str, object]) -> bool:
    repository = SubscriptionView.model_validate(document).contract.repository
    return repository is not None and repository.url.rstrip("/") == repository_url()


def put_part(pushed: Pushed, delivery_id: str, number: int) -> None:
    """Keep a pushed part until its manifest comes; the same file again changes nothing. Raises `PartDiffers`."""
    delivery = _delivery(pushed.provider, delivery_id)
    row = delivery.parts.filter(number=number).first()
    found = digest(pushed.content)
    if row is not None and row.digest != found:
        raise PartDiffers(f"The manifest has another digest for part {number}.")
    if row is not None and row.state == "stored":
        return
    path = files.path_of(delivery, number)
    if path.exists() and digest_of(path) != found:
        raise PartDiffers
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, pushed.content)
    if row is not None:
        wake(delivery)


def put_manifest(pushed: Pushed, delivery_id: str, version: int) -> Manifest:
    """Keep a pushed manifest and have the worker verify, store and receipt the delivery.

    Raises `BadSignature`, `BadManifest`, `PushMismatch`, `NoPushAgreed`.
    """
    jws = ManifestView.model_validate_json(pushed.content).jws
    manifest = read(jws, pushed.provider, delivery_id)
    if manifest.version != version:
        raise PushMismatch(field="/manifest/version")
    activation_of(manifest)
    if not _may_push(pushed.provider, manifest.subscription_id):
        raise NoPushAgreed
    delivery = _delivery(pushed.provider, delivery_id)
    with transaction.atomic():
        keep(delivery, manifest, jws)
        wake(delivery)
    return manifest


def _delivery(provider: str, delivery_id: str) -> Delivery:
    """The delivery, made where nothing announced it; work for it starts with its manifest."""
    now = platform().now()
    delivery, _ = Delivery.objects.get_or_create(
        provider=provider,
        delivery_id=delivery_id,
        defaults={"announced_at": now, "due_at": now, "transmission": "push", "work_state": "held"},
    )
    return delivery
