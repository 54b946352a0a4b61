"""Collecting the newest version of a delivery (step 10): manifest, parts, checks, lake, receipt. Safe to repeat.

Every step looks at what is there already, so a worker that was killed goes on where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial

from django.db import connections

from meterhall.client.b2b import B2BClient, RemoteRefusal
from meterhall.client.checks import Rejected, check_bytes, check_content, decode
from meterhall.client.downloads import TooLong
from meterhall.client.together import AT_ONCE, together
from meterhall.domain.errors import MeterhallError
from meterhall.domain.protocol.deliveries import Manifest
from meterhall.domain.protocol.deliveries import Part as PartOut
from meterhall.domain.readings import Curve
from meterhall.requester.activations.models import Activation, ActivationItem
from meterhall.requester.collection import files
from meterhall.requester.collection.manifests import activation_of, fetch, manifest_of
from meterhall.requester.collection.models import Delivery, Version
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
        manifest = manifest_of(version)
        try:
            take_in(client, delivery, manifest)
            withdrawn_in(manifest)
        except Superseded:
            Version.objects.filter(pk=version.pk, outcome="").update(outcome=SUPERSEDED)
            raise NotYet(0.5) from None
        except Rejected as reason:
            settle(version, manifest, reason)
        else:
            settle(version, manifest)
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


def take_in(client: B2BClient, delivery: Delivery, manifest: Manifest) -> None:
    """Bring and check the parts that are not stored yet, several at a time; when all are well, store them in order.

    The database and the lake are worked from this thread alone. Raises `Superseded` and `Rejected`.
    """
    foreign = partial(_foreign, activation_of(manifest))
    said = {part.number: part for part in manifest.parts}
    numbers = list(delivery.parts.exclude(state=STORED).values_list("number", flat=True))
    if not said.keys() >= set(numbers):  # a newer version was pushed meanwhile
        raise Superseded
    awaited = [said[number] for number in numbers]
    kept: dict[int, list[Curve]] = {}

    def check(part: PartOut, curves: list[Curve]) -> None:
        check_content(curves, part, manifest, foreign)
        check_scales(curves, part, manifest)
        if len(awaited) <= AT_ONCE:  # more are not held in memory, but read a second time
            kept[part.number] = curves

    def read(part: PartOut) -> list[Curve]:
        return kept.pop(part.number, None) or decode(files.path_of(delivery, part.number), part, manifest)

    def put(part: PartOut, curves: list[Curve]) -> None:
        store(curves, part, manifest)
        delivery.parts.filter(number=part.number, digest=part.digest).update(state=STORED)

    together(_in_turn(client, delivery, awaited), partial(_brought, client, delivery, manifest), check)
    together(awaited, read, put)


def _foreign(activation: Activation, pseudonyms: Iterable[str]) -> set[str]:
    found = set(pseudonyms)
    # Found by pseudonym alone: a database that goes by the activation reads all of its items each time.
    known = (
        row
        for some in pieces(found)
        for row in ActivationItem.objects.filter(pseudonym__in=some).values_list("pseudonym", "activation")
    )
    return found - {pseudonym for pseudonym, of in known if of == activation.pk}


def _in_turn(client: B2BClient, delivery: Delivery, parts: Iterable[PartOut]) -> Iterator[PartOut]:
    """The parts, each once there is a token to fetch it with: what a token is got for is in the database."""
    for part in parts:
        if not files.path_of(delivery, part.number).exists():
            client.ready()
        yield part


def _brought(client: B2BClient, delivery: Delivery, manifest: Manifest, part: PartOut) -> list[Curve]:
    """A part, on this disk, with the digest the manifest says. On a thread of its own."""
    try:
        _bring(client, delivery, part)
    finally:
        connections.close_all()  # opened where a token ended on the way
    path = files.path_of(delivery, part.number)
    check_bytes(path, part)
    return decode(path, part, manifest)


def _bring(client: B2BClient, delivery: Delivery, part: PartOut) -> None:
    """Have the part on this disk. A part whose consent ended is dropped, what came of it included."""
    try:
        files.pull(client, delivery, part)
    except TooLong:
        raise Rejected("digest_mismatch", f"Part {part.number} is longer than the manifest says.") from None
    except RemoteRefusal as refusal:
        if refusal.remote_status != 410 or refusal.remote_code not in ENDED:
            raise
        files.drop(delivery, part.number)
        raise Superseded from refusal
