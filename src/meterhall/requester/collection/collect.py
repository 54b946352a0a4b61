"""Collecting the newest version of a delivery (step 10): manifest, parts, checks, lake, receipt. Safe to repeat.

Every step looks at what is there already, so a worker that was killed goes on where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import partial

from meterhall.client.b2b import B2BClient, RemoteRefusal
from meterhall.client.checks import Rejected, check_bytes, check_content, decode
from meterhall.client.downloads import TooLong
from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.deliveries import Manifest
from meterhall.domain.protocol.deliveries import Part as PartOut
from meterhall.domain.readings import Curve
from meterhall.requester.activations.models import Activation, ActivationItem
from meterhall.requester.collection import files
from meterhall.requester.collection.manifests import activation_of, fetch, manifest_of
from meterhall.requester.collection.models import Delivery, Part, Version
from meterhall.requester.collection.settle import send_receipts, settle
from meterhall.requester.collection.store import check_scales, store
from meterhall.requester.collection.withdrawal import withdrawn_in
from meterhall.web.membership.service import attestation_for
from meterhall.web.messaging.clients import provider_client
from meterhall.web.platform import platform
from meterhall.web.sets import pieces
from meterhall.web.work.engine import NotYet

PUSH_PATIENCE = timedelta(minutes=2)
"""How long a delivery agreed to be pushed is waited for before it is pulled."""
ENDED = frozenset({"consent_revoked", "part_replaced"})
SUPERSEDED, STORED = "superseded", "stored"


class Superseded(Exception):
    """The manifest in hand is not the newest any more."""


def collect(delivery: Delivery) -> None:
    """Collect and answer the newest version; a refusal that will not pass by itself ends it with its code."""
    client = provider_client(delivery.provider, attestation_for)
    try:
        _collect(client, delivery)
    except RemoteRefusal as refusal:
        if not refusal.is_final:
            raise
        _refused(delivery, refusal.remote_code, refusal.remote_detail)
    except MeterhallError as refusal:
        if refusal.status >= 500:
            raise
        _refused(delivery, refusal.code, refusal.detail)


def _refused(delivery: Delivery, code: str, detail: str) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(state="refused", code=code[:60], detail=detail[:300])
    files.drop_all(delivery)


def _collect(client: B2BClient, delivery: Delivery) -> None:
    version = _newest(client, delivery)
    if version.outcome == SUPERSEDED:
        raise NotYet(1)
    if version.outcome == "":
        try:
            take_in(client, delivery, version)
            withdrawn_in(manifest_of(version))
        except Superseded:
            Version.objects.filter(pk=version.pk, outcome="").update(outcome=SUPERSEDED)
            raise NotYet(0.5) from None
        except Rejected as reason:
            settle(version, reason)
        else:
            settle(version)
    files.drop_all(delivery)
    send_receipts(client, delivery)


def _newest(client: B2BClient, delivery: Delivery) -> Version:
    """The newest version heard of; fetched where it was not pushed."""
    known = delivery.versions.filter(version=delivery.version).exclude(outcome=SUPERSEDED).first()
    if known is not None:
        return known
    if delivery.transmission == "push" and platform().now() < delivery.announced_at + PUSH_PATIENCE:
        raise NotYet(2)
    try:
        return fetch(client, delivery)
    except RemoteRefusal as refusal:
        if refusal.remote_code == "delivery_not_ready":
            raise NotYet(1) from refusal
        raise


def take_in(client: B2BClient, delivery: Delivery, version: Version) -> None:
    """Bring, check and store every part that is not stored yet; nothing is stored before all are checked.

    Raises `Superseded` and `Rejected`.
    """
    manifest = manifest_of(version)
    activation = activation_of(manifest)
    said = {part.number: part for part in manifest.parts}
    awaited = list(delivery.parts.exclude(state=STORED))
    for row in awaited:
        _bring(client, delivery, row)
        check_bytes(files.path_of(delivery, row.number), said[row.number])
    curves: list[Curve] = []
    for row in awaited:
        curves = _decoded(delivery, said[row.number], manifest)
        check_content(curves, said[row.number], manifest, partial(_foreign, activation))
        check_scales(curves, said[row.number], manifest)
    for row in awaited:
        part = said[row.number]
        store(curves if len(awaited) == 1 else _decoded(delivery, part, manifest), part, manifest)
        Part.objects.filter(pk=row.pk, digest=row.digest).update(state=STORED)


def _foreign(activation: Activation, pseudonyms: Iterable[str]) -> set[str]:
    found = set(pseudonyms)
    # Found by pseudonym alone: a database that goes by the activation reads all of its items each time.
    known = (
        row
        for some in pieces(found)
        for row in ActivationItem.objects.filter(pseudonym__in=some).values_list("pseudonym", "activation")
    )
    return found - {pseudonym for pseudonym, of in known if of == activation.pk}


def _decoded(delivery: Delivery, part: PartOut, manifest: Manifest) -> list[Curve]:
    return decode(files.path_of(delivery, part.number), part, manifest)


def _bring(client: B2BClient, delivery: Delivery, row: Part) -> None:
    """Have the part on this disk. A part whose consent ended is dropped, what came of it included."""
    try:
        files.pull(client, delivery, row)
    except TooLong:
        raise Rejected("digest_mismatch", f"Part {row.number} is longer than the manifest says.") from None
    except RemoteRefusal as refusal:
        if refusal.remote_status != 410 or refusal.remote_code not in ENDED:
            raise
        files.drop(delivery, row.number)
        raise Superseded from refusal
